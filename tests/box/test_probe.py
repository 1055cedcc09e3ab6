"""`invoke probe` on a box: built there, run on lavapipe, which computes on the processor, and caught when it is wrong.

HIP is only compiled: nothing here could run it. tests/native/test_probe.py runs its arithmetic on the processor.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from strixkit.display.probe import SOFTWARE, lines
from strixkit.engine.events import Event
from strixkit.fleet import probe as probes
from strixkit.fleet import verbs
from strixkit.fleet.doctor import examine
from strixkit.host.native import NAME
from strixkit.runtime.probe import Probe, parse, parse_saved
from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parent.parent.parent
# The box's identity is that of a Strix Halo, so that the doctor has a GPU to speak of. It is SIMULATED.
HARDWARE = ROOT / "strixkit/sandbox/hardware/framework-128gb.json"
QUICK = "--device vulkan --shapes small,fast:6x384 --mib 2 --seconds 0"
SECONDS = 600  # apt-get may have to download a hundred MB
HIP_PACKAGES = "hipcc libamdhip64-dev"
KEPT_FILE = "/var/lib/strixkit/probe.json"


@dataclass(frozen=True)
class Place:
    """A box on which `invoke probe` was run once, what it found, and the folder of what it has built."""

    lab: Lab
    probed: probes.Probed
    result: str

    @property
    def program(self) -> str:
        """strix-probe on the box."""
        return f"{self.result}/strix-probe"


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


def invoke_probe(lab: Lab, backend: str) -> tuple[probes.Probed, tuple[Event, ...]]:
    events: list[Event] = []
    found = probes.probe(lab.host(), verbs.Access(), events.append, backend=backend, acceptance=0.9)
    return found, tuple(events)


@pytest.fixture(scope="module")
def place(boxes, client: Path, tiny_model: Path) -> Place:
    [box] = boxes(1, HARDWARE)
    lab = Lab(box, client, tiny_model)
    must(lab, "apt-get update -qq")
    probed, _ = invoke_probe(lab, "vulkan")
    [result] = must(lab, f"ls -d /var/lib/strixkit/builds/{NAME}-*").split()
    return Place(lab, probed, result)


def probe(place: Place, *words: str, status: int) -> Probe:
    done = ssh(place.lab, f"{place.program} {QUICK} --json {' '.join(words)}")
    assert done.returncode == status, (done.stdout, done.stderr)
    return parse(done.stdout)


def test_the_verb_measures_and_keeps_it(place: Place) -> None:
    found = place.probed.probe
    assert found.right
    assert found.device.backend == "vulkan"
    assert found.device.software
    assert "llvmpipe" in found.device.name
    saved = parse_saved(must(place.lab, f"cat {KEPT_FILE}"))
    assert [run.result for run in saved.runs] == [found]
    assert "mesa-vulkan-drivers" in saved.runs[0].drivers
    assert saved.runs[0].kernel == found.kernel
    assert SOFTWARE in "\n".join(lines(place.lab.box.name, found, place.probed.decoding))


def test_a_second_backend_is_measured_without_a_second_build(place: Place) -> None:
    built = must(place.lab, f"stat -c %i:%Y {place.program}")
    found, events = invoke_probe(place.lab, "cpu")
    assert found.probe.device.backend == "cpu"
    assert must(place.lab, f"stat -c %i:%Y {place.program}") == built
    assert not [event for event in events if event.kind == "reached"]
    saved = parse_saved(must(place.lab, f"cat {KEPT_FILE}"))
    assert [run.result.device.backend for run in saved.runs] == ["vulkan", "cpu"]


def test_lavapipe_is_listed_as_software(place: Place) -> None:
    assert "llvmpipe" in must(place.lab, f"{place.program} --list")
    [device] = json.loads(must(place.lab, f"{place.program} --list --json --device vulkan"))["devices"]
    assert device["software"] is True
    assert "llvmpipe" in device["name"]


def test_the_shaders_compute_right(place: Place) -> None:
    found = probe(place, status=0)
    assert found.right
    assert found.device.software
    assert found.device.backend == "vulkan"
    assert found.peak is None
    assert len(found.matvec) == 4 + 2 * 3
    # Something was computed: no result of random floats is exact in every row.
    assert all(item.absolute_error for item in found.matvec if item.input == "f32")
    assert SOFTWARE in lines("box", found)[1]
    text = must(place.lab, f"{place.program} {QUICK}")
    assert "SOFTWARE: not a GPU" in text
    assert "this software device (not a GPU) computes right" in text
    assert "of its bandwidth" not in text


def test_a_matrix_larger_than_a_shader_may_bind_is_cut(place: Place) -> None:
    """lavapipe binds 128 MiB at most."""
    words = "--device vulkan --shapes fast:60001x5120 --mib 1 --seconds 0 --json"
    found = parse(must(place.lab, f"{place.program} {words}"))
    assert max(item.bytes for item in found.matvec) > 128 << 20
    assert found.right


@pytest.mark.parametrize(("fault", "wrong"), [("nibbles", {"scale_bytes", "small_fast"}), ("weights", {"small_fast"})])
def test_a_planted_fault_is_found(place: Place, fault: str, wrong: set[str]) -> None:
    found = probe(place, "--fault", fault, status=1)
    assert not found.right
    assert wrong <= {item.name for item in found.matvec if not item.right}
    text = ssh(place.lab, f"{place.program} {QUICK} --fault {fault}")
    assert text.returncode == 1
    assert text.stdout.splitlines()[-1].startswith("WRONG: ")


def test_a_percentage_is_of_what_the_user_says(place: Place) -> None:
    found = probe(place, "--peak 1000", status=0)
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
def test_usage(place: Place, words: str, said: str) -> None:
    done = ssh(place.lab, f"{place.program} {words}")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_without_a_driver_there_is_no_device(place: Place) -> None:
    done = ssh(place.lab, f"VK_DRIVER_FILES=/nowhere.json {place.program} {QUICK}")
    assert done.returncode == 2
    assert "no Vulkan driver" in done.stderr


def test_the_doctor_takes_no_software_for_the_gpu(place: Place) -> None:
    [after] = examine([place.lab.host()], verbs.Access())
    found = {item.id: item for item in after.findings}["gpu-probe"]
    assert "is software on the processor, and says nothing of the GPU" in found.seen[0]
    must(place.lab, f"mv {KEPT_FILE} /kept")
    try:
        [before] = examine([place.lab.host()], verbs.Access())
    finally:
        must(place.lab, f"mv /kept {KEPT_FILE}")
    found = {item.id: item for item in before.findings}["gpu-probe"]
    name = place.lab.box.name
    assert found.seen == (f"strix-probe has not been run on this box: invoke probe --host {name}",)


def sources(place: Place) -> None:
    """native/ as it is here, at /native."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(ROOT / "native", arcname="native")
    must(place.lab, "rm -rf /native && tar -x -C /", packed.getvalue())


