"""Kernel arguments: wanted, configured for the next boot, and live."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strixkit.resources import grub_drop_in
from strixkit.resources.base import Change, Risk
from strixkit.resources.command_line import split, values, without, words
from strixkit.resources.kernel_arguments import Argument, KernelArguments

LIMIT = Argument(name="ttm.pages_limit", value="28311552", reason="GTT of 108 GiB")
OFF = Argument(name="amd_iommu", value="off", reason="faster")
STALE = Argument(name="amdgpu.gttsize", value=None, reason="deprecated", unset="-1")
RELEASED = Argument(name="ttm.pages_limit", value=None, reason="strix_gtt_gib: default", released=True)
RIGHT = "root=1 quiet ttm.pages_limit=28311552 amd_iommu=off"


def wish(*arguments: Argument, cmdline: str = RIGHT, parameters: dict[str, str] | None = None) -> KernelArguments:
    return KernelArguments(
        arguments=arguments or (LIMIT, OFF, STALE), cmdline=cmdline, parameters=parameters or {}, reason="arguments"
    )


def grub(*entries: str, text: str | None = None, **more: Any) -> dict[str, Any]:
    return {"loader": "grub", "entries": list(entries), "text": text, "modprobe": [], "initramfs": "", **more}


def written(wanted: KernelArguments) -> str | None:
    """The drop-in that its step writes."""
    return next(
        (s.arguments["text"] for s in wanted.steps(grub("", text="x")) if s.step == "kernel_arguments"),
        None,
    )


def short(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(change.field, change.found, change.wanted) for change in changes]


def test_a_bare_box_shows_each_argument_twice_with_its_reason() -> None:
    bare = wish(cmdline="root=1 quiet amdgpu.gttsize=131072")
    changes = bare.diff(bare.absent())
    assert [(c.field, c.found, c.wanted, c.risk, c.reason) for c in changes] == [
        ("ttm.pages_limit", "absent", "28311552", Risk.NONE, "GTT of 108 GiB"),
        ("amd_iommu", "absent", "off", Risk.NONE, "faster"),
        ("amdgpu.gttsize", "131072", "absent", Risk.NONE, "deprecated"),
        ("ttm.pages_limit (live)", "absent", "28311552", Risk.REBOOT, "GTT of 108 GiB"),
        ("amd_iommu (live)", "absent", "off", Risk.REBOOT, "faster"),
        ("amdgpu.gttsize (live)", "131072", "absent", Risk.REBOOT, "deprecated"),
    ]
    assert bare.live_differs()


def test_what_is_configured_and_live_changes_nothing() -> None:
    wanted = wish()
    answer = grub(RIGHT, text=written(wanted))
    assert wanted.diff(answer) == ()
    assert wanted.steps(answer) == ()
    assert not wanted.live_differs()


def test_configured_and_not_live_needs_a_reboot_and_no_step() -> None:
    wanted = wish(cmdline="root=1")
    answer = grub(RIGHT, text=written(wanted))
    assert {change.risk for change in wanted.diff(answer)} == {Risk.REBOOT}
    assert wanted.steps(answer) == ()
    assert wanted.refuse({**answer, "obstacle": "/boot is read-only"}) is None


def test_one_kernel_that_differs_is_enough() -> None:
    wanted = wish(LIMIT)
    answer = grub(RIGHT, "root=1 ttm.pages_limit=1", "root=1", text=written(wanted))
    assert short(wanted.diff(answer)) == [("ttm.pages_limit", "28311552 / 1 / absent", "28311552")]


@pytest.mark.parametrize(
    ("cmdline", "differs"),
    [
        ("ttm.pages_limit=1 ttm.pages_limit=28311552", False),
        ("ttm.pages_limit=28311552 ttm.pages_limit=1", True),
        ("ttm.pages-limit=28311552", False),
        ('x="ttm.pages_limit=28311552"', True),
        ("ttm.pages_limit", True),
    ],
)
def test_the_last_one_on_the_command_line_is_live(cmdline: str, differs: bool) -> None:
    assert wish(LIMIT, cmdline=cmdline).live_differs() == differs


def test_what_is_in_effect_counts_more_than_the_command_line() -> None:
    wanted = wish(parameters={"ttm.pages_limit": "25165824"})
    [change] = wanted.diff(grub(RIGHT, text=written(wanted)))
    assert (change.field, change.risk) == ("ttm.pages_limit (live)", Risk.REBOOT)
    assert change.found == "28311552 on the command line, 25165824 in effect"


@pytest.mark.parametrize(("effect", "differs"), [("10000,60000,10000,10000", False), ("10000", False), ("5000", True)])
def test_a_list_that_the_driver_has_cut_while_it_read_it_is_in_effect(effect: str, differs: bool) -> None:
    """amdgpu before Linux 7.0 ends the text at the first comma: no reboot would ever make it look otherwise."""
    timeout = Argument(name="amdgpu.lockup_timeout", value="10000,60000,10000,10000", reason="Vulkan")
    line = "root=1 amdgpu.lockup_timeout=10000,60000,10000,10000"
    wanted = wish(timeout, cmdline=line, parameters={"amdgpu.lockup_timeout": effect})
    assert wanted.live_differs() is differs


@pytest.mark.parametrize(("value", "differs"), [("-1", False), ("131072", True)])
def test_a_parameter_that_modprobe_d_has_set_is_live_too(value: str, differs: bool) -> None:
    assert wish(parameters={"amdgpu.gttsize": value}).live_differs() == differs


def test_a_drop_in_that_somebody_changed_is_written_again() -> None:
    wanted = wish()
    text = f"{written(wanted)}# more\n"
    [change] = wanted.diff(grub(RIGHT, text=text))
    assert (change.field, change.text) == (grub_drop_in.PATH, True)
    assert [step.step for step in wanted.steps(grub(RIGHT, text=text))] == ["kernel_arguments"]


def test_a_removal_that_was_cut_off_before_grub_cfg_was_made() -> None:
    """The drop-in is gone, and grub.cfg has what nobody wants to be there any more."""
    wanted = wish(RELEASED)
    answer = grub(RIGHT, due="older than what it is made of")
    assert short(wanted.diff(answer)) == [("grub.cfg", "older than what it is made of", "made again")]
    assert [step.step for step in wanted.steps(answer)] == ["kernel_arguments"]


def test_another_value_is_one_change() -> None:
    old = wish()
    new = wish(LIMIT.model_copy(update={"value": "5"}), OFF, STALE)
    assert short(new.diff(grub(RIGHT, text=written(old)))) == [
        ("ttm.pages_limit", "28311552", "5"),
        ("ttm.pages_limit (live)", "28311552", "5"),
    ]


def test_what_is_no_longer_ours_is_given_back_by_a_reboot() -> None:
    old = wish(LIMIT)
    new = wish(RELEASED)
    given_back = new.diff(grub(RIGHT, text=written(old)))
    assert short(given_back) == [
        ("ttm.pages_limit", "28311552", "not set by strixkit"),
        ("ttm.pages_limit (live)", "28311552", "not set by strixkit"),
    ]
    assert new.steps(grub(RIGHT, text=written(old)))[0].arguments["text"] is None, "the drop-in is removed"
    # After the step: the next boot has none, this one still has.
    [pending] = new.diff(grub("root=1 quiet"))
    assert short((pending,)) == [("ttm.pages_limit (live)", "28311552", "absent")]
    assert pending.risk == Risk.REBOOT
    assert wish(RELEASED, cmdline="root=1 quiet").diff(grub("root=1 quiet")) == ()
    # What a person configured instead is in effect, and nobody's business.
    theirs = "root=1 ttm.pages_limit=7"
    assert wish(RELEASED, cmdline=theirs).diff(grub(theirs)) == ()


def test_an_argument_that_no_role_speaks_of_any_more_goes_too() -> None:
    old = wish(LIMIT, OFF)
    assert ("amd_iommu", "off", "not set by strixkit") in short(wish(LIMIT).diff(grub(RIGHT, text=written(old))))


def test_options_of_modprobe_d_go_and_the_initramfs_is_made_again() -> None:
    wanted = wish()
    option = {"path": "/etc/modprobe.d/ttm.conf", "name": "ttm.pages_limit", "value": "1"}
    answer = grub(RIGHT, text=written(wanted), modprobe=[option])
    assert short(wanted.diff(answer)) == [("ttm.pages_limit in /etc/modprobe.d/ttm.conf", "1", "absent")]
    assert [step.step for step in wanted.steps(answer)] == ["modprobe", "initramfs"]
    cut_off = grub(RIGHT, text=written(wanted), initramfs="older than what it is made of")
    assert [step.step for step in wanted.steps(cut_off)] == ["initramfs"]


@pytest.mark.parametrize("loader", ["grubby", "systemd-boot"])
def test_loaders_without_a_drop_in(loader: str) -> None:
    wanted = wish()
    answer = {"loader": loader, "entries": ["root=1", RIGHT], "ours": {}, "modprobe": [], "initramfs": ""}
    [step] = wanted.steps(answer)
    assert step.arguments == {
        "loader": loader,
        "set": {"ttm.pages_limit": "28311552", "amd_iommu": "off"},
        "banned": ["amdgpu.gttsize"],
    }
    ours = {"ttm.pages_limit": "28311552", "amd_iommu": "off", "amdgpu.gttsize": None}
    assert wanted.diff({**answer, "entries": [RIGHT], "ours": ours}) == ()
    less = wish(LIMIT)
    assert short(less.diff({**answer, "entries": [RIGHT], "ours": ours})) == [
        ("amd_iommu", "off", "not set by strixkit")
    ]


def test_without_a_known_loader_nothing_is_said() -> None:
    none = {"loader": "none", "why": "x", "modprobe": [], "initramfs": ""}
    assert wish(cmdline="").diff(none) == ()
    assert wish(cmdline="").refuse(none) is None


def test_an_obstacle_refuses_only_when_something_must_change() -> None:
    wanted = wish()
    assert "read-only" in str(wanted.refuse(grub("root=1", obstacle="/boot is read-only: mount -o remount,rw /boot")))
    assert wanted.refuse(grub(RIGHT, text=written(wanted), obstacle="/boot is read-only")) is None
    assert wanted.refuse(grub("root=1")) is None


@pytest.mark.parametrize("value", ["a b", 'a"b', "a'b", "$x", "a\\", "a\n", "a;b", "`a`"])
def test_values_that_a_shell_or_grub_would_read_are_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Argument(name="x", value=value, reason="")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a=b", "a*", "a|b", "a'"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Argument(name=name, value="1", reason="")


def test_two_wishes_for_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"ttm\.pages_limit"):
        wish(LIMIT, Argument(name="ttm.pages-limit", value="1", reason=""))


@given(st.text('ab_-= "', max_size=40))
def test_words_of_any_line(line: str) -> None:
    found = words(line)
    assert words(" ".join(found)) == found
    assert without(line, []) == " ".join(found)
    for word in found:
        name, value = split(word)
        assert value in values(line, name)
        assert values(without(line, [name]), name) == []
