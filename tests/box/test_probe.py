"""strix-probe on a box: compiled there, run on lavapipe, which computes on the processor, and caught when it is wrong.

HIP is only compiled: nothing here could run it. tests/native/test_probe.py runs its arithmetic on the processor.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from strixkit.display.probe import SOFTWARE, lines
from strixkit.fleet import verbs
from strixkit.fleet.doctor import examine
from strixkit.runtime.probe import Probe, kept, parse
from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parent.parent.parent
# The box's identity is that of a Strix Halo, so that the doctor has a GPU to speak of. It is SIMULATED.
HARDWARE = ROOT / "strixkit/sandbox/hardware/framework-128gb.json"
PACKAGES = "g++ cmake ninja-build nlohmann-json3-dev libvulkan-dev glslc mesa-vulkan-drivers"
HIP_PACKAGES = "hipcc libamdhip64-dev"
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq"
QUICK = "--device vulkan --shapes small,fast:6x384 --mib 2 --seconds 0"
PROGRAM = "/build/probe/strix-probe"
SECONDS = 600  # apt-get may have to download a hundred MB
KEPT_FILE = "/var/lib/strixkit/probe.json"


def ssh(lab: Lab, command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a shell line as root; output of both streams as text, whatever its exit status."""
    done = subprocess.run(
        ["ssh", *lab.options(), f"root@{lab.box.address}", command],
        input=stdin,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def must(lab: Lab, command: str, stdin: bytes = b"") -> str:
    done = ssh(lab, command, stdin)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def sources() -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(ROOT / "native", arcname="native")
    return packed.getvalue()


def configure(lab: Lab, *options: str) -> None:
    must(lab, f"cmake -S /native -B /build -G Ninja {' '.join(options)} && cmake --build /build --target strix-probe")


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1, HARDWARE)
    found = Lab(box, client, tiny_model)
    must(found, f"apt-get update -qq && {INSTALL} {PACKAGES}")
    must(found, "tar -x -C /", sources())
    configure(found, "-DSTRIX_PROBE_VULKAN=ON", "-DSTRIX_PROBE_HIP=OFF")
    return found


def probe(lab: Lab, *words: str, status: int) -> Probe:
    done = ssh(lab, f"{PROGRAM} {QUICK} --json {' '.join(words)}")
    assert done.returncode == status, (done.stdout, done.stderr)
    return parse(done.stdout)


def test_lavapipe_is_listed_as_software(lab: Lab) -> None:
    assert "llvmpipe" in must(lab, f"{PROGRAM} --list")
    [device] = json.loads(must(lab, f"{PROGRAM} --list --json --device vulkan"))["devices"]
    assert device["software"] is True
    assert "llvmpipe" in device["name"]


def test_the_shaders_compute_right(lab: Lab) -> None:
    found = probe(lab, status=0)
    assert found.right
    assert found.device.software
    assert found.device.backend == "vulkan"
    assert found.peak is None
    assert len(found.matvec) == 4 + 2 * 3
    # Something was computed: no result of random floats is exact in every row.
    assert all(item.absolute_error for item in found.matvec if item.input == "f32")
    assert SOFTWARE in lines("box", found)[1]
    text = must(lab, f"{PROGRAM} {QUICK}")
    assert "SOFTWARE: not a GPU" in text
    assert "this software device (not a GPU) computes right" in text
    assert "of its bandwidth" not in text


def test_a_matrix_larger_than_a_shader_may_bind_is_cut(lab: Lab) -> None:
    """lavapipe binds 128 MiB at most."""
    words = "--device vulkan --shapes fast:60001x5120 --mib 1 --seconds 0 --json"
    found = parse(must(lab, f"{PROGRAM} {words}"))
    assert max(item.bytes for item in found.matvec) > 128 << 20
    assert found.right


@pytest.mark.parametrize(("fault", "wrong"), [("nibbles", {"scale_bytes", "small_fast"}), ("weights", {"small_fast"})])
def test_a_planted_fault_is_found(lab: Lab, fault: str, wrong: set[str]) -> None:
    found = probe(lab, "--fault", fault, status=1)
    assert not found.right
    assert wrong <= {item.name for item in found.matvec if not item.right}
    text = ssh(lab, f"{PROGRAM} {QUICK} --fault {fault}")
    assert text.returncode == 1
    assert text.stdout.splitlines()[-1].startswith("WRONG: ")