def test_compiled_shaders_are_taken_as_they_are(place: Place) -> None:
    """For a machine without glslc."""
    sources(place)
    configure = "cmake -S /native -G Ninja -DSTRIX_PROBE_VULKAN=ON -DSTRIX_PROBE_HIP=OFF"
    must(
        place.lab, f"{configure} -B /compiled && ninja -C /compiled probe/shaders.cpp && cp -r /compiled/probe/spirv /"
    )
    must(place.lab, f"{configure} -B /from-spirv -DSTRIX_PROBE_SPIRV_DIR=/spirv -DGLSLC=GLSLC-NOTFOUND")
    must(place.lab, "ninja -C /from-spirv probe/shaders.cpp")
    must(place.lab, "cmp /from-spirv/probe/shaders.cpp /compiled/probe/shaders.cpp")
    must(place.lab, "truncate -s 0 /spirv/read.spv")
    done = ssh(place.lab, "ninja -C /from-spirv probe/shaders.cpp")
    assert done.returncode != 0
    assert "/spirv/read.spv is not SPIR-V" in done.stdout + done.stderr


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


@pytest.mark.nightly  # hipcc and its LLVM take minutes to install
def test_hip_compiles_to_a_code_object_of_gfx1151(place: Place) -> None:
    lab = place.lab
    must(lab, f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq {HIP_PACKAGES}")
    sources(place)
    configure = "cmake -S /native -B /with-hip -G Ninja -DSTRIX_PROBE_HIP=ON -DSTRIX_PROBE_VULKAN=ON -DSTRIX_WERROR=ON"
    must(lab, f"{configure} && cmake --build /with-hip --target strix-probe")
    program = "/with-hip/probe/strix-probe"
    must(lab, "objcopy -O binary --only-section=.hip_fatbin /with-hip/probe/hip_device.o /fat")
    images = bundled(base64.b64decode(must(lab, "base64 /fat")))
    assert [name for name, image in images.items() if image] == ["hipv4-amdgcn-amd-amdhsa--gfx1151"]
    must(lab, "cat > /code", images["hipv4-amdgcn-amd-amdhsa--gfx1151"])
    assert re.search(r"Machine: +AMD GPU", must(lab, "readelf --file-header /code"))
    assert re.search(r"Flags:.*gfx1151", must(lab, "readelf --file-header /code"))
    kernels = set(re.findall(r"(?:fill|read|copy|matvec)_kernel", must(lab, "readelf --wide --symbols /code")))
    assert kernels == {"fill_kernel", "read_kernel", "copy_kernel", "matvec_kernel"}
    # It starts, finds no GPU and says so; the other backends are there as before.
    done = ssh(lab, f"{program} --device hip")
    assert done.returncode == 2
    assert "no such device" in done.stderr
    assert parse(must(lab, f"{program} {QUICK} --json")).right
