"""strix-probe on the processor, and the arithmetic of its HIP kernel run there; on Vulkan: tests/box/test_probe.py."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from strixkit.runtime.probe import Probe, parse
from tests.native.build import build
from tests.native.conftest import RELEASE

QUICK = ("--device", "cpu", "--shapes", "small,dual:5x128", "--mib", "1", "--seconds", "0")


@pytest.fixture(scope="session")
def folder(tools: Path) -> Path:
    """The build folder with strix-probe and its unit tests."""
    return build("release", RELEASE, ["strix-probe", "strix-probe-tests"]) / "probe"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "strix-probe", *words], capture_output=True, text=True, check=False)


def probe(folder: Path, *words: str, status: int = 0) -> Probe:
    done = run(folder, *QUICK, "--json", *words)
    assert (done.returncode, done.stderr) == (status, "")
    return parse(done.stdout)


def test_unit_tests(folder: Path) -> None:
    done = subprocess.run(
        ["ctest", "--test-dir", folder, "--output-on-failure"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]


def test_unit_tests_with_sanitizers(fuzzers: Path) -> None:
    """They run the HIP kernel's arithmetic lane by lane, on a buffer as large as the device's."""
    subprocess.run(
        ["cmake", "--build", fuzzers, "--target", "strix-probe-tests"], stdout=subprocess.DEVNULL, check=True
    )
    program = fuzzers / "probe/tests/strix-probe-tests"
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]


def test_the_processor_computes_right_and_is_named_as_software(folder: Path) -> None:
    found = probe(folder)
    assert found.right
    assert found.device.software
    assert found.peak is None
    assert found.weights_gbps is not None
    text = run(folder, *QUICK)
    assert text.returncode == 0
    assert "SOFTWARE: not a GPU" in text.stdout
    assert text.stdout.splitlines()[-1].startswith("this software device (not a GPU) computes right; it reads ")


def test_a_damaged_matrix_is_wrong(folder: Path) -> None:
    found = probe(folder, "--fault", "weights", status=1)
    assert not found.right
    assert {item.name for item in found.matvec if not item.right} >= {"small_fast", "small_dual", "dual:5x128"}
    assert all(item.right for item in found.bandwidth)
    assert run(folder, *QUICK, "--fault", "weights").stdout.splitlines()[-1].startswith("WRONG: ")


def test_a_percentage_is_only_of_what_the_user_says(folder: Path) -> None:
    assert probe(folder).read.percent is None
    found = probe(folder, "--peak", "100")
    assert found.read.percent == pytest.approx(found.read.gbps)
    assert "of its bandwidth: it reads" in found.verdict


def test_the_list_is_json_too(folder: Path) -> None:
    done = run(folder, "--list", "--json", "--device", "cpu")
    assert done.returncode == 0
    [device] = json.loads(done.stdout)["devices"]
    assert (device["backend"], device["index"], device["software"]) == ("cpu", 0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "cuda"), "this build has"),
        (("--device", "cpu", "--index", "1"), "no such device"),
        (("--shapes", "fast:8x100"), "a multiple of 128 columns"),
        (("--seconds", "-1"), "wanted a number from"),
        (("--mib",), "its value is missing"),
        (("--fault", "nibbles", *QUICK), "no kernel with wrong nibbles"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = run(folder, *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_help_names_what_there_is(folder: Path) -> None:
    done = run(folder, "--help")
    assert done.returncode == 0
    for word in ("--device", "ffn_gate_up", "Exit: 0 computes right, 1 computes wrong, 2 usage"):
        assert word in done.stdout
