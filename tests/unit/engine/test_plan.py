"""Order, comparison and steps: pure."""

from __future__ import annotations

import pytest

from strixkit.engine.plan import compare, order, questions
from strixkit.errors import InputError
from strixkit.resources.base import Resource, Risk
from strixkit.resources.directory import Directory
from strixkit.resources.file import File
from strixkit.resources.packages import Packages
from strixkit.resources.symlink import Symlink
from strixkit.resources.unit import Unit
from strixkit.resources.user import Group, User

SERVICE = "[Unit]\nDescription=x\n\n[Service]\nExecStart=/bin/true\n"


def _plan(*resources: Resource):
    ordered = order(resources)
    return compare(ordered, [resource.absent() for resource in ordered])


def test_a_file_comes_behind_its_folders_owner_and_group() -> None:
    wishes = [
        File(path="/srv/a/b/c", content="x", owner="llama", group="render"),
        Directory(path="/srv/a/b"),
        Directory(path="/srv/a"),
        User(name="llama", groups=("render",)),
        Group(name="render"),
    ]
    ids = [resource.id for resource in order(wishes)]
    assert ids.index("directory:/srv/a") < ids.index("directory:/srv/a/b") < ids.index("file:/srv/a/b/c")
    assert ids.index("group:render") < ids.index("user:llama") < ids.index("file:/srv/a/b/c")


def test_declared_order_stays_where_nothing_is_required() -> None:
    wishes = [Packages(label=name, names=("curl",)) for name in ("c", "a", "b")]
    assert [resource.id for resource in order(wishes)] == ["packages:c", "packages:a", "packages:b"]


def test_two_wishes_about_one_thing_are_refused_and_a_repeated_one_is_not() -> None:
    one, other = File(path="/etc/x", content="1"), File(path="/etc/x", content="2")
    assert len(order([one, one])) == 1
    with pytest.raises(InputError, match="file:/etc/x is wanted twice"):
        order([one, other])


def test_steps_come_by_phase_and_a_reload_once() -> None:
    units = [Unit(name=f"{name}.service", content=SERVICE) for name in ("a", "b")]
    plan = _plan(*units, File(path="/etc/x", content="1"))
    steps = [step["step"] for step in plan.steps()]
    assert steps == ["write", "write", "write", "reload", "unit", "unit", "unit", "unit"]
    assert [step["verb"] for step in plan.steps()[4:]] == ["enable", "restart", "enable", "restart"]


def test_a_symlink_waits_for_its_target() -> None:
    wishes = [Symlink(path="/opt/now", target="/opt/v1"), Directory(path="/opt/v1")]
    assert [resource.id for resource in order(wishes)] == ["directory:/opt/v1", "symlink:/opt/now"]


def test_nothing_differs_nothing_is_done() -> None:
    group = Group(name="render")
    plan = compare([group], [{"exists": True}])
    assert plan.changes == ()
    assert plan.steps() == []
    assert questions([group]) == [{"ask": "group", "name": "render"}]


def test_unit_that_runs_something_else_is_a_restart() -> None:
    unit = Unit(name="a.service", content=SERVICE)
    answer = {"text": unit.text.rstrip("\n"), "enabled": "enabled", "active": "active", "process": {"digest": "old"}}
    changes = unit.diff(answer)
    assert [(change.field, change.risk) for change in changes] == [("process", Risk.RESTART)]
    answer["process"] = {"digest": unit.digest}
    assert unit.diff(answer) == ()


def test_an_input_of_a_unit_changes_its_digest() -> None:
    assert (
        Unit(name="a.service", content=SERVICE, inputs=("x",)).digest
        != Unit(name="a.service", content=SERVICE, inputs=("y",)).digest
    )
