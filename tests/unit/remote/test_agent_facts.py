"""The agent's facts: on every captured tree, on trees that want to do harm, and on the machine that runs the tests."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from strixkit.host.facts_answer import facts_in
from strixkit.planner.facts import Facts, Setting, dimm_gib
from strixkit.planner.limits import MOST_ENTRIES, MOST_NAME
from strixkit.remote.agent import gpu, gpu_users
from strixkit.remote.agent.facts import gather
from strixkit.remote.agent.machine import Machine
from strixkit.remote.agent.patience import NoAnswer, within
from tests import trees

GIB = 1 << 30
MIB = 1 << 20


@pytest.fixture(scope="module")
def known() -> dict[str, Facts]:
    return {name: trees.facts_of(name) for name in trees.names()}


@pytest.mark.parametrize(
    ("tree", "dimm", "carve_out", "gtt", "gtt_share", "kernel", "cwsr"),
    [
        ("strix-128gb-bare", 128, 512 * MIB, 67154759680, 0.5, "6.17.0-19-generic", True),
        ("strix-128gb-ready", 128, 512 * MIB, 108 * GIB, 0.863, "7.0.0-15-generic", True),
        ("strix-64gb-bare", 64, 512 * MIB, 32802811904, 0.5, "7.0.0-15-generic", True),
        ("strix-128gb-carveout-96gb", 128, 96 * GIB, 16638816256, 0.5, "7.0.0-15-generic", True),
        ("debian-6.12-no-cwsr-fix", 128, 512 * MIB, 63973 * MIB, 0.5, "6.12.48+deb13-amd64", False),
    ],
)
def test_what_a_tree_says_of_gpu_and_memory(
    known: dict[str, Facts],
    tree: str,
    dimm: int,
    carve_out: int,
    gtt: int,
    gtt_share: float,
    kernel: str,
    cwsr: bool,
) -> None:
    facts = known[tree]
    assert facts.gpu is not None
    assert dimm_gib(facts) == dimm
    assert (facts.gpu.pci_id, facts.gpu.gfx, facts.gpu.name) == ("1002:1586", "gfx1151", "Radeon 8060S")
    assert (facts.gpu.vram_total_bytes, facts.gpu.gtt_total_bytes) == (carve_out, gtt)
    assert facts.gpu.gtt_total_bytes / facts.memory.total_bytes == pytest.approx(gtt_share, abs=0.001)
    assert int(facts.module_parameters["ttm.pages_limit"]) * 4096 == gtt
    assert facts.kernel == kernel
    [node] = facts.kfd
    assert node.gfx_target_version == 110501
    assert (node.cwsr_size is not None, node.ctl_stack_size is not None) == (cwsr, cwsr)
    assert (facts.virtualization, facts.init, facts.cores, facts.package_manager) == ("", "systemd", 16, "apt")
    assert facts.cpu == "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S"


def test_every_tree_is_tested_above(known: dict[str, Facts]) -> None:
    assert [name for name, facts in known.items() if facts.gpu is None] == ["no-amdgpu"]
    assert len(known) == 6


def test_a_box_without_amdgpu(known: dict[str, Facts]) -> None:
    facts = known["no-amdgpu"]
    assert (facts.gpu, facts.kfd, facts.modules, facts.devices, facts.module_parameters) == (None, (), (), (), {})
    assert facts.amdgpu_module.endswith("/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz"), "there, and not loaded"
    assert "nomodeset" in facts.cmdline
    assert dimm_gib(facts) is None


def test_a_box_that_is_set_up(known: dict[str, Facts]) -> None:
    facts = known["strix-128gb-ready"]
    assert facts.cmdline.endswith(
        " amd_iommu=off ttm.pages_limit=28311552 amdgpu.lockup_timeout=10000,60000,10000,10000"
    )
    assert facts.module_parameters["amdgpu.lockup_timeout"] == "10000,60000,10000,10000"
    assert (facts.iommu_groups, facts.accelerators) == (0, ()), "the IOMMU is off, and the NPU with it"
    assert facts.icd_files == ("/usr/share/vulkan/icd.d/radeon_icd.json",)
    assert facts.packages["mesa-vulkan-drivers"] == "26.0.3-1ubuntu1"
    assert facts.sudo == "sudo-rs 0.2.13"
    path = "/etc/profile.d/strixkit-rocm.sh"
    assert facts.settings == (
        Setting(path=path, name="HSA_OVERRIDE_GFX_VERSION", value="11.5.1"),
        Setting(path=path, name="GGML_HIP_ENABLE_UNIFIED_MEMORY", value="1"),
    )
    bare = known["strix-128gb-bare"]
    assert (bare.iommu_groups, bare.accelerators, bare.icd_files, bare.settings) == (3, ("accel0",), (), ())
    assert [(item.path, item.group, item.mode) for item in bare.devices] == [
        ("/dev/kfd", "render", "660"),
        ("/dev/dri/card1", "video", "660"),
        ("/dev/dri/renderD128", "render", "660"),
        ("/dev/accel/accel0", "render", "660"),
    ]


def test_what_is_in_the_way_on_a_box(known: dict[str, Facts]) -> None:
    facts = known["strix-128gb-carveout-96gb"]
    assert facts.gpu is not None
    assert (facts.gpu.carveout, facts.gpu.carveout_options) == ("1", ("0: Minimum (512 MB)", "1: High (96 GB)"))
    assert {(item.name, item.value) for item in facts.settings} == {
        ("HSA_OVERRIDE_GFX_VERSION", "11.0.0"),
        ("VK_ICD_FILENAMES", "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json"),
    }
    assert [(user.pid, user.command, user.device) for user in facts.gpu_users] == [
        (2417, "ollama", "/dev/dri/renderD128"),
        (2417, "ollama", "/dev/kfd"),
    ]


@pytest.mark.parametrize("name", trees.BARE)
def test_the_facts_files_of_bare_boxes_are_as_their_trees(name: str) -> None:
    path, text = trees.bare_file(name)
    assert path.read_text() == text, "python -m tests.trees writes them anew"


@pytest.mark.parametrize("name", trees.names())
def test_a_tree_names_the_source_of_its_values(name: str) -> None:
    assert "| Value | Source |" in (trees.TREES / name / "README.md").read_text()


Made = Callable[[dict[str, str]], Machine]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a tree of the files given, below a box that has just enough to be one."""

    def make(files: dict[str, str]) -> Machine:
        least = {"/proc/meminfo": "MemTotal: 1024 kB\nMemAvailable: 512 kB", "/proc/sys/kernel/osrelease": "6.1"}
        for path, text in {**least, **files}.items():
            target = tmp_path / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return Machine(str(tmp_path))

    return make


