"""Metadata of a GGUF header under its architecture's prefix, checked as it is read."""

from __future__ import annotations

from strixkit.errors import InputError
from strixkit.planner.gguf import Array, Header


class Keys:
    """Metadata of one architecture. Names are given without the architecture's prefix."""

    def __init__(self, header: Header, architecture: str) -> None:
        self.header = header
        self.architecture = architecture

    def has(self, key: str) -> bool:
        """Whether the header has the key."""
        return f"{self.architecture}.{key}" in self.header.metadata

    def per_layer(self, key: str, default: int | None = None) -> list[int]:
        """A number, or one for each layer, as a list that is never empty.

        Raises InputError if there is neither.
        """
        name = f"{self.architecture}.{key}"
        value = self.header.metadata.get(name, default)
        values = value if isinstance(value, list) else [value]
        numbers = [int(item) for item in values if isinstance(item, int)]
        if not numbers or len(numbers) != len(values):
            raise InputError(f"the GGUF header has no usable {name}: found {value!r}, wanted a number")
        return numbers

    def number(self, key: str, default: int | None = None) -> int:
        """A number; of several, the largest. Raises InputError if there is none."""
        return max(self.per_layer(key, default))

    def vocabulary(self) -> int:
        """Tokens of the vocabulary."""
        tokens = self.header.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, Array):
            return tokens.length
        return len(tokens) if isinstance(tokens, list) else self.number("vocab_size")
