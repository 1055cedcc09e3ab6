"""The tiny model's tokens and what follows what: a byte-level BPE vocabulary and one fixed recitation.

The model knows no text but this: it thinks `EXPECTED_REASONING` and answers `EXPECTED_CONTENT`. Which token
comes next depends on the last token alone, so every token has exactly one successor.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise

EXPECTED_REASONING = "abcdefghijklm"
EXPECTED_CONTENT = "nopqrstuvwxyz"

# Tokens 0-255 are the bytes; the merged tokens follow in the order of MERGES, then the special ones.
MERGES = ("h e", "l l")

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
THINK_START = "<think>"
THINK_END = "</think>"
# One token: the line feed after <think> starts the recitation, so that those after </think> must not be that
# token. It has no line feed before it (Qwen's has): the server would count it to the thinking.
THINK_CLOSE = "</think>\n\n"


class TokenType(IntEnum):
    """`tokenizer.ggml.token_type` of the GGUF specification (only those used here)."""

    NORMAL = 1
    CONTROL = 3
    USER_DEFINED = 4


SPECIAL = (
    (END_OF_TEXT, TokenType.CONTROL),
    (TURN_START, TokenType.CONTROL),
    (TURN_END, TokenType.CONTROL),
    (THINK_START, TokenType.USER_DEFINED),
    (THINK_END, TokenType.USER_DEFINED),
    (THINK_CLOSE, TokenType.USER_DEFINED),
)


def byte_characters() -> list[str]:
    """The printable stand-in for each byte 0-255, as in GPT-2's byte-level BPE: itself, or U+0100 and up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def tokens() -> list[str]:
    """The text of every token as it stands in `tokenizer.ggml.tokens`; the index is the token's id."""
    merged = [merge.replace(" ", "") for merge in MERGES]
    return [*byte_characters(), *merged, *(text for text, _ in SPECIAL)]


def token_types() -> list[int]:
    """The type of every token, in the order of `tokens()`."""
    ordinary = [int(TokenType.NORMAL)] * (256 + len(MERGES))
    return [*ordinary, *(int(kind) for _, kind in SPECIAL)]


def token_id(text: str) -> int:
    """The id of a special token, of a merged token, or of one ASCII character."""
    if len(text) == 1:
        return ord(text)
    return tokens().index(text)


def recitation() -> list[int]:
    """The token ids that the model says after `<think>` and a line feed, the end of its turn included."""
    spoken = [*EXPECTED_REASONING, THINK_CLOSE, *EXPECTED_CONTENT, TURN_END]
    return [token_id(text) for text in spoken]


def successors() -> list[int]:
    """For every token id the one that follows: the next of the recitation, or its first after all others."""
    spoken = recitation()
    after = [spoken[0]] * len(tokens())
    for token, following in pairwise(spoken):
        after[token] = following
    return after