def facts_of(machine: Machine) -> Facts:
    """By way of JSON, as from a box."""
    return facts_in(json.loads(json.dumps({"facts": gather(machine)})), "box")


def card(name: str, vendor: str, device: str, gtt: int = 0) -> dict[str, str]:
    folder = f"/sys/class/drm/{name}/device"
    return {f"{folder}/vendor": vendor, f"{folder}/device": device, f"{folder}/mem_info_gtt_total": str(gtt)}


def test_the_strix_halo_is_found_among_cards(made: Made) -> None:
    cards = {
        **card("card0", "0x1002", "0x744c", 1),
        **card("card1", "0x8086", "0x1586", 2),
        **card("card2-DP-1", "0x1002", "0x1586", 3),
        **card("card10", "0x1002", "0x1586", 4),
        "/sys/class/drm/renderD128/device/vendor": "0x1002",
    }
    gpu = facts_of(made(cards)).gpu
    assert gpu is not None
    assert (gpu.pci_id, gpu.gtt_total_bytes) == ("1002:1586", 4)


def test_another_amd_card_is_better_than_none(made: Made) -> None:
    node = "/sys/class/kfd/kfd/topology/nodes/%d/properties"
    files = {
        **card("card10", "0x1002", "0x744c", 1),
        **card("card2", "0x1002", "0x73bf", 2),
        "/proc/cpuinfo": "model name\t: AMD Ryzen w/ Radeon 780M\n",
        node % 2: "gfx_target_version 100300\ndevice_id 29631\n",
        node % 10: "gfx_target_version 110000\ndevice_id 29772\ncwsr_size 7\n",
        node % 0: "gfx_target_version 0\n",
    }
    facts = facts_of(made(files))
    assert facts.gpu is not None
    assert (facts.gpu.gtt_total_bytes, facts.gpu.gfx) == (2, "gfx1030")
    assert facts.gpu.name == "", "the name of the processor's own GPU is not this one's"
    assert [(node.gfx_target_version, node.cwsr_size) for node in facts.kfd] == [(100300, None), (110000, 7)]


