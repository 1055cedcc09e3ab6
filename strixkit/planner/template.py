"""What a chat template supports, told from its text: it is never run, and time grows with its length alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from strixkit.planner.gguf import Array

KEY = "tokenizer.chat_template"
OPENING = re.compile(r"\{[{%#]")
CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
# A string that never ends is taken to the end: so no text makes the search start again and again.
LITERAL = re.compile(r"""'(?:\\.?|[^'\\])*(?:'|\Z)|"(?:\\.?|[^"\\])*(?:"|\Z)""", re.DOTALL)
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TAGS = ("<think>", "<thinking>", "<thought>", "<reasoning>", "<seed:think>", "[THINK]", "<|channel|>")


class TemplateFacts(BaseModel):
    """Of `tokenizer.chat_template`. `readable` false: it is too long to be kept, so the rest is not known.

    preserve_thinking, enable_thinking, tools: the template asks for this variable.
    reasoning_content: it puts the thinking of past turns back. reasoning_tags: what marks thinking in its text.
    others: names of more templates in the file.
    """

    model_config = ConfigDict(frozen=True)

    characters: int
    readable: bool = True
    preserve_thinking: bool = False
    enable_thinking: bool = False
    reasoning_content: bool = False
    reasoning_tags: tuple[str, ...] = ()
    tools: bool = False
    others: tuple[str, ...] = ()


def template_facts(metadata: Mapping[str, object]) -> TemplateFacts | None:
    """The facts of the template in a GGUF's metadata; None if there is none."""
    text = metadata.get(KEY)
    others = tuple(key.removeprefix(f"{KEY}.") for key in metadata if key.startswith(f"{KEY}."))
    if isinstance(text, Array):
        return TemplateFacts(characters=text.length, readable=False, others=others)
    if not isinstance(text, str):
        return None
    pieces, rest = _split(text)
    code = "\n".join(pieces)
    # Piece by piece: a string that is cut off must not swallow the next one.
    names = {name for piece in pieces for name in WORD.findall(LITERAL.sub(" ", piece))}
    return TemplateFacts(
        characters=len(text),
        preserve_thinking="preserve_thinking" in names,
        enable_thinking="enable_thinking" in names,
        reasoning_content="reasoning_content" in code,
        reasoning_tags=tuple(tag for tag in TAGS if tag in code or tag in rest),
        tools="tools" in names,
        others=others,
    )


def _split(text: str) -> tuple[list[str], str]:
    """The pieces of code in `{{ }}` and `{% %}`, and what stands outside; comments are neither.

    A string in the code may hold a closing mark: then the rest of the string counts as text.
    """
    code: list[str] = []
    rest: list[str] = []
    position = 0
    while opening := OPENING.search(text, position):
        rest.append(text[position : opening.start()])
        end = text.find(CLOSING[opening[0]], opening.end())
        stop = len(text) if end < 0 else end
        if opening[0] != "{#":
            code.append(text[opening.end() : stop])
        position = stop + 2
    rest.append(text[position:])
    return code, "\n".join(rest)
