"""What speculative drafting brings: a small model of acceptance and cost, fitted to published runs.

A cycle drafts n tokens, keeps those accepted and one of the model's own. With a constant acceptance `a` of each
further token, A(n) = (a + ... + a^n) / n of the drafted tokens are accepted, and with drafting and checking a
token at `k` of a plain step

    tokens/s = plain * (1 + A(n) n) / (1 + k n)

Fitted to kyuz0/amd-strix-halo-toolboxes, benchmark/results-mtp (Strix Halo 128 GB, n 0, 2 and 3, nine prompts each,
short context). It is weak where nobody measured: on the fork's 4-bit weights it named the best of n = 1 to 6 in 3 of
9 published sweeps and tends to too deep drafts (charlie12345/ROCmFPX, docs/ROCmFP4-MTP-COMPARISON.md), and nothing
is known of long contexts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["dense", "moe"]

DEEPEST = 6  # no published sweep goes further
# The fit's own error: what differs by less is the same to it, and then the shallower draft costs less memory.
TOLERANCE = 0.02
# ROCmFP4-MTP-COMPARISON.md: at n 4, 0.05 and 0.10 decode as 0.0 does, and 0.25 7 % slower.
P_MIN = 0.0


@dataclass(frozen=True)
class Drafting:
    """Acceptance `a` and cost `k` of drafts, and in words how sure they are.

    measured: by a run on this very host, and not by strangers on boxes like it.
    """

    acceptance: float
    cost: float
    sure: str
    measured: bool = False

    def accepted(self, depth: int) -> float:
        """Share of the drafted tokens that are accepted, A(n)."""
        return sum(self.acceptance**token for token in range(1, depth + 1)) / depth if depth else 0.0

    def speedup(self, depth: int) -> float:
        """Tokens per second against not drafting."""
        return (1 + self.accepted(depth) * depth) / (1 + self.cost * depth)

    @property
    def depth(self) -> int:
        """The shallowest draft that is as fast as the fastest, as far as the model can tell."""
        depths = range(1, DEEPEST + 1)
        fastest = max(self.speedup(depth) for depth in depths)
        return next(depth for depth in depths if self.speedup(depth) >= (1 - TOLERANCE) * fastest)


_BOUNDS = "at short contexts; on the fork's 4-bit weights its depth was right in 3 of 9 sweeps, else mostly too deep"
# By (kind, HIP). k is fitted; with a from the runs of n = 2 those of n = 3 are predicted within 6 %.
PUBLISHED: dict[tuple[Kind, bool], Drafting] = {
    ("dense", True): Drafting(0.858, 0.183, f"fitted to Qwen3.6-27B Q8 on ROCm (mean error 0.3 %) {_BOUNDS}"),
    ("dense", False): Drafting(0.862, 0.185, f"fitted to Qwen3.6-27B Q8 on Vulkan (mean error 2.6 %) {_BOUNDS}"),
    ("moe", True): Drafting(0.857, 0.45, f"fitted to Qwen3.6-35B-A3B Q4 on ROCm (mean error 2.7 %) {_BOUNDS}"),
    ("moe", False): Drafting(0.853, 0.526, f"fitted to Qwen3.6-35B-A3B Q4 on Vulkan (mean error 1.7 %) {_BOUNDS}"),
}


def published(architecture: str, hip: bool) -> Drafting:
    """What is known of models of this kind; llama.cpp's names of mixtures of experts end in "moe"."""
    return PUBLISHED["moe" if architecture.endswith("moe") else "dense", hip]