MODULE = "/lib/modules/6.1"
OWN = f"{MODULE}/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.zst"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([OWN], OWN),
        ([OWN, f"{MODULE}/updates/dkms/amdgpu.ko.zst"], f"{MODULE}/updates/dkms/amdgpu.ko.zst"),
        ([OWN, f"{MODULE}/extra/amdgpu.ko.xz"], f"{MODULE}/extra/amdgpu.ko.xz"),
        (["/lib/modules/5.4/updates/dkms/amdgpu.ko"], ""),
    ],
)
def test_which_amdgpu_module_is_loaded(made: Made, files: list[str], found: str) -> None:
    assert facts_of(made(dict.fromkeys(files, ""))).amdgpu_module == found


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("/etc/environment", "HSA_OVERRIDE_GFX_VERSION=11.0.0", {"HSA_OVERRIDE_GFX_VERSION": "11.0.0"}),
        ("/etc/environment", 'AMD_VULKAN_ICD="RADV"', {"AMD_VULKAN_ICD": "RADV"}),
        ("/etc/environment", "# HSA_OVERRIDE_GFX_VERSION=11.0.0", {}),
        ("/etc/environment", "MY_HSA_OVERRIDE_GFX_VERSION=1\nHSA_OVERRIDE_GFX_VERSION_2=1", {}),
        ("/etc/environment.d/90-gpu.conf", "GGML_DISABLE_VULKAN=1", {"GGML_DISABLE_VULKAN": "1"}),
        ("/etc/profile", "  export VK_DRIVER_FILES='/a b.json'  # why", {"VK_DRIVER_FILES": "/a b.json"}),
        ("/etc/profile.d/x.sh", "export PATH RADV_PERFTEST=nogttspill;true", {"RADV_PERFTEST": "nogttspill"}),
        ("/etc/profile.d/x.sh", "declare -x HIP_VISIBLE_DEVICES=-1 || exit", {"HIP_VISIBLE_DEVICES": "-1"}),
        ("/etc/profile.d/x.sh", '[ "$HIP_VISIBLE_DEVICES" = 1 ] || : ${HIP_VISIBLE_DEVICES=3}', {}),
        ("/etc/profile.d/x.csh", "setenv HIP_VISIBLE_DEVICES 1", {}),
        (
            "/etc/systemd/system.conf",
            "[Manager]\n#DefaultEnvironment=GPU_MAX_HW_QUEUES=2\n"
            """DefaultEnvironment="VK_ICD_FILENAMES=/a b.json" HSA_ENABLE_SDMA=0 'GPU_MAX_HW_QUEUES=1'""",
            {"VK_ICD_FILENAMES": "/a b.json", "HSA_ENABLE_SDMA": "0", "GPU_MAX_HW_QUEUES": "1"},
        ),
        (
            "/etc/systemd/system.conf.d/gpu.conf",
            "DefaultEnvironment=GGML_VK_VISIBLE_DEVICES=",
            {"GGML_VK_VISIBLE_DEVICES": ""},
        ),
        (
            "/etc/security/pam_env.conf",
            "GGML_CUDA_ENABLE_UNIFIED_MEMORY DEFAULT=1",
            {"GGML_CUDA_ENABLE_UNIFIED_MEMORY": "1"},
        ),
        ("/etc/security/pam_env.conf", 'VK_ICD_FILENAMES\tOVERRIDE="/x.json"', {"VK_ICD_FILENAMES": "/x.json"}),
        ("/root/.profile", "export HSA_OVERRIDE_GFX_VERSION=11.0.0", {}),
    ],
)
def test_variables_that_files_set_for_everybody(made: Made, path: str, text: str, found: dict[str, str]) -> None:
    settings = facts_of(made({path: text})).settings
    assert {item.name: item.value for item in settings} == found
    assert {item.path for item in settings} <= {path}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, ""),
        ({"/proc/cpuinfo": "flags\t\t: fpu hypervisor lahf_lm\n"}, "vm"),
        ({"/proc/cpuinfo": "model name\t: hypervisor\nflags\t\t: fpu\n"}, ""),
        ({"/run/systemd/container": "systemd-nspawn", "/proc/cpuinfo": "flags : hypervisor"}, "container"),
        ({"/.dockerenv": ""}, "container"),
        ({"/run/.containerenv": ""}, "container"),
        ({"/proc/1/environ": "TERM=x\0container=lxc\0"}, "container"),
        ({"/proc/1/environ": "container=lxc\0"}, "container"),
        ({"/proc/1/environ": "in_a_container=no\0"}, ""),
    ],
)
def test_whether_it_is_a_machine_of_its_own(made: Made, files: dict[str, str], found: str) -> None:
    assert facts_of(made(files)).virtualization == found


def test_cores_of_two_sockets_are_added(made: Made) -> None:
    block = "processor\t: 0\nphysical id\t: %d\nsiblings\t: 16\ncore id\t\t: 0\ncpu cores\t: 8\n\n"
    assert facts_of(made({"/proc/cpuinfo": block % 0 + block % 0 + block % 1})).cores == 16


