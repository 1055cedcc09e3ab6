"""Boot loaders: which one it is, what its entries say, and what is set beside it; on small trees of files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strixkit.remote.agent import paths
from strixkit.remote.agent.boot import due, entries, grub, grubby, loader, modprobe, observe, record, systemd_boot, tool
from strixkit.remote.agent.machine import Machine

MACHINE = "0123456789abcdef0123456789abcdef"
DROP_IN = "/etc/default/grub.d/zz-strixkit.cfg"
# As grub-mkconfig of Debian 13 writes it, cut.
GRUB_CFG = r"""
### BEGIN /etc/grub.d/05_debian_theme ###
### END /etc/grub.d/05_debian_theme ###
### BEGIN /etc/grub.d/10_linux ###
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-5' {
	load_video
	linux	/boot/vmlinuz-6.12.48 root=UUID=5 ro  quiet ttm.pages_limit=1 dyndbg=\"file a +p\"
	initrd	/boot/initrd.img-6.12.48
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-5' {
	menuentry 'Debian GNU/Linux, with Linux 6.12.48' --class debian $menuentry_id_option 'gnulinux-6.12.48-advanced-5' {
		linux	/boot/vmlinuz-6.12.48 root=UUID=5 ro  quiet ttm.pages_limit=1 dyndbg=\"file a +p\"
	}
	menuentry 'Debian, mit Linux 6.12.48 (Wiederherstellung)' $menuentry_id_option 'gnulinux-6.12.48-recovery-5' {
		linux	/boot/vmlinuz-6.12.48 root=UUID=5 ro single
	}
	menuentry 'Debian GNU/Linux, with Linux 6.1' --class debian $menuentry_id_option 'gnulinux-6.1-advanced-5' {
		linux	/boot/vmlinuz-6.1 root=UUID=5 ro
	}
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Other' $menuentry_id_option 'osprober-gnulinux-simple' {
	linux /boot/vmlinuz root=UUID=7 other
}
### END /etc/grub.d/30_os-prober ###
"""


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[dict[str, str]], Machine]:
    def make(files: dict[str, str]) -> Machine:
        for path, text in files.items():
            target = tmp_path / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return Machine(str(tmp_path))

    return make


def test_grub_s_entries_are_those_of_this_system_that_are_not_for_recovery() -> None:
    assert grub.entries(GRUB_CFG) == [
        'root=UUID=5 ro  quiet ttm.pages_limit=1 dyndbg="file a +p"',
        "root=UUID=5 ro",
    ]


def test_a_grub_cfg_by_hand_has_no_sections() -> None:
    assert grub.entries("menuentry 'x' {\n linux /vmlinuz a=1\n}\nmenuentry 'y' {\n linux /vmlinuz\n}\n") == ["a=1", ""]
    assert grub.entries("") == []
    assert grub.entries("linux\nlinux \n{") == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "none"),
        ({loader.UPDATE_GRUB: ""}, "none"),  # the tool is there, and the machine is booted by something else
        ({loader.UPDATE_GRUB: "", loader.GRUB_CFG: ""}, "grub"),
        ({loader.GRUBBY: "", "/boot/loader/entries/a.conf": "title x"}, "grubby"),
        ({loader.KERNEL_INSTALL: ""}, "none"),
        (
            {
                loader.KERNEL_INSTALL: "",
                "/etc/machine-id": MACHINE,
                f"/efi/loader/entries/{MACHINE}-1.conf": "linux /x",
            },
            "systemd-boot",
        ),
        ({loader.KERNEL_INSTALL: "", "/etc/machine-id": MACHINE, "/boot/loader/entries/a.conf": "linux /x"}, "none"),
    ],
)
def test_which_loader_it_is(tree: Any, files: dict[str, str], found: str) -> None:
    answer = loader.detect(tree(files))
    assert answer["loader"] == found
    assert bool(answer["why"]) == (found == "none")


def test_what_the_firmware_was_told_decides_between_two(tree: Any) -> None:
    files = {
        loader.UPDATE_GRUB: "",
        loader.GRUB_CFG: "",
        loader.KERNEL_INSTALL: "",
        "/etc/machine-id": MACHINE,
        "/boot/efi/loader/entries/x.conf": f"machine-id {MACHINE}\nlinux /x\noptions a=1",
    }
    assert loader.detect(tree(files))["loader"] == "grub"
    said = "\x06\0\0\0" + "".join(letter + "\0" for letter in "systemd-boot 257.8")
    assert loader.detect(tree({loader.LOADER_INFO: said}))["loader"] == "systemd-boot"


def test_entries_of_other_systems_are_not_ours(tree: Any) -> None:
    machine = tree(
        {
            "/etc/machine-id": MACHINE + "\n",
            f"/boot/loader/entries/{MACHINE}-6.1.conf": "linux /a\noptions root=1\noptions quiet\n# options no",
            "/boot/loader/entries/debian-6.2.conf": f"machine-id {MACHINE}\nlinux /b\n",
            f"/boot/loader/entries/{MACHINE}-other.conf": "machine-id f\nlinux /b\noptions root=2\n",
            "/boot/loader/entries/windows.conf": "efi /c\n",
        }
    )
    assert entries.arguments(machine) == ["root=1 quiet", ""]


# As in grubby(8) and Fedora's bug reports.
GRUBBY_INFO = """\
index=0
kernel="/boot/vmlinuz-6.17.1-300.fc43.x86_64"
args="ro rootflags=subvol=root rhgb quiet amdgpu.gttsize=131072 dyndbg="file a +p""
root="UUID=4"
initrd="/boot/initramfs-6.17.1-300.fc43.x86_64.img"
title="Fedora Linux (6.17.1-300.fc43.x86_64) 43 (Server Edition)"
id="4f-6.17.1-300.fc43.x86_64"
index=1
kernel="/boot/vmlinuz-0-rescue-4f"
root="UUID=4"
non linux entry
"""


def test_grubby_s_entries() -> None:
    assert grubby.arguments(GRUBBY_INFO) == [
        'ro rootflags=subvol=root rhgb quiet amdgpu.gttsize=131072 dyndbg="file a +p"',
        "",
    ]
    assert grubby.arguments("args=lost\n") == []


@pytest.mark.parametrize("text", ["", "kernel=", "args=\nkernel=\nargs=", 'kernel="x"\nargs="'])
def test_odd_output_of_grubby(text: str) -> None:
    assert all(isinstance(found, str) for found in grubby.arguments(text))


def _captured(tree: Any, exit_status: int, said: str) -> Machine:
    commands = {f"{loader.GRUBBY} --info=ALL": {"exit": exit_status, "stdout": said}}
    files = {loader.GRUBBY: "", "/boot/loader/entries/a.conf": "", "/commands.json": json.dumps(commands)}
    machine: Machine = tree(files)
    return machine


def test_what_the_next_kernel_gets_counts_as_an_entry(tree: Any) -> None:
    machine = _captured(tree, 0, GRUBBY_INFO)
    question = {"names": ["amdgpu.gttsize"], "drop_in": DROP_IN}
    assert len(observe.kernel_arguments(question, machine)["entries"]) == 2
    tree({"/etc/kernel/cmdline": "# by hand\nroot=1 quiet\n"})
    assert observe.kernel_arguments(question, machine)["entries"][2] == "root=1 quiet"


def test_grubby_that_fails_is_an_obstacle(tree: Any) -> None:
    answer = observe.kernel_arguments({"names": [], "drop_in": DROP_IN}, _captured(tree, 1, ""))
    assert answer["entries"] == []
    assert "grubby --info=ALL" in answer["obstacle"]


def test_the_answer_of_grub(tree: Any) -> None:
    files = {loader.UPDATE_GRUB: "", loader.GRUB_CFG: GRUB_CFG, DROP_IN: "text\n"}
    answer = observe.kernel_arguments({"names": [], "drop_in": DROP_IN}, tree(files))
    assert answer["text"] == "text\n"
    assert len(answer["entries"]) == 2
    assert "obstacle" not in answer


def test_a_grub_cfg_that_cannot_be_read_is_an_obstacle(tree: Any, tmp_path: Path) -> None:
    machine = tree({loader.UPDATE_GRUB: ""})
    (tmp_path / loader.GRUB_CFG.lstrip("/")).mkdir(parents=True)
    answer = observe.kernel_arguments({"names": [], "drop_in": DROP_IN}, machine)
    assert answer["obstacle"].startswith("/boot/grub/grub.cfg cannot be read")


MODPROBE = """\
# ttm pages_limit=1
options ttm pages_limit=27648000 page_pool_size=5
options amdgpu gttsize=131072
options  amdgpu \\
   gttsize=1 \\
   ppfeaturemask=0xf
