"""The drop-in as GRUB's own tool reads it: sourced by a real /bin/sh with `set -e`, behind what others have said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strixkit.resources.command_line import values, without, words
from strixkit.resources.grub_drop_in import owned_by, render, set_by

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
WANTED = {"ttm.pages_limit": "28311552", "amd_iommu": "off", "quiet_flag": ""}
BANNED = ["amdgpu.gttsize", "amdgpu.gtt_size"]
SET = "ttm.pages_limit=28311552 amd_iommu=off quiet_flag"


def _sourced(folder: Path, text: str, default: str | None, linux: str | None = "", shell: str = "dash") -> list[str]:
    """What grub-mkconfig has of the two variables after its `. file`, byte for byte."""
    drop_in = folder / "drop-in.cfg"
    drop_in.write_text(text)
    script = 'set -e; . "$1"; set -- "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT" a*b; printf "%s\\0" "$@"'
    environment = {"PATH": "/usr/bin:/bin"}
    if default is not None:
        environment["GRUB_CMDLINE_LINUX_DEFAULT"] = default
    if linux is not None:
        environment["GRUB_CMDLINE_LINUX"] = linux
    done = subprocess.run(
        [shell, "-c", script, shell, str(drop_in)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    *found, _ = done.stdout.split("\0")
    return found


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("quiet splash", "quiet splash"),
        ("", ""),
        ("  quiet   splash  ", "quiet splash"),
        ("quiet\tttm.pages_limit=1\nsplash", "quiet splash"),
        ("ttm.pages_limit=1 quiet ttm.pages-limit=2 amd-iommu=pt", "quiet"),
        ("amdgpu.gttsize=131072 amdgpu.gtt_size=9", ""),
        (
            "xttm.pages_limit=1 ttm.pages_limits=1 ttmxpages_limit=1",
            "xttm.pages_limit=1 ttm.pages_limits=1 ttmxpages_limit=1",
        ),
        ("amd_iommu quiet-flag=3 amd_iommu_dump", "amd_iommu_dump"),
        # What a shell would do something with.
        ("a=* b=$HOME c=`id` d=\\x e='f' ; & | > <", "a=* b=$HOME c=`id` d=\\x e='f' ; & | > <"),
        ("-n -e -- \\c %s", "-n -e -- \\c %s"),
        # Words inside of quotes are one argument's value.
        ('dyndbg="file ttm.pages_limit=1 +p" quiet', 'dyndbg="file ttm.pages_limit=1 +p" quiet'),
        ('amd_iommu="a b" quiet', "quiet"),
        ('dyndbg=\\"file a +p\\" amd_iommu=pt', 'dyndbg=\\"file a +p\\"'),
        ('a="" amd_iommu=pt b=""', 'a="" b=""'),
        ('open="never closed amd_iommu=pt', 'open="never closed amd_iommu=pt'),
    ],
)
def test_what_is_ours_is_filtered_out_and_set_once(tmp_path: Path, shell: str, before: str, kept: str) -> None:
    text = render(WANTED, BANNED, ["a reason"])
    assert text is not None
    linux, default, glob = _sourced(tmp_path, text, before, before, shell)
    assert linux == kept
    assert default == (f"{kept} {SET}" if kept else SET)
    assert glob == "a*b", "the drop-in left the shell's options as they were"


@pytest.mark.parametrize("shell", SHELLS)
def test_variables_that_nobody_set(tmp_path: Path, shell: str) -> None:
    text = render(WANTED, [], [])
    assert text is not None
    assert _sourced(tmp_path, text, None, None, shell)[:2] == ["", SET]


def test_only_bans_set_nothing(tmp_path: Path) -> None:
    text = render({}, BANNED, [])
    assert text is not None
    assert _sourced(tmp_path, text, "quiet amdgpu.gttsize=1")[1].strip() == "quiet"


def test_nothing_wanted_is_no_file() -> None:
    assert render({}, [], ["a reason"]) is None


WORD = st.text("abt.m_-=pages limit'$*\\", max_size=12)
NAMED = st.sampled_from(["ttm.pages_limit=1", "ttm.pages-limit=2", "amd_iommu", "amd-iommu=pt", 'd="x  y"', "quiet"])


@settings(max_examples=60, deadline=None)
@given(st.lists(WORD | NAMED, max_size=6))
def test_shell_and_reader_agree(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """Of any command line the shell filters what the kernel's reader would, and keeps the rest in order."""
    line = " ".join(parts)
    text = render({"ttm.pages_limit": "5", "amd_iommu": "off"}, [], [])
    assert text is not None
    found = _sourced(tmp_path_factory.mktemp("grub"), text, line)[1]
    kept = without(line, ("ttm.pages_limit", "amd_iommu"))
    # Blanks inside of quotes are all that the shell does not keep as they are.
    assert found.split() == f"{kept} ttm.pages_limit=5 amd_iommu=off".split()
    assert values(found, "ttm.pages-limit") == ["5"]
    assert words(found)[-1:] == ["amd_iommu=off"]


def test_what_it_sets_and_owns_can_be_read_again() -> None:
    text = render(WANTED, BANNED, ["ttm.pages_limit: strixkit_set='x=1'"])
    assert set_by(text) == {"ttm.pages_limit": "28311552", "amd_iommu": "off", "quiet_flag": ""}
    assert owned_by(text) == [*WANTED, *BANNED]
    assert set_by(None) == {}
    assert owned_by("# something else") == []