def test_a_percentage_is_of_what_the_user_says(lab: Lab) -> None:
    found = probe(lab, "--peak 1000", status=0)
    assert found.peak is not None
    assert found.read.percent == pytest.approx(found.read.gbps / 10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--device vulkan --index 7", "no such device"),
        ("--device hip", "this build has vulkan, cpu"),
        ("--shapes fast:8x100", "a multiple of 128 columns"),
        ("--fault 1", "wanted nibbles or weights"),
    ],
)
def test_usage(lab: Lab, words: str, said: str) -> None:
    done = ssh(lab, f"{PROGRAM} {words}")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_without_a_driver_there_is_no_device(lab: Lab) -> None:
    done = ssh(lab, f"VK_DRIVER_FILES=/nowhere.json {PROGRAM} {QUICK}")
    assert done.returncode == 2
    assert "no Vulkan driver" in done.stderr


def test_the_doctor_takes_no_software_for_the_gpu(lab: Lab) -> None:
    [before] = examine([lab.host()], verbs.Access())
    found = {item.id: item for item in before.findings}["gpu-probe"]
    assert found.seen == (f"strix-probe has not been run on this box: invoke probe --host {lab.box.name}",)
    run = kept(None, probe(lab, status=0), at=0, kernel="any", packages={})
    must(lab, f"mkdir -p /var/lib/strixkit && cat > {KEPT_FILE}", json.dumps(run).encode())
    try:
        [after] = examine([lab.host()], verbs.Access())
    finally:
        must(lab, f"rm {KEPT_FILE}")
    found = {item.id: item for item in after.findings}["gpu-probe"]
    assert "is software on the processor, and says nothing of the GPU" in found.seen[0]


def test_it_builds_from_compiled_shaders(lab: Lab) -> None:
    """For a machine without glslc."""
    must(lab, "rm -rf /spirv && cp -r /build/probe/spirv /spirv")
    configure(lab, "-DSTRIX_PROBE_SPIRV_DIR=/spirv", "-DGLSLC=GLSLC-NOTFOUND")
    assert probe(lab, status=0).right
    must(lab, "truncate -s 0 /spirv/read.spv")
    done = ssh(lab, "cmake --build /build --target strix-probe")
    assert done.returncode != 0
    assert "/spirv/read.spv is not SPIR-V" in done.stdout + done.stderr
    configure(lab, "-DSTRIX_PROBE_SPIRV_DIR=", "-DGLSLC=/usr/bin/glslc")


def bundled(data: bytes) -> dict[str, bytes]:
    """Code objects by target (clang.llvm.org/docs/ClangOffloadBundler.html: Bundled Binary File Layout)."""
    magic = b"__CLANG_OFFLOAD_BUNDLE__"
    assert data.startswith(magic)
    (count,) = struct.unpack_from("<Q", data, len(magic))
    place, found = len(magic) + 8, {}
    for _ in range(count):
        offset, size, length = struct.unpack_from("<3Q", data, place)
        name = data[place + 24 : place + 24 + length].decode()
        found[name] = data[offset : offset + size]
        place += 24 + length
    return found


def test_hip_compiles_to_a_code_object_of_gfx1151(lab: Lab) -> None:
    must(lab, f"{INSTALL} {HIP_PACKAGES}")
    configure(lab, "-DSTRIX_PROBE_HIP=ON")
    must(lab, "objcopy -O binary --only-section=.hip_fatbin /build/probe/hip_device.o /fat")
    images = bundled(base64.b64decode(must(lab, "base64 /fat")))
    assert [name for name, image in images.items() if image] == ["hipv4-amdgcn-amd-amdhsa--gfx1151"]
    must(lab, "cat > /code", images["hipv4-amdgcn-amd-amdhsa--gfx1151"])
    assert re.search(r"Machine: +AMD GPU", must(lab, "readelf --file-header /code"))
    assert re.search(r"Flags:.*gfx1151", must(lab, "readelf --file-header /code"))
    kernels = set(re.findall(r"(?:fill|read|copy|matvec)_kernel", must(lab, "readelf --wide --symbols /code")))
    assert kernels == {"fill_kernel", "read_kernel", "copy_kernel", "matvec_kernel"}
    # It starts, finds no GPU and says so; the other backends are there as before.
    done = ssh(lab, f"{PROGRAM} --device hip")
    assert done.returncode == 2
    assert "no such device" in done.stderr
    assert probe(lab, status=0).right