blacklist ttm
options other-module gttsize=1
options ttm
"""


def test_options_in_modprobe_d(tree: Any) -> None:
    machine = tree({"/etc/modprobe.d/a.conf": MODPROBE, "/etc/modprobe.d/b.txt": "options ttm pages_limit=1"})
    found = modprobe.options(machine, ["ttm.pages_limit", "amdgpu.gttsize", "other_module.gttsize"])
    assert [(option["name"], option["value"]) for option in found] == [
        ("ttm.pages_limit", "27648000"),
        ("amdgpu.gttsize", "131072"),
        ("amdgpu.gttsize", "1"),
        ("other_module.gttsize", "1"),
    ]
    assert {option["path"] for option in found} == {"/etc/modprobe.d/a.conf"}


def test_options_are_taken_away_and_nothing_else_changes() -> None:
    assert modprobe.without(MODPROBE, ["ttm.pages_limit", "amdgpu.gttsize"]) == (
        "# ttm pages_limit=1\n"
        "options ttm page_pool_size=5\n"
        "options amdgpu ppfeaturemask=0xf\n"
        "blacklist ttm\n"
        "options other-module gttsize=1\n"
        "options ttm\n"
    )
    odd = 'options ttm pages-limit=1\noptions a b="c d" \\\n'
    assert modprobe.without(odd, ["ttm.pages_limit"]) == 'options a b="c d" \\\n'
    assert modprobe.without(odd, ["x.y"]) == odd


def test_what_a_run_that_was_cut_off_has_not_made_is_seen(tree: Any) -> None:
    files = {loader.UPDATE_GRUB: "", loader.GRUB_CFG: GRUB_CFG, due.INITRAMFS: "", due.GRUB_CFG: ""}
    answer = observe.kernel_arguments({"names": [], "drop_in": DROP_IN}, tree(files))
    assert (answer["initramfs"], answer["due"]) == (due.WORDS, due.WORDS)


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "PATH", str(tmp_path / "state" / "kernel-arguments.json"))
    assert paths.STATE not in record.PATH
    return tmp_path


WANTED = {"ttm.pages_limit": "5", "amd_iommu": "off", "amdgpu.gttsize": None}
LINE = "root=1 amd-iommu=pt quiet amdgpu.gttsize=9 amdgpu.gttsize=10"


def test_a_line_is_changed_and_given_back(own_state: Path) -> None:
    found = record.Record()
    found.begin(LINE, WANTED)
    assert found.edited(LINE, WANTED) == "root=1 quiet ttm.pages_limit=5 amd_iommu=off"
    found.end(WANTED)
    # Another value, and one name less.
    line, other = found.edited(LINE, WANTED), {"ttm.pages_limit": "6", "amdgpu.gttsize": None}
    later = record.Record()
    later.begin(line, other)
    line = later.edited(line, other)
    assert line == "root=1 quiet amd-iommu=pt ttm.pages_limit=6"
    later.end(other)
    last = record.Record()
    assert last.set == {"ttm.pages_limit": "6", "amdgpu.gttsize": None}
    last.begin(line, {})
    assert last.edited(line, {}) == "root=1 quiet amd-iommu=pt amdgpu.gttsize=9 amdgpu.gttsize=10"
    last.end({})
    assert not Path(record.PATH).exists()


@pytest.mark.parametrize("edited_before_the_cut", [True, False])
def test_a_change_that_was_cut_off_forgets_nothing(own_state: Path, edited_before_the_cut: bool) -> None:
    first = record.Record()
    first.begin(LINE, WANTED)
    line = first.edited(LINE, WANTED) if edited_before_the_cut else LINE
    again = record.Record()
    again.begin(line, WANTED)
    assert again.edited(line, WANTED) == "root=1 quiet ttm.pages_limit=5 amd_iommu=off"
    assert again.before == {
        "ttm.pages_limit": [],
        "amd_iommu": ["amd-iommu=pt"],
        "amdgpu.gttsize": ["amdgpu.gttsize=9", "amdgpu.gttsize=10"],
    }


def test_kernels_are_found_where_distributions_put_them(tree: Any) -> None:
    machine = tree(
        {
            "/lib/modules/6.1/modules.dep": "",
            "/boot/vmlinuz-6.1": "",
            "/boot/initrd.img-6.1": "",
            "/lib/modules/6.2/modules.dep": "",
            "/usr/lib/modules/6.2/vmlinuz": "",
            "/lib/modules/6.3/modules.dep": "",
        }
    )
    assert systemd_boot.kernels(machine) == [
        ("6.1", ["/boot/vmlinuz-6.1", "/boot/initrd.img-6.1"]),
        ("6.2", ["/usr/lib/modules/6.2/vmlinuz"]),
    ]


def test_tools_speak_the_machine_s_own_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """grub-mkconfig would write other titles, and GRUB_DEFAULT may be one."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    tool.run("/bin/sh", "-c", 'test "$LC_ALL" = de_DE.UTF-8')
