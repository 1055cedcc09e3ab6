"""The runs that the unit tests keep: each family, both runtimes, every device and what the others do not have."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.memory.truth import Truth

# Case and ground of truth.
KEPT = (
    ("27b card", "rehearsal 0.7.0 Vulkan0"),
    ("27b card, q8_0", "rehearsal 0.7.0 ROCm0"),
    ("27b of the card, 256K", "rehearsal ROCmFPX baed43e ROCm0"),
    ("27b of the card, 64K, q8_0", "rehearsal ROCmFPX baed43e Vulkan0"),
    ("27b 128K, 4 slots share", "rehearsal ROCmFPX baed43e ROCm0"),
    ("27b 256K, ub 2048", "rehearsal 0.7.0 Vulkan0"),
    ("27b 4K", "rehearsal ROCmFPX baed43e Vulkan0"),
    ("35b-a3b 64K, 4 slots", "rehearsal 0.7.0 ROCm0"),
    ("9b 32K, mixed", "rehearsal 0.7.0 Vulkan0"),
    ("llama 8b 64K, q8_0", "rehearsal 0.7.0 Vulkan0"),
    ("llama 1b 32K, tied", "rehearsal ROCmFPX baed43e Vulkan0"),
    ("qwen3 8b 16K, f32", "rehearsal 0.7.0 ROCm0"),
    ("qwen3 30b-a3b 256K", "rehearsal 0.7.0 Vulkan0"),
    ("gemma2 9b 8K", "rehearsal 0.7.0 ROCm0"),
    ("gemma3 12b 64K, q8_0", "rehearsal 0.7.0 Vulkan0"),
    ("gemma3 12b 128K", "rehearsal ROCmFPX baed43e Vulkan0"),
    ("mamba2 3b", "rehearsal 0.7.0 Vulkan0"),
    ("generated qwen35 with MTP 1", "rehearsal 0.7.0 ROCm0"),
    ("generated gemma2 3", "rehearsal 0.7.0 Vulkan0"),
    ("small qwen35 with MTP 1", "real 0.7.0 Vulkan0"),
    ("small gemma3 1", "real 0.7.0 Vulkan0"),
    ("small qwen35 1", "real 0.7.0 CPU"),
)


def kept_for_tests(truths: Iterable[Truth]) -> list[Truth]:
    """Those that the tests keep, without what other tools say."""
    return [truth.model_copy(update={"peers": {}}) for truth in truths if (truth.case.name, truth.ground) in KEPT]
