"""What the tests of interrupted deploys share: the interruptions, the points, and what is good afterwards."""

from __future__ import annotations

from itertools import pairwise

import pytest

from strixkit import sandbox
from strixkit.sandbox.tinymodel import EXPECTED_CONTENT
from tests.box.lab import Abandoned, Lab

# Without the server's package the flags are unknown at first: the deploy has two stages, as on a new box.
RESET = (
    "systemctl disable --now llama-server-main.service 2>/dev/null; "
    "dpkg --configure -a >/dev/null 2>&1; dpkg --remove --force-depends llama.cpp-tools >/dev/null 2>&1; "
    "rm -rf /etc/systemd/system/llama-server-main.service /var/lib/strixkit /etc/strixkit /usr/local/lib/strixkit; "
    "systemctl daemon-reload; userdel llama; true"
)
# Steps that do nothing before they name a point of their own.
SAME = ("activate", "packages")
# In every run some points, others for each kind of interruption; nightly all of them.
SOME = 6
KINDS = ("connection", "power")
EVERY_RUN = [
    *(pytest.param(kind, SOME, id=f"{kind}, some") for kind in KINDS),
    *(pytest.param(kind, 1, id=f"{kind}, all", marks=pytest.mark.nightly) for kind in KINDS),
]


def small_archive(lab: Lab, *packages: str) -> None:
    """Let the box's apt know these packages of Debian and no others: reading all of them is most of a deploy's time."""
    lab.ssh("mkdir /srv/archive && apt-get update -qq")
    if packages:
        lab.ssh(f"cd /srv/archive && apt-get download -qq {' '.join(packages)}")
    lab.ssh(
        "cd /srv/archive && apt-ftparchive packages . > Packages && rm -r /var/lib/apt/lists && "
        "echo 'deb [trusted=yes] file:/srv/archive ./' > /etc/apt/sources.list && "
        "apt-get update -qq"
    )


def points_of(lab: Lab) -> list[str]:
    """The points of the last deploy, each state of the box once.

    Of folders that are made one after the other the first is enough: a folder is one call, and what an interruption
    leaves differs in the number of folders only. Of a step that names a point before it does anything, that is taken.
    """
    points = list(dict.fromkeys(lab.points()))
    beginnings = {one for one, after in pairwise(points) if _step(one) in SAME and after.startswith(f"{one}:")}
    folders = {after for one, after in pairwise(points) if _step(one) == _step(after) == "mkdir"}
    return [point for point in points if point not in beginnings | folders]


def taken(points: list[str], interrupt: str, every: int) -> list[str]:
    """Each `every`-th of the points. Where some are left out: the last one too, and for each kind different ones."""
    start = KINDS.index(interrupt) * every // len(KINDS)
    return list(dict.fromkeys([*points[start::every], points[-1]]))


def _step(point: str) -> str:
    """Of `NUMBER:STEP:RESOURCE`, or `done`, which ends a job."""
    return point.partition(":")[2].partition(":")[0]


def _abandon() -> None:
    raise Abandoned


def connection_lost(lab: Lab, point: str) -> None:
    """The controller dies at `point`; the job on the box goes on by itself."""
    with pytest.raises(Abandoned):
        lab.deploy(hold_at=point, on_held=_abandon)
    lab.ssh("touch /run/strixkit/go-on")


def power_cut(lab: Lab, point: str) -> None:
    """The box loses power at `point` and boots again."""

    def cut() -> None:
        sandbox.power_cut(lab.box.name)
        raise Abandoned

    with pytest.raises(Abandoned):
        lab.deploy(hold_at=point, on_held=cut)
    sandbox.start(lab.box.name)


def is_good(lab: Lab, point: str) -> None:
    """The release in service is the one that `current` names, it passed its gate, and it answers as it must."""
    assert lab.running() == lab.current() == lab.gated()[-1], (point, lab.gated())
    assert lab.chat()["choices"][0]["message"]["content"].strip() == EXPECTED_CONTENT
    assert lab.ssh("systemctl is-enabled llama-server-main.service").strip() == "enabled"


INTERRUPTIONS = {"connection": connection_lost, "power": power_cut}
