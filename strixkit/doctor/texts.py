"""Sizes and sentences that several checks share."""

from __future__ import annotations

GIB = 1 << 30
PAGE = 4096  # bytes of a page of ttm.pages_limit
NO_GPU = "no amdgpu card"
NO_UNIT = "no service is deployed"
VULKAN_ONLY = "ROCm is neither wanted, nor installed, nor used here"
GITHUB = "https://github.com/"
ROCM_ISSUES = f"{GITHUB}ROCm/legacy-rocm-build/issues/"
LLAMA_ISSUES = f"{GITHUB}ggml-org/llama.cpp/issues/"
AMD_PAGE = "https://rocm.docs.amd.com/en/latest/reference/system-optimization/rdna3-5.html"


def gib(size: float) -> str:
    """Bytes as GiB, e.g. `62.5 GiB`, `108 GiB`."""
    return f"{size / GIB:.1f}".removesuffix(".0") + " GiB"


def issue(repository: str, number: int) -> str:
    """The address of an issue on GitHub."""
    return f"{GITHUB}{repository}/issues/{number}"