def test_the_folders_of_amds_rocm(made: Made, tmp_path: Path) -> None:
    files = {f"/opt/{name}/.info/version": f"{name}\n" for name in ("rocm-7.2.4", "rocm-6.4.1", "rocm/core-10.0")}
    machine = made(files)
    assert list(facts_of(machine).rocm) == ["/opt/rocm-6.4.1", "/opt/rocm-7.2.4", "/opt/rocm/core-10.0"]
    (tmp_path / "opt/rocm").rename(tmp_path / "opt/old")
    (tmp_path / "opt/rocm").symlink_to("rocm-7.2.4")
    assert facts_of(machine).rocm == {"/opt/rocm-6.4.1": "rocm-6.4.1", "/opt/rocm-7.2.4": "rocm-7.2.4"}


def test_the_compiler_that_a_link_of_links_leads_to(made: Made, tmp_path: Path) -> None:
    machine = made({"/usr/bin/x86_64-linux-gnu-g++-15": "", "/etc/alternatives/README": ""})
    assert facts_of(machine).compiler == ""
    links = {"usr/bin/c++": "/etc/alternatives/c++", "etc/alternatives/c++": "/usr/bin/g++-15"}
    for path, target in {**links, "usr/bin/g++-15": "x86_64-linux-gnu-g++-15"}.items():
        (tmp_path / path).symlink_to(target)
    assert facts_of(machine).compiler == "/usr/bin/x86_64-linux-gnu-g++-15"
    (tmp_path / "usr/bin/x86_64-linux-gnu-g++-15").unlink()
    assert facts_of(machine).compiler == "", "a link that leads nowhere"
    (tmp_path / "usr/bin/x86_64-linux-gnu-g++-15").symlink_to("c++")
    assert facts_of(machine).compiler == "", "a circle"


def commands(**said: str) -> dict[str, str]:
    return {"/commands.json": json.dumps({words: {"exit": 0, "stdout": text} for words, text in said.items()})}


def test_a_package_that_was_removed_is_not_installed(made: Made) -> None:
    said = "config-files\tamdvlk\t1\ninstalled\ttuned\t2\nunpacked\trocm\t3\nnonsense\n"
    facts = facts_of(made({"/usr/bin/apt-get": "", **commands(**{"dpkg-query": said})}))
    assert facts.packages == {"tuned": "2"}


def test_packages_of_fedora(made: Made) -> None:
    said = "installed\ttuned-ppd\t2.26.0-1.fc43\ninstalled\tamd-gpu-firmware\t20260110-1.fc43\n"
    facts = facts_of(made({"/usr/bin/dnf": "", **commands(**{"rpm --query --all": said})}))
    assert facts.package_manager == "dnf"
    assert facts.packages == {"amd-gpu-firmware": "20260110-1.fc43", "tuned-ppd": "2.26.0-1.fc43"}


def test_facts_of_files_win_and_are_named(made: Made) -> None:
    folder = "/etc/strixkit/facts.d"
    files = {
        **card("card0", "0x1002", "0x1586", 5),
        f"{folder}/1.json": '{"source": "x", "simulated": [], "gpu": {"gtt_total_bytes": 7}, "cores": 3}',
        f"{folder}/2.json": "{not JSON",
        f"{folder}/3.json": "[1]",
        f"{folder}/4.json": '{"memory": {"total_bytes": 9}, "kfd": [{"gfx_target_version": 110501}]}',
    }
    facts = facts_of(made(files))
    assert facts.gpu is not None
    assert (facts.gpu.gtt_total_bytes, facts.gpu.pci_id, facts.cores) == (7, "1002:1586", 3)
    assert (facts.memory.total_bytes, facts.memory.available_bytes) == (9, 512 * 1024)
    assert facts.simulated == ("cores", "gpu.gtt_total_bytes", "kfd", "memory.total_bytes")


