"""At every point of the roles `memory` and `kernel` and of the reboot: the controller goes away, or power is lost.

Power is really lost: QEMU is killed, and what was not yet on the disk is gone. The machine must boot then, and the next
deploy converges to the same grub.cfg as one that nobody interrupted. The points are named by such a deploy.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import pytest

from strixkit.engine.events import Event
from tests.vm.lab import GRUB_CFG, PAGES_OF_GIB, Abandoned, Lab

pytestmark = pytest.mark.vm

PAGES_54 = str(54 * PAGES_OF_GIB)
BOOT_SECONDS = 600


@pytest.fixture(autouse=True)
def _roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the boot depends on."""
    monkeypatch.setattr("roles.ORDER", ("memory", "kernel"))


def _connection_lost(lab: Lab, point: str, *, reboot: bool) -> None:
    """The controller dies at `point`; the job on the machine goes on by itself."""
    _held(lab, point, lambda: None, reboot=reboot)
    lab.machine.ssh("touch /run/strixkit/go-on", check=False)  # at the last points it is going down already


def _power_cut(lab: Lab, point: str, *, reboot: bool) -> None:
    """The machine loses power at `point` and boots again."""
    _held(lab, point, lab.machine.end, reboot=reboot)
    lab.machine.start()


def _held(lab: Lab, point: str, misfortune: Callable[[], None], *, reboot: bool) -> None:
    def strike(event: Event) -> None:
        if event.kind == "held":
            misfortune()
            raise Abandoned

    with pytest.raises(Abandoned):
        lab.deploy(hold_at=point, on_event=strike, reboot=reboot)


def _grub_cfg(lab: Lab) -> str:
    return hashlib.sha256(lab.machine.ssh(f"cat {GRUB_CFG}").encode()).hexdigest()


def _converges(lab: Lab, point: str, good: str) -> None:
    outcome = lab.deploy()
    assert outcome.ok, (point, outcome.error, outcome.log)
    assert _grub_cfg(lab) == good, point
    again = lab.deploy()
    assert (again.changes, again.round_trips) == ([], 2), point


INTERRUPTIONS = [_connection_lost, _power_cut]


@pytest.mark.nightly
@pytest.mark.parametrize("interrupt", INTERRUPTIONS, ids=["connection", "power"])
def test_configuring(lab: Lab, interrupt: Callable[..., None]) -> None:
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    points, good = list(dict.fromkeys(lab.points())), _grub_cfg(lab)
    assert any(point.endswith(":update-grub") for point in points)
    for point in points:
        lab.machine.load("bare")
        interrupt(lab, point, reboot=False)
        _converges(lab, point, good)


@pytest.mark.nightly
def test_power_cut_while_grub_cfg_is_written(lab: Lab) -> None:
    """Not between two steps, but in the middle of update-grub."""
    assert lab.deploy().ok
    good = _grub_cfg(lab)
    lab.machine.load("bare")

    def strike(event: Event) -> None:
        if event.kind == "reached" and event.text.endswith(":update-grub"):
            lab.machine.ssh("until [ -s /run/strixkit/grub.cfg.new ]; do :; done")
            lab.machine.end()
            raise Abandoned

    with pytest.raises(Abandoned):
        lab.deploy(on_event=strike)
    lab.machine.start()
    _converges(lab, "update-grub", good)


@pytest.mark.nightly
@pytest.mark.parametrize("interrupt", INTERRUPTIONS, ids=["connection", "power"])
def test_rebooting(lab: Lab, interrupt: Callable[..., None]) -> None:
    """Whoever interrupts it, it boots once, and the next deploy finds nothing to do."""

    def prepare() -> None:
        assert lab.deploy().ok

    lab.at("ready", prepare)
    old = lab.boot_id()
    assert lab.deploy(reboot=True).ok
    points = list(dict.fromkeys(lab.points()))
    assert any(point.endswith(":reboot") for point in points)
    for point in points:
        lab.machine.load("ready")
        interrupt(lab, point, reboot=True)
        _wait_for_boot(lab, old)
        assert lab.live("ttm.pages_limit") == [PAGES_54], point
        outcome = lab.deploy(reboot=True)
        assert outcome.ok, (point, outcome.error)
        assert (outcome.changes, outcome.pending) == ([], []), point


def _wait_for_boot(lab: Lab, old: str) -> None:
    end = time.monotonic() + BOOT_SECONDS
    while lab.machine.ssh("cat /proc/sys/kernel/random/boot_id", check=False).strip() in ("", old):
        assert time.monotonic() < end, lab.machine.said()
        time.sleep(1)
