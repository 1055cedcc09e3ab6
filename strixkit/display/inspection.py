"""What is known of a GGUF, for people. Its texts are anybody's, so all of them are cleaned."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.planner.inspection import Inspection
from strixkit.planner.template import TemplateFacts

SHOWN = 200  # characters of a text


def lines(found: Inspection) -> list[str]:
    """Facts, tensor types, runtimes, doubts, and last what is wrong."""
    return [_short(line) for line in _lines(found)]


def _lines(found: Inspection) -> Iterator[str]:
    yield from columns([(name, _short(value)) for name, value in _facts(found)])
    head = ("type", "id", "tensors", "bytes", "bits per weight", "of the file")
    total = sum(row.bytes for row in found.types) or 1
    rows = [
        (
            row.type,
            str(row.type_id),
            str(row.tensors),
            f"{row.bytes:,}",
            f"{row.bits_per_weight:.3f}" + ("" if row.known else " ?"),
            f"{row.bytes / total:.1%}",
        )
        for row in found.types
    ]
    yield from columns([head, *rows], right=range(1, len(head)))
    for verdict in found.runtimes:
        yield f"runtime {verdict.runtime}: {'loads it' if verdict.loads else 'cannot load it'}: {verdict.why}"
    for doubt in found.doubts:
        yield f"doubt: {doubt}"
    for problem in found.problems:
        yield f"problem: {problem}"


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    for number, file in enumerate(found.files, 1):
        label = "file" if len(found.files) == 1 else f"part {number}"
        size = "not read" if file.size is None else f"{file.size:,} bytes, {file.tensors} tensors"
        yield label, f"{file.name}: {size}"
    yield "model", f"{found.architecture or 'unknown architecture'}{f', {found.name}' if found.name else ''}"
    yield "weights", f"{found.parameters:,}, {found.bits_per_weight:.3f} bits each"
    if found.layers is not None:
        kinds = f"{found.layers.attention} attention, {found.layers.recurrent} recurrent"
        yield "layers", f"{kinds}, {found.layers.mtp} MTP"
    if found.experts:
        yield "experts", str(found.experts)
    if found.context_length is not None:
        yield "context", f"{found.context_length} tokens"
    if found.vocabulary is not None:
        yield "vocabulary", f"{found.vocabulary} tokens"
    if found.file_type is not None:
        yield "file type", f"{found.file_type} {found.file_type_name}".strip()
    yield "template", _template(found.template)


def _template(facts: TemplateFacts | None) -> str:
    if facts is None:
        return "none"
    if not facts.readable:
        return f"{facts.characters:,} bytes, too long to be read"
    asked = {
        "preserve_thinking": facts.preserve_thinking,
        "enable_thinking": facts.enable_thinking,
        "reasoning_content": facts.reasoning_content,
        "tools": facts.tools,
    }
    words = [f"{name} {'yes' if there else 'no'}" for name, there in asked.items()]
    words.append(f"reasoning tags {' '.join(facts.reasoning_tags) or 'none'}")
    if facts.others:
        words.append(f"more templates: {' '.join(facts.others)}")
    return f"{facts.characters:,} characters; {', '.join(words)}"


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
