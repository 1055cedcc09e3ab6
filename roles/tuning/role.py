"""The machine's power profile. No clocks are forced: what is measured of that contradicts itself, and it heats."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.host.context import HostContext
from strixkit.host.provision import CONTAINER, packages
from strixkit.resources.absent_packages import AbsentPackages
from strixkit.resources.base import Resource
from strixkit.resources.daemon import Daemon
from strixkit.resources.power_profile import PowerProfile

TUNED, POWER_PROFILES, TLP = "tuned.service", "power-profiles-daemon.service", "tlp.service"
PROFILE = {"tuned": "accelerator-performance", "power-profiles": "performance"}
PACKAGE = {"tuned": "tuned", "power-profiles": "power-profiles-daemon"}
UNIT = {"tuned": TUNED, "power-profiles": POWER_PROFILES}
LABEL = "tuning"


def resources(host: HostContext) -> Iterator[Resource]:
    """The daemon and its profile; others that would set the same things are masked."""
    by = host.host.provisioning.tuning
    if by == "none":
        return
    if host.facts.virtualization == CONTAINER:
        host.notes.append("tuning: skipped: a container has no power settings of its own")
        return
    if host.distribution is not None and host.distribution.packages == "apt":
        # Its package conflicts with both others; its configuration stays.
        yield AbsentPackages(label="tlp", names=("tlp",), purge=False, reason=f"it would set what {PACKAGE[by]} sets")
    else:
        yield Daemon(name=TLP, running=False, reason=f"it would set what {PACKAGE[by]} sets")
    # +5 to 8 % prompt, +2 to 3 % decode (hogeheer499-commits/strix-halo-guide); others could not reproduce it.
    yield from packages(host, LABEL, [PACKAGE[by]], f"keeps the power profile {PROFILE[by]}")
    for unit in (TUNED, POWER_PROFILES):
        if unit != UNIT[by]:
            yield Daemon(name=unit, running=False, reason=f"it would set what {PACKAGE[by]} sets")
    yield Daemon(name=UNIT[by], running=True, package=LABEL, reason=f"keeps the power profile {PROFILE[by]}")
    yield PowerProfile(by=by, profile=PROFILE[by], reason="the CPU feeds the GPU: no low-power states in its way")
