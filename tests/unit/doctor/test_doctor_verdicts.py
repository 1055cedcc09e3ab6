"""Each check is driven to each verdict that it can give, by trees of a machine with one thing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from doctor_trees import ENVIRONMENT, LOADED, RADV, ROCM, UNIT, Deployed, Tree, host

from strixkit.doctor.check import UNSURE, Verdict
from strixkit.doctor.checks import CHECKS
from tests.unit.probe_documents import LAVAPIPE, run, saved, strix

FAIL, WARN, SKIP, PASS = Verdict
READY = "strix-128gb-ready"
BARE = "strix-128gb-bare"
GPU = "/sys/class/drm/card1/device"
LIMIT = "/sys/module/ttm/parameters/pages_limit"
TIMEOUT = "/sys/module/amdgpu/parameters/lockup_timeout"
KFD_NODE = "/sys/class/kfd/kfd/topology/nodes/1/properties"
KERNEL_LOG = "journalctl --dmesg --boot"
GRUB_CFG = "/boot/grub/grub.cfg"
AMD_LIST = "/etc/apt/sources.list.d/rocm.list"
RADEON = "https://repo.radeon.com/rocm/apt/7.2.4"
PROBE = "/var/lib/strixkit/probe.json"
MES = "/sys/kernel/debug/dri/0/amdgpu_firmware_info"
LISTENER = "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   997        0 {inode} 1\n"
# A public key (one packet of type 6, version 4) that is nobody's.
OTHER_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmAYEAAAAABY=\n-----END PGP PUBLIC KEY BLOCK-----\n"
Change = Callable[[Tree], None]


@dataclass
class Case:
    """words: in what was seen. wanted: variables of the inventory."""

    check: str
    verdict: Verdict
    words: str
    change: Change = lambda tree: None
    base: str = READY
    wanted: dict[str, Any] = field(default_factory=dict)
    asked_password: bool = False


def deployed(**fields: Any) -> Change:
    return lambda tree: tree.deploy(Deployed(**fields))


def on_rocm(**fields: Any) -> Change:
    return deployed(device="ROCm0", **fields)


def write(path: str, text: str) -> Change:
    return lambda tree: tree.write(path, text)


def probed(result: dict[str, Any]) -> Change:
    """NOT captured on a Strix Halo, but for what runs on lavapipe."""
    return write(PROBE, saved(run(result)))


def remove(*paths: str) -> Change:
    return lambda tree: tree.remove(*paths)


def says(command: str, *lines: str, exit: int = 0) -> Change:
    return lambda tree: tree.says(command, *lines, exit=exit)


def silent(*beginnings: str) -> Change:
    return lambda tree: tree.silent(*beginnings)


def packages(**versions: str | None) -> Change:
    return lambda tree: tree.packages(**versions)


def booted(extra: str) -> Change:
    return replaced("/proc/cmdline", "quiet", f"quiet {extra}")


def both(*changes: Change) -> Change:
    def change(tree: Tree) -> None:
        for one in changes:
            one(tree)

    return change


def policy(version: str, origin: str) -> Change:
    table = ["  Version table:", f" *** {version} 600", f"        600 {origin}", "        100 /var/lib/dpkg/status"]
    newer = ["     9.9 500", "        500 http://other.example/ubuntu noble/main amd64 Packages"]
    head = ["rocminfo:", f"  Installed: {version}", "  Candidate: 1.0.0.70204-93~24.04"]
    return says("apt-cache policy", *head, *table, *newer)


def replaced(path: str, before: str, after: str) -> Change:
    def change(tree: Tree) -> None:
        text = (tree.root / path.lstrip("/")).read_text()
        assert before in text
        tree.write(path, text.replace(before, after))

    return change


def taken_by(command: str, inode: int, cgroup: str) -> Change:
    def change(tree: Tree) -> None:
        tree.silent("systemctl show")
        tree.says("systemctl show", f"Id={UNIT}", "LoadState=not-found")
        head = (tree.root / "proc/net/tcp").read_text().splitlines()[0]
        tree.write("/proc/net/tcp", head + "\n" + LISTENER.format(inode=inode))
        if command:
            tree.write("/proc/99/comm", command + "\n")
            tree.write("/proc/99/cgroup", cgroup)
            (tree.root / "proc/99/fd").mkdir()
            (tree.root / "proc/99/fd/3").symlink_to(f"socket:[{inode}]")

    return change


def sleeping(command: str, unit: str) -> Change:
    return both(
        write("/proc/99/stat", f"99 ({command}) D 1 99 99 0 -1\n"),
        write("/proc/99/cgroup", f"0::/system.slice/{unit}\n"),
    )


radeon_source = write(AMD_LIST, f"deb [arch=amd64 signed-by=/etc/apt/keyrings/rocm.gpg] {RADEON} noble main\n")
radeon_pin = write("/etc/apt/preferences.d/rocm", "Package: *\nPin: release o=repo.radeon.com\nPin-Priority: 600\n")
amd_policy = policy("1.0.0.70204-93~24.04", f"{RADEON} noble/main amd64 Packages")

CASES = [
    # 1
    Case("gtt-limit", PASS, "GTT is 108 GiB, as wanted"),
    Case("gtt-limit", PASS, "capped GTT to the memory", both(
        write(LIMIT, "33554432\n"), write(f"{GPU}/mem_info_gtt_total", "134309523456\n")),
        wanted={"gtt_gib": 125, "gtt_force": True}),
    Case("gtt-limit", FAIL, "half of the memory", base=BARE),
    Case("gtt-limit", FAIL, "TTM gives out no more than 15.5 GiB", write(LIMIT, "4062211\n")),
    Case("gtt-limit", FAIL, "strix_gtt_gib is 200", wanted={"gtt_gib": 200}),
    Case("gtt-limit", WARN, "half of the memory", base=BARE, wanted={"gtt_gib": "default"}),
    Case("gtt-limit", WARN, "wants 64 GiB only", wanted={"gtt_gib": 64}),
    Case("gtt-limit", WARN, "the driver started with a GTT of 108 GiB", write(LIMIT, "30408704\n")),
    Case("gtt-limit", WARN, "amdgpu.gttsize=110592, which is deprecated", booted("amdgpu.gttsize=110592")),
    Case("gtt-limit", WARN, "amdgpu.gtt_size=110592, which is a misspelling", booted("amdgpu.gtt_size=110592")),
    Case("gtt-limit", WARN, "amdttm.pages_limit=1, which is for a module", booted("amdttm.pages_limit=1")),
    Case("gtt-limit", WARN, "amd_iommu=pt, which is no value", booted("amd_iommu=pt")),
    Case("gtt-limit", SKIP, "pages_limit cannot be read", remove(LIMIT)),
    Case("gtt-limit", SKIP, "mem_info_gtt_total cannot be read", remove(f"{GPU}/mem_info_gtt_total")),
    # 2
    Case("bios-carveout", PASS, "512 MiB"),
    Case("bios-carveout", PASS, "4 GiB", write(f"{GPU}/mem_info_vram_total", "4294967296\n")),
    Case("bios-carveout", FAIL, "has taken 64 GiB", write(f"{GPU}/mem_info_vram_total", "68719476736\n")),
    Case("bios-carveout", SKIP, "mem_info_vram_total cannot be read", remove(f"{GPU}/mem_info_vram_total")),
    # 3
    Case("lockup-timeout", PASS, "amdgpu.lockup_timeout=10000,60000"),
    Case("lockup-timeout", PASS, "more than 2 s by itself", base=BARE),
    Case("lockup-timeout", PASS, "amdgpu.lockup_timeout=10000,60000", write(TIMEOUT, "10000\n")),
    Case("lockup-timeout", WARN, "no amdgpu.lockup_timeout", write(TIMEOUT, "\n")),
    Case("lockup-timeout", WARN, "amdgpu.lockup_timeout=10000,2000", write(TIMEOUT, "10000,2000,10000,10000\n")),
    Case("lockup-timeout", FAIL, "ring comp_1.1.0 timeout", says(
        KERNEL_LOG, "kernel: amdgpu 0000:c5:00.0: ring comp_1.1.0 timeout, signaled seq=1, emitted seq=3")),
    Case("lockup-timeout", FAIL, "device wedged", says(
        KERNEL_LOG, "kernel: amdgpu: [drm] device wedged, but recovered through reset"), base=BARE),
    Case("lockup-timeout", FAIL, "has lost its device", deployed(
        log=(*LOADED, "ggml_vulkan: vk::Queue::submit: ErrorDeviceLost"))),
    Case("lockup-timeout", PASS, "by itself", says(KERNEL_LOG, "amdgpu: Fence fallback timer expired"), base=BARE),
    Case("lockup-timeout", SKIP, "journalctl gives no answer", silent(KERNEL_LOG)),
    Case("lockup-timeout", SKIP, "no kernel messages of this boot", says(KERNEL_LOG)),
    Case("lockup-timeout", SKIP, "lockup_timeout cannot be read", remove(TIMEOUT)),
    Case("lockup-timeout", SKIP, "all services compute on ROCm", both(write(TIMEOUT, "\n"), on_rocm())),
    # 4
    Case("kfd-cwsr", PASS, "has cwsr_size and ctl_stack_size"),
    Case("kfd-cwsr", FAIL, "no ctl_stack_size and no cwsr_size", write(KFD_NODE, "gfx_target_version 110501\n")),
    Case("kfd-cwsr", FAIL, "no cwsr_size of", write(KFD_NODE, "gfx_target_version 110501\nctl_stack_size 4096\n")),
    Case("kfd-cwsr", WARN, "no service uses it", write(KFD_NODE, "gfx_target_version 110501\n"),
         wanted={"rocm": "none"}),
    Case("kfd-cwsr", SKIP, "KFD shows no gfx1151", remove("/sys/class/kfd")),
    Case("kfd-cwsr", SKIP, "neither wanted, nor installed, nor used", base=BARE, wanted={"rocm": "none"}),
    # 5
    Case("firmware-mes", PASS, "0x00000080"),
    Case("firmware-mes", FAIL, "this MES firmware hangs", write(
        MES, "MES feature version: 1, firmware version: 0x00000083\n")),
    Case("firmware-mes", FAIL, "its MES firmware 0x83 hangs", both(packages(linux_firmware="20251125-1"), remove(MES))),
    Case("firmware-mes", WARN, "when it is loaded", packages(linux_firmware="20251125-1")),
    Case("firmware-mes", WARN, "is older than linux-firmware", says(
        "stat --format=%Y /var/lib/dpkg/info/linux-firmware.list", "1795248000")),
    Case("firmware-mes", SKIP, "amdgpu_firmware_info is not there", remove(MES)),
    Case("firmware-mes", SKIP, "no package of the GPU's firmware", packages(linux_firmware=None)),
    Case("firmware-mes", WARN, "between the release that hangs", packages(linux_firmware="20251201-1")),
    # 6
    Case("rocm-mmap", PASS, "--no-mmap", on_rocm()),
    Case("rocm-mmap", PASS, "--load-mode none", on_rocm(arguments=("--load-mode", "none"))),
    Case("rocm-mmap", PASS, "GGML_HIP_ENABLE_UNIFIED_MEMORY is set", on_rocm(arguments=())),
    Case("rocm-mmap", FAIL, "maps its model, 16 GiB", on_rocm(arguments=(), environment={})),
    Case("rocm-mmap", FAIL, "maps its model", on_rocm(arguments=("--load-mode", "mmap"), environment={})),
    Case("rocm-mmap", FAIL, "SVM mapping failed", both(
        on_rocm(), says(KERNEL_LOG, "kernel: amdgpu: SVM mapping failed, exceeds resident system memory limit"))),
    Case("rocm-mmap", WARN, "maps its model, 4 GiB", on_rocm(arguments=(), environment={}, model_bytes=4 << 30)),
    Case("rocm-mmap", SKIP, "no service computes on ROCm"),
    Case("rocm-mmap", SKIP, "systemctl gives no answer", silent("systemctl show")),
    # 7
    Case("gpu-access", PASS, "user llama may use /dev/dri/renderD128"),
    Case("gpu-access", PASS, "may use /dev/dri/renderD128, /dev/kfd", on_rocm()),
    Case("gpu-access", PASS, "may use", deployed(groups="llama")),
    Case("gpu-access", FAIL, "not in group render", deployed(groups="llama video", unit_groups="video")),
    Case("gpu-access", FAIL, "may not read and write /dev/dri/renderD128", deployed(
        may={"/dev/kfd": 1, "/dev/dri/renderD128": 1})),
    Case("gpu-access", FAIL, "may not read and write /dev/kfd", on_rocm(may={"/dev/kfd": 1, "/dev/dri/renderD128": 0})),
    Case("gpu-access", FAIL, "PrivateDevices=yes", deployed(private="yes")),
    Case("gpu-access", FAIL, "allows no device of DRM", deployed(allows=("char-kfd rw",))),
    Case("gpu-access", FAIL, "does not allow /dev/kfd", on_rocm(allows=("char-drm rw",))),
    Case("gpu-access", FAIL, "there is no user llama", says("id --name --groups -- llama", exit=1)),
    Case("gpu-access", FAIL, "there is no /dev/dri/renderD*", remove("/dev/dri/renderD128")),
    Case("gpu-access", WARN, "not in group video", deployed(groups="llama render", unit_groups="render")),
    Case("gpu-access", SKIP, "there is no user llama", base=BARE),
    Case("gpu-access", SKIP, "setpriv cannot become user llama", silent("setpriv")),
    # 8
    Case("cpu-fallback", PASS, "66 of 66 layers are on the device"),
    Case("cpu-fallback", FAIL, "Vulkan0 is software on the CPU, llvmpipe", deployed(
        lists=("  Vulkan0: llvmpipe (LLVM 20.1.2, 256 bits) (128000 MiB, 120000 MiB free)",))),
    Case("cpu-fallback", FAIL, "lists no device", deployed(lists=())),
    Case("cpu-fallback", FAIL, "has no Vulkan0; it lists ROCm0", deployed(lists=(ROCM,))),
    Case("cpu-fallback", FAIL, "ends --list-devices with exit 127", deployed(lists=(), exit=127)),
    Case("cpu-fallback", FAIL, "0 of 66 layers", deployed(log=("load_tensors: offloaded 0/66 layers to GPU",))),
    Case("cpu-fallback", FAIL, "has no weights on Vulkan0, but on CPU", deployed(weights="CPU")),
    Case("cpu-fallback", FAIL, "no ROCm-capable device is detected", on_rocm(
        log=(*LOADED, "ggml_cuda_init: failed to initialize ROCm: no ROCm-capable device is detected"))),
    Case("cpu-fallback", FAIL, "names /nowhere.json", deployed(environment={"VK_DRIVER_FILES": "/nowhere.json"})),
    Case("cpu-fallback", WARN, "and not RADV", deployed(
        lists=("  Vulkan0: AMD Radeon Graphics (AMD open-source driver) (64000 MiB, 63000 MiB free)",))),
    Case("cpu-fallback", WARN, "12 of 66 layers", deployed(log=("load_tensors: offloaded 12/66 layers to GPU",))),
    Case("cpu-fallback", WARN, "who logs in sees no GPU", base="strix-128gb-carveout-96gb"),
    Case("cpu-fallback", SKIP, "gave no answer in time", deployed(lists=None)),
    Case("cpu-fallback", SKIP, "its log of this run", deployed(log=())),
    Case("cpu-fallback", SKIP, "uses no GPU, as its own arguments say", deployed(device="none")),
    Case("cpu-fallback", SKIP, "no service is deployed", base=BARE),
    # 9
    Case("amdvlk", PASS, "radeon_icd.json"),
    Case("amdvlk", FAIL, "/etc/vulkan/icd.d/amd_icd64.json", write("/etc/vulkan/icd.d/amd_icd64.json", "{}")),
    Case("amdvlk", FAIL, "AMD open-source driver", says(
        "vulkaninfo --summary", "GPU0:", "\tdeviceName = AMD Radeon Graphics",
        "\tdriverName = AMD open-source driver")),
    Case("amdvlk", WARN, "choose RADV by AMD_VULKAN_ICD", both(
        write("/etc/vulkan/icd.d/amd_icd64.json", "{}"), deployed(environment={"AMD_VULKAN_ICD": "RADV"}))),
    Case("amdvlk", WARN, "amdvlk 2025.Q2.1 is installed", packages(amdvlk="2025.Q2.1")),
    Case("amdvlk", SKIP, "no files of Vulkan drivers", base=BARE),
    # 10
    Case("rocm-packages", PASS, "rocminfo 7.1.0-0ubuntu1"),
    Case("rocm-packages", PASS, "rocminfo 1.0.0.70204", both(
        write(AMD_LIST, "deb https://repo.radeon.com/graphics/7.2.1/ubuntu noble main\n"), radeon_pin, policy(
            "1.0.0.70204-93~24.04", "https://repo.radeon.com/graphics/7.2.1/ubuntu noble/main amd64 Packages"),
        packages(rocminfo="1.0.0.70204-93~24.04")), base=BARE),
    Case("rocm-packages", FAIL, "and not from repo.radeon.com", both(
        radeon_source, radeon_pin, policy("5.7.1-3build1", "http://archive.ubuntu.com/ubuntu noble/universe Packages")),
        base=BARE),
    Case("rocm-packages", FAIL, "unsigned", both(
        write(AMD_LIST, f"deb [trusted=yes] {RADEON} noble main\n"), radeon_pin, amd_policy), base=BARE),
    Case("rocm-packages", FAIL, "alone", both(
        radeon_source, radeon_pin, amd_policy, write("/etc/apt/keyrings/rocm.gpg", OTHER_KEY)), base=BARE),
    Case("rocm-packages", SKIP, "rocm.gpg cannot be read", both(
        radeon_source, radeon_pin, amd_policy, packages(rocminfo="1.0.0.70204-93~24.04")), base=BARE),
    Case("rocm-packages", WARN, "nothing pins repo.radeon.com", both(radeon_source, amd_policy), base=BARE),
    Case("rocm-packages", WARN, "has suite noble, this is resolute", both(radeon_source, radeon_pin, amd_policy)),
    Case("rocm-packages", WARN, "several ROCm are installed", both(
        write("/opt/rocm-7.2.4/.info/version", "7.2.4-1\n"), write("/opt/rocm-7.2.1/.info/version", "7.2.1-1\n"))),
    Case("rocm-packages", FAIL, "7.10.0-1: does not work", write("/opt/rocm-7.10.0/.info/version", "7.10.0-1\n")),
    Case("rocm-packages", FAIL, "strix_rocm: found 7.2, which there is not", wanted={"rocm": "7.2"}),
    Case("rocm-packages", SKIP, "apt-cache gives no answer", silent("apt-cache")),
    Case("rocm-packages", SKIP, "no package of ROCm is installed yet", base=BARE),
    Case("rocm-packages", SKIP, "this is no system of apt", remove("/usr/bin/apt-get")),
    # 11
    Case("amdgpu-dkms", PASS, "the driver is the kernel's"),
    Case("amdgpu-dkms", FAIL, "amdgpu-dkms 6.16 is installed", packages(amdgpu_dkms="6.16")),
    Case("amdgpu-dkms", FAIL, "/updates/dkms/amdgpu.ko", both(
        remove("/lib/modules/7.0.0-15-generic/kernel"),
        write("/lib/modules/7.0.0-15-generic/updates/dkms/amdgpu.ko", ""))),
    Case("amdgpu-dkms", FAIL, "amdttm of amdgpu-dkms is loaded", write("/sys/module/amdttm/refcnt", "1\n")),
    Case("amdgpu-dkms", SKIP, "modinfo does not know amdgpu", remove("/lib/modules")),
    # 12
    Case("memory-headroom", PASS, "86% of the memory"),
    Case("memory-headroom", WARN, "freezes the machine", write(f"{GPU}/mem_info_gtt_total", "128849018880\n")),
    Case("memory-headroom", WARN, "ollama (2417)", base="strix-128gb-carveout-96gb"),
    Case("memory-headroom", SKIP, "mem_info_gtt_total cannot be read", remove(f"{GPU}/mem_info_gtt_total")),
    # 13
    Case("device-named", PASS, "-dev Vulkan0"),
    Case("device-named", PASS, "HIP_VISIBLE_DEVICES hides", deployed(
        device="", environment={"HIP_VISIBLE_DEVICES": "-1"})),
    Case("device-named", FAIL, "ROCm and Vulkan take the same GPU twice", deployed(device="")),
    Case("device-named", WARN, "has no -dev", deployed(device="", lists=(RADV,))),
    Case("device-named", SKIP, "no service is deployed", base=BARE),
    # 14
    Case("hsa-override", PASS, "rocminfo sees gfx1151"),
    Case("hsa-override", PASS, "nothing sets another value", base=BARE, wanted={"rocm": "none"}),
    Case("hsa-override", FAIL, f"{UNIT} runs with HSA_OVERRIDE_GFX_VERSION=11.0.0", deployed(
        environment={"HSA_OVERRIDE_GFX_VERSION": "11.0.0"})),
    Case("hsa-override", FAIL, "/etc/systemd/system.conf.d/gpu.conf sets", write(
        "/etc/systemd/system.conf.d/gpu.conf", "[Manager]\nDefaultEnvironment=HSA_OVERRIDE_GFX_VERSION=11.0.0\n")),
    Case("hsa-override", FAIL, "no gfx1151", says("/usr/bin/rocminfo", "  Name:                    gfx1100")),
    Case("hsa-override", FAIL, "rocminfo sees no GPU", says("/usr/bin/rocminfo", "ROCk module is NOT loaded", exit=1)),
    Case("hsa-override", WARN, "for everybody who logs in", write(
        "/etc/environment", "HSA_OVERRIDE_GFX_VERSION=11.0.0\n")),
    Case("hsa-override", SKIP, "rocminfo is not installed", remove("/usr/bin/rocminfo")),
    Case("hsa-override", SKIP, "/usr/bin/rocminfo gives no answer", silent("/usr/bin/rocminfo")),
    # 15
    Case("kernel-arguments", PASS, "live, and configured for the next boot"),
    Case("kernel-arguments", FAIL, "not for the next boot: ttm.pages_limit: absent -> 28311552", replaced(
        GRUB_CFG, " ttm.pages_limit=28311552", "")),
    Case("kernel-arguments", WARN, "neither live nor for the next boot", base=BARE),
    Case("kernel-arguments", WARN, "for the next boot, and not live: amd_iommu: absent -> off", replaced(
        "/proc/cmdline", " amd_iommu=off", "")),
    Case("kernel-arguments", WARN, "ttm.pages_limit in /etc/modprobe.d/ttm.conf: 1 -> absent", write(
        "/etc/modprobe.d/ttm.conf", "options ttm pages_limit=1\n")),
    Case("kernel-arguments", PASS, "live, and configured", write(
        "/etc/modprobe.d/own.conf", "options amdgpu lockup_timeout=10000,60000,10000,10000\n"),
        wanted={"lockup_timeout": "default"}),
    Case("kernel-arguments", SKIP, "grub.cfg cannot be read", both(remove(GRUB_CFG), write(f"{GRUB_CFG}/x", ""))),
    Case("kernel-arguments", SKIP, "no boot loader is known", remove(GRUB_CFG)),
    Case("kernel-arguments", SKIP, "strix_provision: false", wanted={"enabled": False}),
    Case("kernel-arguments", SKIP, "a container", write("/run/systemd/container", "systemd-nspawn\n")),
    # 16
    Case("wrong-logits", PASS, "version: 59 (baed43e)", on_rocm()),
    Case("wrong-logits", WARN, "nobody has held its answers", on_rocm(version="version: 9001 (0123abc)")),
    Case("wrong-logits", SKIP, "does not say its version", on_rocm(version="")),
    Case("wrong-logits", SKIP, "no service computes on ROCm"),
    # 17
    Case("gpu-probe", PASS, "at 84 % of its bandwidth (215 of 256 GB/s)", probed(strix())),
    Case("gpu-probe", PASS, "of a peak that is not known", probed(strix(peak=None))),
    Case("gpu-probe", FAIL, "computes WRONG: small_dual (dual, f16)", probed(strix(right=False))),
    Case("gpu-probe", FAIL, "computes WRONG: small_dual (dual, f16)", write(PROBE, saved(
        run(strix()), run(strix(right=False))))),
    Case("gpu-probe", WARN, "at 59 % of its bandwidth (150 of 256 GB/s): less than 80 %", probed(strix(gbps=150))),
    Case("gpu-probe", WARN, "at 117 % of its bandwidth (300 of 256 GB/s): more than", probed(strix(gbps=300))),
    Case("gpu-probe", SKIP, "has not been run on this box: invoke probe --host strix01"),
    Case("gpu-probe", SKIP, "llvmpipe (LLVM 21.1.8, 256 bits) is software", probed(json.loads(LAVAPIPE))),
    Case("gpu-probe", SKIP, "Linux was 6.18.1, is 7.0.0-15-generic", write(PROBE, saved(
        run(strix(right=False), kernel="6.18.1")))),
    Case("gpu-probe", SKIP, "mesa-vulkan-drivers was 26.0.3-1ubuntu1, is 26.1.0", both(
        probed(strix()), packages(mesa_vulkan_drivers="26.1.0"))),
    Case("gpu-probe", SKIP, "makes no sense: runs.0.result.right", write(PROBE, saved(
        run(strix() | {"right": "yes"})))),
    Case("gpu-probe", SKIP, "makes no sense: the document", write(PROBE, "{")),
    Case("gpu-probe", SKIP, "has no run", write(PROBE, saved())),
    Case("gpu-probe", SKIP, "is larger than", write(PROBE, " " * 300000)),
    # 18
    Case("rocm-memory-in-use", PASS, "ROCm 7.1.0-0ubuntu1, no such line", on_rocm()),
    Case("rocm-memory-in-use", WARN, "Reason: Memory in use", on_rocm(
        log=(*LOADED, "Memory critical error by agent node-0 on address 0x2. Reason: Memory in use."))),
    Case("rocm-memory-in-use", SKIP, "its log of this run cannot be read", on_rocm(log=())),
    Case("rocm-memory-in-use", SKIP, "no service computes on ROCm"),
    # 19
    Case("build-tools", PASS, "cmake, glslc, SPIR-V headers"),
    Case("build-tools", WARN, "would not find ninja-build, glslc, spirv-headers", remove(
        "/usr/bin/ninja", "/usr/bin/glslc", "/usr/include/spirv/unified1/spirv.hpp")),
    Case("build-tools", WARN, "ROCm's hipblas for cmake", remove("/usr/lib/x86_64-linux-gnu/cmake/hipblas")),
    Case("build-tools", WARN, "gcc 16 is there without its C++ headers", write(
        "/usr/lib/gcc/x86_64-linux-gnu/16/x", "")),
    Case("build-tools", WARN, "of memory are available", replaced(
        "/proc/meminfo", "MemAvailable:", "MemAvailable: 9000000 kB\nOther:")),
    Case("build-tools", SKIP, "runtime debian is a package", wanted={"runtime": "debian"}),
    # 20
    Case("speed", PASS, "verified"),
    Case("speed", PASS, "leaves the power profile alone", silent("tuned-adm"), wanted={"tuning": "none"}),
    Case("speed", PASS, "power profile performance", says("powerprofilesctl get", "performance"),
         wanted={"tuning": "power-profiles"}),
    Case("speed", WARN, "the power profile is balanced", says("powerprofilesctl get", "balanced"),
         wanted={"tuning": "power-profiles"}),
    Case("speed", WARN, "tuned is not there", silent("tuned-adm")),
    Case("speed", WARN, "active profile is balanced", says("tuned-adm active", "Current active profile: balanced")),
    Case("speed", WARN, "finds settings that are not so", says("tuned-adm verify --ignore-missing", exit=1)),
    Case("speed", WARN, "the IOMMU is on", write("/sys/kernel/iommu_groups/0/type", "DMA-FQ\n")),
    Case("speed", WARN, "25.0.7-2: older than 25.2.8", packages(mesa_vulkan_drivers="25.0.7-2")),
    Case("speed", SKIP, "tuned-adm verify gives no answer", silent("tuned-adm verify --ignore-missing")),
    Case("speed", SKIP, "strix_provision: false leaves them alone", wanted={"enabled": False}),
    Case("speed", SKIP, "Mesa's version is not known", packages(mesa_vulkan_drivers=None)),
    Case("speed", SKIP, "a container has no power settings", write("/run/systemd/container", "systemd-nspawn\n")),
    # 21
    Case("idle-gpu", PASS, "0 % busy"),
    Case("idle-gpu", WARN, "100 % busy or more", write(f"{GPU}/gpu_busy_percent", "100\n")),
    Case("idle-gpu", WARN, "GPU_MAX_HW_QUEUES=4", on_rocm(environment={**ENVIRONMENT, "GPU_MAX_HW_QUEUES": "4"})),
    Case("idle-gpu", SKIP, "no gpu_busy_percent", remove(f"{GPU}/gpu_busy_percent")),
    Case("idle-gpu", SKIP, "no service runs", deployed(active="failed")),
    Case("idle-gpu", SKIP, "no service is deployed", base=BARE),
    # 22
    Case("sudo-rs", PASS, "needs no password"),
    Case("sudo-rs", PASS, "1.9.15", base=BARE, asked_password=True),
    Case("sudo-rs", WARN, "sudo-rs 0.2.13: it asks", asked_password=True),
    Case("sudo-rs", SKIP, "sudo is not there", silent("sudo")),
    # 23
    Case("ports", PASS, "port 8080: the service"),
    Case("ports", PASS, "port 8080: free", base=BARE),
    Case("ports", FAIL, "taken by ollama (99)", taken_by("ollama", 777, "0::/system.slice/ollama.service\n")),
    Case("ports", FAIL, "is taken, and the service does not run", taken_by("", 777, "")),
    Case("ports", WARN, "runs and does not listen on port 8080", replaced(
        "/proc/net/tcp", ":1F90", ":1F91")),
    Case("ports", SKIP, "/proc/net/tcp cannot be read", remove("/proc/net")),
    Case("ports", SKIP, "only root sees whether", remove("/proc/4711")),
    # 24
    Case("npu", PASS, "gone with the IOMMU, as strix_iommu: off says"),
    Case("npu", PASS, "the NPU is there: accel0", base=BARE),
    Case("npu", WARN, "the NPU is gone", wanted={"iommu": "default"}),
    Case("npu", SKIP, "iommu_groups cannot be read", remove("/sys/kernel/iommu_groups")),
    # 25
    Case("wedged-gpu", PASS, "of GTT in use"),
    Case("wedged-gpu", FAIL, "llama-server (99) waits in the kernel", sleeping("llama-server", "old.service")),
    Case("wedged-gpu", FAIL, "no process has the GPU open", write(f"{GPU}/mem_info_gtt_used", "60000000000\n"),
         base=BARE),
    Case("wedged-gpu", WARN, f"it belongs to {UNIT}", sleeping("llama-server", UNIT)),
    Case("wedged-gpu", PASS, "of GTT in use", sleeping("nfsd (x) D", "nfs.service")),
    Case("wedged-gpu", SKIP, "mem_info_gtt_used cannot be read",
         remove(f"{GPU}/mem_info_gtt_total", f"{GPU}/mem_info_gtt_used")),
    Case("wedged-gpu", SKIP, "/proc has no processes", remove("/proc/1/stat", "/proc/4711/stat")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{case.verdict}-{case.words}")
def test_verdict(case: Case, tmp_path: Path) -> None:
    tree = Tree(case.base, tmp_path)
    case.change(tree)
    wanted = dict(case.wanted)
    runtime = wanted.pop("runtime", None)
    box = host(**wanted)
    box = box.model_copy(update={"runtime": runtime}) if runtime else box
    finding = tree.diagnose(box, asked_password=case.asked_password)[case.check]
    assert finding.verdict is case.verdict, (finding.seen, finding.do)
    assert any(case.words in text for text in finding.seen), finding.seen
    assert bool(finding.do) == (case.verdict in (FAIL, WARN))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_each_verdict_that_a_check_can_give_is_given(check) -> None:
    assert {case.verdict for case in CASES if case.check == check.id} == check.verdicts


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_was_reported_once_warns_at_most(check) -> None:
    assert check.confidence not in UNSURE or FAIL not in check.verdicts


def test_every_check_can_be_skipped() -> None:
    assert all(SKIP in check.verdicts for check in CHECKS)
    assert len(CHECKS) == 25
