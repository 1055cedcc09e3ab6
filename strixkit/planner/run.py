"""One candidate: the settings of a server that its memory depends on, and the sizes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from strixkit.planner.gguf import TYPES

Family = Literal["rocmfp4", "upstream"]
DEFAULT_CACHE_RAM_MIB = 8192
CONTEXT_STEP = 256

_KV_TYPES = {kind.name: kind for kind in TYPES.values()}


def round_up(value: int, step: int) -> int:
    """The least multiple of `step` that is at least `value`."""
    return -(-value // step) * step


def row_bytes(kv_type: str, elements: int) -> float:
    """Bytes of `elements` values of a KV type, e.g. 34 for 32 of q8_0."""
    kind = _KV_TYPES[kv_type]
    return elements / kind.block * kind.size


def is_quantised(kv_type: str) -> bool:
    """Whether a KV type stores blocks and not single numbers."""
    return _KV_TYPES[kv_type].block > 1


@dataclass(frozen=True)
class Run:
    """A server's settings. Tokens, unless the name says otherwise.

    `draft_max` is -1 without drafting; `cache_ram_mib` None stands for the server's own default.
    """

    family: Family
    hip: bool
    context: int
    parallel: int
    batch: int
    micro: int
    kv: str
    draft_kv: str
    draft_max: int
    checkpoints: int
    checkpoint_every: int
    cache_ram_mib: int | None = None
    flash_attention: bool = True

    @property
    def drafts(self) -> bool:
        """Whether the MTP head drafts."""
        return self.draft_max >= 0

    @property
    def planes(self) -> int:
        """Copies of the recurrent state: one, and one for each token that a draft may have to take back.

        common.h: need_n_rs_seq.
        """
        return 1 + max(0, self.draft_max)

    @property
    def sequence(self) -> int:
        """Context of one slot (llama-context.cpp: KV not unified)."""
        return round_up(round_up(self.context, CONTEXT_STEP) // self.parallel, CONTEXT_STEP)

    @property
    def total_context(self) -> int:
        """Context of all slots together, as the server rounds it."""
        return self.sequence * self.parallel

    @property
    def batch_tokens(self) -> int:
        """Logical batch that the server really uses."""
        return min(self.batch, self.total_context)

    @property
    def micro_tokens(self) -> int:
        """Physical batch that the server really uses."""
        return min(self.micro, self.batch_tokens)

    @property
    def cache_mib(self) -> int:
        """Limit of the prompt cache in MiB."""
        return DEFAULT_CACHE_RAM_MIB if self.cache_ram_mib is None else self.cache_ram_mib
