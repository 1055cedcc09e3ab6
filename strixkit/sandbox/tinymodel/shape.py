"""The tiny model's dimensions: Qwen3.6-27B's architecture with every number made small."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The hyper-parameters of a `qwen35` model; all lengths in elements."""

    embedding: int = 256
    feed_forward: int = 512
    layers: int = 8  # without the MTP block: six of linear attention, two of full attention
    full_attention_interval: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_length: int = 64
    rope_sections: tuple[int, int, int, int] = (6, 5, 5, 0)
    ssm_kernel: int = 4
    ssm_inner: int = 256
    ssm_state: int = 64
    ssm_heads: int = 4
    ssm_groups: int = 2

    @property
    def rope_dimensions(self) -> int:
        """The elements of a head that are rotated: two per section entry."""
        return 2 * sum(self.rope_sections)

    @property
    def convolved(self) -> int:
        """The width of the linear attention's input: the values, and all groups' keys and queries."""
        return self.ssm_inner + 2 * self.ssm_groups * self.ssm_state


TINY = Shape()
