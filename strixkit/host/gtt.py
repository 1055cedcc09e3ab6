"""Pure: how many GiB of system memory the GPU may use (GTT)."""

from __future__ import annotations

import math

from strixkit.config.host import Provisioning
from strixkit.errors import InputError
from strixkit.planner.facts import GIB, Facts, dimm_gib

PAGES = 262144  # of 4 KiB in a GiB: the unit of ttm.pages_limit
# 108 GiB on 128 GB, 54 GiB on 64 GB. Published settings of 128 GB boxes go from 96 to 124 GiB. One whose limit was all
# memory "OOM-killed the whole desktop with 'nothing killable'", and is at 108 since (sypherin/strix-halo-setup,
# reported once). For 64 GB it is our derivation: owners reported 52 to 59 GiB.
SHARE_OF_DIMM = 27 / 32
# amd-ttm asks before it sets more than this share of MemTotal (superm1/amd-debug-tools: src/amd_debug/ttm.py).
MOST_OF_MEMORY = 0.9
# Some BIOSes report 4 GiB at their least of 512 MB (noamsto/nix-amd-ai#42, reported once); a large one is more.
LARGE_CARVE_OUT = 8 * GIB
BIOS = "in the BIOS setup: UMA Frame Buffer Size -> 512 MB (or its least)"


def wished(facts: Facts, wishes: Provisioning, host: str) -> int | None:
    """GiB of GTT; None: strixkit does not set it, or there is no GPU.

    Raises InputError for a wish above the memory, and for one above nine tenths of it that is not forced.
    """
    if facts.gpu is None or wishes.gtt_gib == "default":
        return None
    total = facts.memory.total_bytes / GIB
    most = math.floor(MOST_OF_MEMORY * total)
    if wishes.gtt_gib is None:
        return max(1, min(by_rule(facts), most))
    hint = f"set strix_gtt_gib to {most} or less in inventory.yaml{_carve_out_words(facts)}"
    if wishes.gtt_gib > total:
        raise InputError(f"strix_gtt_gib is {wishes.gtt_gib}, and Linux has {total:.1f} GiB", host=host, hint=hint)
    if wishes.gtt_gib > most and not wishes.gtt_force:
        raise InputError(
            f"strix_gtt_gib is {wishes.gtt_gib} of {total:.1f} GiB that Linux has, wanted at most {most} (nine tenths)"
            ": what the GPU maps is pinned, and a machine without the rest freezes",
            host=host,
            hint=f"{hint}; or strix_gtt_force: true",
        )
    return wishes.gtt_gib


def by_rule(facts: Facts) -> int:
    """27/32 of the soldered memory in GiB; of Linux's own where nobody knows how much is soldered."""
    whole = dimm_gib(facts) or facts.memory.total_bytes / GIB
    return math.floor(whole * SHARE_OF_DIMM)


def carve_out_note(facts: Facts) -> str | None:
    """What a large BIOS carve-out costs, and what to do; None where it is small."""
    if facts.gpu is None or facts.gpu.vram_total_bytes <= LARGE_CARVE_OUT:
        return None
    carved = facts.gpu.vram_total_bytes / GIB
    return (
        f"the BIOS gives {carved:.0f} GiB to the GPU alone, and Linux has {facts.memory.total_bytes / GIB:.1f} GiB: "
        f"{BIOS}; then GTT can be {by_rule(facts)} GiB, at the same speed"
    )


def gtt_note(facts: Facts, gib: int) -> str | None:
    """For a box that was booted with the limit: what its GTT is instead, if it is neither that nor all memory.

    Kernels with "Capping GTT" (mainline 7.2, Ubuntu 7.0.0-39, as reported) end it at MemTotal.
    """
    if facts.gpu is None or not facts.gpu.gtt_total_bytes:
        return None
    found = facts.gpu.gtt_total_bytes
    if any(abs(found - wanted) <= wanted / 100 for wanted in (gib * GIB, min(gib * GIB, facts.memory.total_bytes))):
        return None
    return (
        f"GTT is {found / GIB:.1f} GiB although the kernel was booted with a limit of {gib} GiB: "
        "journalctl -k -b | grep -E 'GTT|gttsize' on the box says why"
    )


def _carve_out_words(facts: Facts) -> str:
    note = carve_out_note(facts)
    return f"; {note}" if note else ""