def test_a_box_that_says_too_much_is_cut_short(made: Made, tmp_path: Path) -> None:
    long = "x" * 100_000
    files = {
        **card("card0", "0x1002", "0x1586" + long),
        **{f"/usr/share/vulkan/icd.d/{number}.json": "" for number in range(400)},
        **{f"/dev/accel/accel{number}": "" for number in range(400)},
        "/sys/class/drm/card0/device/uma/carveout_options": "1: x\n" * 10_000,
        "/sys/class/drm/card0/device/gpu_busy_percent": "4711",
        "/sys/class/drm/card0/device/mem_info_vram_total": "9" * 30,
        "/sys/class/drm/card0/device/mem_info_gtt_used": "-1",
        "/sys/class/kfd/kfd/topology/nodes/1/properties": f"gfx_target_version 110501\ncwsr_size {'9' * 40}\n",
        "/sys/module/ttm/parameters/pages_limit": long,
        "/proc/cmdline": long,
        "/proc/cpuinfo": f"model name\t: w/ {long}\n",
        "/proc/sys/kernel/hostname": long,
        "/etc/environment": f"HSA_OVERRIDE_GFX_VERSION={'x' * 9000}\n" + "HIP_VISIBLE_DEVICES=1\n" * 1000,
        "/etc/os-release": f"ID={'x' * 9000}\nPRETTY_NAME={'x' * 9000}",
    }
    facts = facts_of(made(files))
    assert facts.gpu is not None
    assert len(facts.icd_files) == len(facts.accelerators) == len(facts.gpu.carveout_options) == MOST_ENTRIES
    assert len(facts.settings) == MOST_ENTRIES
    assert len(facts.settings[0].value) == len(facts.os.name) == len(facts.hostname) == MOST_NAME
    assert (facts.gpu.busy_percent, facts.gpu.vram_total_bytes, facts.gpu.gtt_used_bytes) == (100, 0, 0)
    assert facts.kfd[0].cwsr_size is None


def test_many_processes_with_many_files_are_looked_at_to_a_bound(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = made({f"/proc/{pid}/comm": "python" for pid in range(100, 400)})
    for pid in range(100, 400):
        folder = tmp_path / f"proc/{pid}/fd"
        folder.mkdir()
        (folder / "3").symlink_to("/dev/kfd")
    assert [user["pid"] for user in gpu_users.gpu_users(machine)] == list(range(100, 100 + gpu_users.MOST_USERS))
    monkeypatch.setattr(gpu_users, "MOST_LINKS", 10)
    assert len(gpu_users.gpu_users(machine)) == 10


def test_a_pipe_in_the_place_of_a_file_is_passed_over(made: Made, tmp_path: Path) -> None:
    machine = made({"/etc/profile.d/a.sh": "export HIP_VISIBLE_DEVICES=1"})
    os.mkfifo(tmp_path / "etc/profile.d/b.sh")
    found: list[Facts] = []
    reader = threading.Thread(target=lambda: found.append(facts_of(machine)), daemon=True)
    reader.start()
    reader.join(30)
    assert [item.path for facts in found for item in facts.settings] == ["/etc/profile.d/a.sh"]


class Wedged(Machine):
    """FAKE: a machine whose driver hangs: who reads one of its files never comes back."""

    file, never = "gpu_busy_percent", threading.Event()

    def read(self, path: str, limit: int = 65536) -> str | None:
        if path.endswith(self.file):
            self.never.wait()
        return super().read(path, limit)


def test_firmware_that_does_not_answer_leaves_the_other_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "FIRMWARE_SECONDS", 0.5)
    found = facts_of(Wedged(str(trees.TREES / "strix-128gb-ready"))).gpu
    assert found is not None
    assert (found.busy_percent, found.performance_level) == (None, "")
    assert found.gtt_total_bytes > 0


def test_a_driver_that_does_not_answer_ends_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wedged, "file", "mem_info_gtt_used")
    machine = Wedged(str(trees.TREES / "strix-128gb-ready"))
    with pytest.raises(NoAnswer, match=r"the box's facts: no answer within 0\.5 s; (?s:.*)\n  next: reboot the box"):
        within(0.5, lambda: gather(machine), "the box's facts")


def test_without_meminfo_there_is_no_box(made: Made, tmp_path: Path) -> None:
    machine = made({})
    (tmp_path / "proc/meminfo").write_text("MemFree: 1 kB\n")
    with pytest.raises(RuntimeError, match="no MemTotal"):
        gather(machine)


def test_a_command_is_found_by_how_it_begins(made: Made) -> None:
    machine = made(commands(**{"stat": "short\n", "stat --format=%U": "long\n"}))
    assert machine.run("stat", "--format=%U", "/x") == (0, "long\n")
    assert machine.run("stat", "/x") == (0, "short\n")
    assert machine.run("status") is None


def test_the_machine_that_runs_the_tests() -> None:
    """No captured tree: the real /proc, /sys and commands."""
    facts = facts_of(Machine())
    assert facts.hostname == os.uname().nodename
    assert (facts.kernel, facts.architecture) == (os.uname().release, os.uname().machine)
    assert facts.memory.total_bytes == psutil.virtual_memory().total
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert facts.cmdline == Path("/proc/cmdline").read_text().strip()
    assert facts.free_bytes["/"] > 0
    assert facts.cores >= 1
    assert Machine().permissions("/dev/null") == ("root", "root", "666")
