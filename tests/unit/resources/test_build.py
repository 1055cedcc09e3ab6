"""Kinds `build` and `old_builds`."""

from __future__ import annotations

from typing import Any

import pytest

from strixkit.resources.build import Build, Pack
from strixkit.resources.old_builds import OldBuilds

ID = "rocmfp4-0123456789ab-0123456789ab"
PACK = Pack(path="/x.tar", sha256="0" * 64, size=100, host="strix01")


def _build(**changed: Any) -> Build:
    return Build(build=ID, spec={"id": ID}, origin="https://git.example/x at 0123456789ab (main)", **changed)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"state": "absent", "faults": []}, "absent"),
        ({"state": "partial", "faults": []}, "begun and not finished"),
        ({"state": "damaged", "faults": ["llama-server is missing"]}, "changed after it was built (llama-server is"),
    ],
)
def test_what_is_not_finished_is_built(answer: dict[str, Any], found: str) -> None:
    [change] = _build().diff(answer)
    assert change.found.startswith(found)
    assert change.wanted == "built from https://git.example/x at 0123456789ab (main)"
    assert [step.step for step in _build().steps(answer)] == ["build"]


def test_a_finished_one_needs_nothing() -> None:
    finished = {"state": "finished", "faults": []}
    assert _build().diff(finished) == ()
    assert _build(pack=PACK).uploads(finished) == ()


def test_a_pack_is_sent_from_where_it_broke_off() -> None:
    answer = {"state": "absent", "faults": [], "partial_bytes": 40}
    build = _build(pack=PACK)
    assert [upload.offset for upload in build.uploads(answer)] == [40]
    [step] = build.steps(answer)
    assert (step.step, step.arguments["sha256"]) == ("unpack_build", PACK.sha256)
    assert build.diff(answer)[0].wanted == "the build of strix01"


def _row(number: int, *used_by: str) -> dict[str, Any]:
    return {"id": f"r-0123456789ab-{number:012x}", "built": f"2026-01-{number:02d}T00:00:00Z", "used_by": list(used_by)}


def test_of_old_builds_those_go_that_no_release_uses_and_that_are_not_new() -> None:
    rows = [_row(1), _row(2, "main/abc"), _row(3), _row(4), _row(5), _row(6)]
    wish = OldBuilds(name="r", wanted=_row(1)["id"])
    going = [_row(4)["id"], _row(3)["id"]]
    assert [change.field for change in wish.diff({"builds": rows})] == going, "1 is wanted, 2 is in use"
    assert [step.arguments for step in wish.steps({"builds": rows})] == [{"id": name} for name in going]
    assert wish.diff({"builds": [*rows[:2], *rows[4:]]}) == ()


def test_what_a_build_makes_superfluous_goes_in_the_same_run() -> None:
    """What is there after it is what is wanted: otherwise the run that makes the fourth build has failed."""
    rows = [_row(1), _row(2), _row(3)]
    wish = OldBuilds(name="r", wanted=_row(4)["id"])
    assert [change.field for change in wish.diff({"builds": rows})] == [_row(1)["id"]]
    assert wish.diff({"builds": [*rows[1:], _row(4)]}) == ()
    only = OldBuilds(name="r", wanted=_row(4)["id"], keep=1)
    assert [change.field for change in only.diff({"builds": rows[2:]})] == [_row(3)["id"]]
