"""Sizes and sentences that several checks share."""

from __future__ import annotations

from strixkit.planner.facts import Facts

GIB = 1 << 30
PAGE = 4096  # bytes of a page of ttm.pages_limit
NO_UNIT = "no service is deployed"
VULKAN_ONLY = "ROCm is neither wanted, nor installed, nor used here"
GITHUB = "https://github.com/"
ROCM_ISSUES = f"{GITHUB}ROCm/legacy-rocm-build/issues/"
LLAMA_ISSUES = f"{GITHUB}ggml-org/llama.cpp/issues/"
AMD_PAGE = "https://rocm.docs.amd.com/en/latest/reference/system-optimization/rdna3-5.html"


def gib(size: float) -> str:
    """Bytes in words, e.g. `62.5 GiB`, `108 GiB`, `512 MiB`."""
    if size < GIB:
        return f"{size / (1 << 20):.0f} MiB"
    return f"{size / GIB:.1f}".removesuffix(".0") + " GiB"


def issue(repository: str, number: int) -> str:
    """The address of an issue on GitHub."""
    return f"{GITHUB}{repository}/issues/{number}"


def no_gpu(facts: Facts) -> str:
    """That there is no card of amdgpu, and why, where the kernel was told so."""
    told = next((word for word in facts.cmdline.split() if word in ("nomodeset", "amdgpu.modeset=0")), "")
    blocked = told or next((word for word in facts.cmdline.split() if "blacklist=amdgpu" in word), "")
    return "no amdgpu card" + (f": the kernel was booted with {blocked}" if blocked else "")
