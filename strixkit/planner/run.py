"""One candidate: the settings of a server that its memory depends on, and the sizes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from strixkit.planner.gguf import TYPES

Family = Literal["rocmfp4", "upstream"]
DEFAULT_CACHE_RAM_MIB = 8192
CONTEXT_STEP = 256
# What -ctk and -ctv take (arg.cpp: kv_cache_types).
KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")

_TYPES = {kind.name: kind for kind in TYPES.values()}


def round_up(value: int, step: int) -> int:
    """The least multiple of `step` that is at least `value`."""
    return -(-value // step) * step


def row_bytes(kv_type: str, elements: int) -> float:
    """Bytes of `elements` values of a KV type, e.g. 34 for 32 of q8_0."""
    kind = _TYPES[kv_type]
    return elements / kind.block * kind.size


def is_quantised(kv_type: str) -> bool:
    """Whether a KV type stores blocks and not single numbers."""
    return _TYPES[kv_type].block > 1


@dataclass(frozen=True)
class CacheTypes:
    """Types of the K and the V side of a KV cache; in words `f16`, or `q8_0/f16` (K/V) where they differ."""

    k: str
    v: str

    @classmethod
    def of(cls, words: str) -> CacheTypes:
        """Read the words. Raises ValueError for a type that no KV cache has."""
        k, slash, v = words.partition("/")
        types = (k, v if slash else k)
        for name in types:
            if name not in KV_TYPES:
                raise ValueError(f"found {name!r}, wanted one of {', '.join(KV_TYPES)}")
        return cls(*types)

    def __str__(self) -> str:
        return self.k if self.k == self.v else f"{self.k}/{self.v}"

    @property
    def mixed(self) -> bool:
        """Whether K and V differ."""
        return self.k != self.v

    @property
    def quantised(self) -> bool:
        """Whether one side is."""
        return is_quantised(self.k) or is_quantised(self.v)


@dataclass(frozen=True)
class Run:
    """A server's settings. Tokens, unless the name says otherwise.

    `draft_max` is -1 without drafting. `cache_ram_mib` is the limit of the prompt cache; 0 turns it off.
    unified: all slots share one KV cache, and each may take the whole context (-kvu). cpu: there is no device.
    """

    family: Family
    hip: bool
    context: int
    parallel: int
    batch: int
    micro: int
    kv: CacheTypes
    draft_kv: CacheTypes
    draft_max: int
    checkpoints: int
    checkpoint_every: int
    cache_ram_mib: int = DEFAULT_CACHE_RAM_MIB
    flash_attention: bool = True
    unified: bool = False
    cpu: bool = False

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
        """Context of one slot (llama-context.cpp)."""
        whole = round_up(self.context, CONTEXT_STEP)
        return whole if self.unified else round_up(whole // self.parallel, CONTEXT_STEP)

    @property
    def streams(self) -> int:
        """KV caches: one for each slot, or one for all."""
        return 1 if self.unified else self.parallel

    @property
    def total_context(self) -> int:
        """Context of all slots together, as the server rounds it."""
        return self.sequence * self.streams

    @property
    def batch_tokens(self) -> int:
        """Logical batch that the server really uses."""
        return min(self.batch, self.total_context)

    @property
    def micro_tokens(self) -> int:
        """Physical batch that the server really uses."""
        return min(self.micro, self.batch_tokens)
