"""The page's rows: one for each reason, each once, with the machines that have it."""

from __future__ import annotations

import pytest

from strixkit.changes.page import page
from strixkit.changes.rows import Row, Variant, merged, only_on, rows_of
from strixkit.resources.absent_packages import AbsentPackages
from strixkit.resources.base import Answer, Change, Resource, Risk
from strixkit.resources.directory import Directory
from strixkit.resources.packages import Packages

A24, A26, B24, B26 = EVERY = [Variant(host, system) for host in ("a", "b") for system in ("24", "26")]


class Arguments(Resource):
    """Several differences with reasons of their own, as a kind may have them."""

    kind = "arguments"

    @property
    def id(self) -> str:
        return "arguments:boot"

    def absent(self) -> Answer:
        return {}

    def diff(self, answer: Answer) -> tuple[Change, ...]:
        return (
            self.change("iommu", "absent", "off", reason="faster"),
            self.change("limit", "absent", "7", reason="memory"),
            self.change("limit (live)", "absent", "7", Risk.REBOOT, reason="memory"),
        )

    def undo(self) -> str:
        return "rm /etc/x"


def _row(name: str) -> Row:
    return Row("file", name, "because", Risk.NONE, f"rm {name}")


def test_a_resource_is_one_row_whatever_number_of_differences() -> None:
    packages = Packages(label="tools", names=("gcc", "make"), reason="to build")
    assert rows_of(packages) == [Row("packages", "tools", "to build", Risk.NONE, "apt-get remove gcc make")]


def test_what_must_be_absent_is_a_row_though_a_bare_machine_has_none_of_it() -> None:
    [row] = rows_of(AbsentPackages(label="amdvlk", names=("amdvlk",), reason="it is slow"))
    assert row == Row("absent packages", "amdvlk", "only where it is found: it is slow", Risk.NONE, row.undo)


def test_differences_with_own_reasons_are_rows_of_their_own_with_the_worst_risk() -> None:
    assert rows_of(Arguments(reason="what the kernel is booted with")) == [
        Row("arguments", "iommu=off", "faster", Risk.NONE, "rm /etc/x"),
        Row("arguments", "limit=7", "memory", Risk.REBOOT, "rm /etc/x"),
    ]


def test_rows_of_several_machines_are_each_there_once_and_in_order() -> None:
    one, two, three, other = (_row(name) for name in ("1", "2", "3", "other"))
    found = merged({A24: [one, two, three], A26: [one, other, three], B24: [three]})
    assert found == {one: [A24, A26], two: [A24], other: [A26], three: [A24, A26, B24]}
    assert list(found) == [one, two, other, three]


@pytest.mark.parametrize(
    ("some", "words"),
    [
        (EVERY, ""),
        ([A24, A26], "a"),
        ([A24, B24], "24"),
        ([B26], "b with 26"),
        ([A24, A26, B24], "a with 24, a with 26, b with 24"),
    ],
)
def test_where_a_row_holds_is_said_shortly(some: list[Variant], words: str) -> None:
    assert only_on(some, EVERY) == words


def test_the_page_has_each_role_once() -> None:
    wishes = {variant: {"base": [Directory(path=f"/srv/{variant.host}", reason="its own")]} for variant in EVERY}
    text = page(wishes, ["memory"], {"base": "The beginning."})
    assert text.count("## base\n\nThe beginning.\n\n") == 1
    assert "- directory `/srv/a` (only a): its own.\n  *Undo*: `rmdir /srv/a`\n- directory `/srv/b` (only b)" in text


def test_what_one_line_takes_back_has_it_once() -> None:
    text = page({variant: {"kernel": [Arguments(reason="x")]} for variant in EVERY}, ["memory"], {"kernel": "Boot."})
    assert text.endswith(
        "- arguments `iommu=off`: faster.\n"
        "- arguments `limit=7`: memory. Takes effect with the next boot; `invoke deploy --reboot` reboots.\n"
        "  *Undo* of these arguments: `rm /etc/x`\n"
    )
