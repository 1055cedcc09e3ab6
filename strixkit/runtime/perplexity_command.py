"""llama-perplexity's command lines, and what they leave on the disk."""

from __future__ import annotations

from dataclasses import dataclass

PROGRAM = "llama-perplexity"  # beside llama-server
CONTEXT = 512  # tokens of a chunk: as in the card, and in llama.cpp's own tables
ALL_LAYERS = 999


@dataclass(frozen=True)
class Settings:
    """What all runs of an evaluation share. program: its path on the box. device: e.g. Vulkan0; empty: the CPU.

    chunks: of CONTEXT tokens at most.
    """

    program: str
    device: str
    chunks: int

    def base(self, model: str, text: str, logits: str) -> list[str]:
        """The run that writes the base's logits; it says the base's own perplexity too."""
        return [*self._common(model, text), "--kl-divergence-base", logits]

    def variant(self, model: str, text: str, logits: str) -> list[str]:
        """A run against them. It takes tokens and chunks from the logits, and the text only because it must."""
        return [*self._common(model, text), "--kl-divergence-base", logits, "--kl-divergence"]

    def _common(self, model: str, text: str) -> list[str]:
        """-b is the context: a batch of one chunk, so that no result depends on how many a device takes at once."""
        where = ["-dev", self.device, "-ngl", str(ALL_LAYERS)] if self.device else ["-dev", "none", "-ngl", "0"]
        size = str(CONTEXT)
        return [self.program, "-m", model, "-f", text, "-c", size, "-b", size, *where, "--chunks", str(self.chunks)]


def logits_bytes(vocabulary: int, chunks: int, context: int = CONTEXT) -> int:
    """The size of the base's logits: magic, three numbers, the tokens, and for the second half of each chunk a row.

    A row has two floats (scale and offset) and 16 bits for each token of the vocabulary, rounded up to two.
    llama.cpp's tools/perplexity/perplexity.cpp; captured files have exactly this size.
    """
    row = 2 * (2 * ((vocabulary + 1) // 2) + 4)
    return 8 + 3 * 4 + 4 * context * chunks + chunks * (context - 1 - context // 2) * row


def most_chunks(text_bytes: int, chunks: int, context: int = CONTEXT) -> int:
    """No token has less than a byte."""
    return min(chunks, text_bytes // context)
