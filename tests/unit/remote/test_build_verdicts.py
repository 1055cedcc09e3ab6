"""What is read of a build without running it, and what is made of its words (tests/box/test_build_result.py runs)."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from strixkit.remote.agent.build import collect, devices, elf, folders, libraries, unpack
from strixkit.remote.agent.build.errors import BuildError

FORK = "version: 59 (baed43e)\nbuilt with GNU 12.2.0 for Linux x86_64\n"
DEBIAN = "version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU 16.2.0 for Linux x86_64\n"
UPSTREAM = "version: 0.6.0-dev (build 0, commit b1a2c3d4)\n"
LISTED = """ggml_vulkan: Found 2 Vulkan devices:
Available devices:
  Vulkan0: AMD Radeon Graphics (RADV GFX1151) (98304 MiB, 97000 MiB free)
  Vulkan1: llvmpipe (LLVM 19.1.7, 256 bits) (15979 MiB, 15979 MiB free)
  ROCm0: AMD Radeon Graphics (98304 MiB, 97000 MiB free)
"""
OWN = {"llama-server", "libllama.so.0"}


@pytest.mark.parametrize(
    ("text", "commit", "named"),
    [
        (FORK, "baed43ed9914b4f855afbeb2faec0b97cf0eace0", ""),
        (UPSTREAM, "b1a2c3d4" + "0" * 32, ""),
        (FORK, "caed43ed9914b4f855afbeb2faec0b97cf0eace0", "--version names baed43e, wanted commit caed43ed9914"),
        (DEBIAN, "baed43ed9914", "--version names no commit (0.7.0 (build 11669, commit Debian)), wanted commit baed"),
        ("version: 0 (unknown)\n", "baed43ed9914", "no commit (0 (unknown))"),
        ("Segmentation fault", "baed43ed9914", "--version names no version: Segmentation fault"),
    ],
)
def test_the_version_names_the_commit(text: str, commit: str, named: str) -> None:
    if not named:
        devices.check_commit(text, commit)
        return
    with pytest.raises(BuildError) as raised:
        devices.check_commit(text, commit)
    assert named in str(raised.value)


def test_devices_are_read_by_name() -> None:
    found = devices.listed(LISTED)
    assert list(found) == ["Vulkan0", "Vulkan1", "ROCm0"]
    assert found["Vulkan0"].startswith("AMD Radeon Graphics (RADV GFX1151)")
    assert devices.listed("Available devices:\n  (none)\n") == {}


@pytest.mark.parametrize(
    ("wanted", "software", "said"),
    [
        (["Vulkan0", "ROCm0"], False, []),
        (["Vulkan1"], True, ["Vulkan1"]),
        (["Vulkan1"], False, "Vulkan1 computes on the CPU and is no GPU (llvmpipe"),
        (["ROCm1"], True, "--list-devices shows no ROCm1, the service's user sees: ROCm0: AMD"),
    ],
)
def test_software_is_no_gpu(wanted: list[str], software: bool, said: list[str] | str) -> None:
    if isinstance(said, list):
        assert devices.check_devices(devices.listed(LISTED), wanted, software) == said
        return
    with pytest.raises(BuildError) as raised:
        devices.check_devices(devices.listed(LISTED), wanted, software)
    assert said in str(raised.value)


def test_a_real_program_is_read_as_readelf_reads_it() -> None:
    path = Path(sys.executable).resolve()
    with path.open("rb") as handle:
        found = elf.linking(handle)
    try:
        shown = subprocess.run(["readelf", "-dW", str(path)], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("no readelf here (package binutils)")
    needed = [line.rsplit("[", 1)[1][:-1] for line in shown.splitlines() if "(NEEDED)" in line]
    assert found.dynamic
    assert found.needed == needed
    assert (found.runpath is None) == ("(RUNPATH)" not in shown)


def test_a_broken_program_is_told_at_once() -> None:
    """Every beginning of a real file, and every byte of its headers with another value: no error of another kind."""
    path = Path(sys.executable).resolve()
    with path.open("rb") as handle:
        start = handle.read(2048)
    for size in range(0, len(start), 7):
        with pytest.raises(elf.ElfError):
            elf.linking(io.BytesIO(start[:size]))
    for place in range(16, 64 + 56 * 12):
        for value in (0, 0xFF, 0x7F):
            changed = start[:place] + bytes([value]) + start[place + 1 :]
            with contextlib.suppress(elf.ElfError):  # some bytes say nothing of libraries
                elf.linking(io.BytesIO(changed))
    many = start[:56] + struct.pack("<H", 0xFFFF) + start[58:]
    with pytest.raises(elf.ElfError, match="65535 program headers"):
        elf.linking(io.BytesIO(many))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (elf.Linking(True, ["libllama.so.0"], "$ORIGIN", None), ""),
        (elf.Linking(True, ["libc.so.6"], None, None), ""),
        (elf.Linking(True, ["libllama.so.0"], None, None), "has the RUNPATH None, wanted $ORIGIN"),
        (elf.Linking(True, ["libc.so.6"], "/build/bin:", None), "has the RUNPATH '/build/bin:'"),
        (elf.Linking(True, ["libc.so.6"], "$ORIGIN:", None), "has the RUNPATH '$ORIGIN:'"),
        (elf.Linking(True, ["libc.so.6"], "$ORIGIN", "$ORIGIN"), "has the RPATH '$ORIGIN'"),
        (elf.Linking(True, ["./libx.so"], "$ORIGIN", None), "needs the library './libx.so' by its path"),
    ],
)
def test_libraries_are_looked_for_beside_the_program(found: elf.Linking, words: str) -> None:
    if not words:
        libraries.check_linking("llama-server", found, OWN)
        return
    with pytest.raises(BuildError) as raised:
        libraries.check_linking("llama-server", found, OWN)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("\tlibllama.so.0 => /b/x/libllama.so.0 (0x00007f0000000000)", ""),
        ("\tlinux-vdso.so.1 (0x00007ffd00000000)", ""),
        ("\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0000000000)", ""),
        (
            "\tlibllama.so.0 => /usr/lib/libllama.so.0 (0x00007f0000000000)",
            "from /usr/lib/libllama.so.0, wanted the one",
        ),
        ("\tlibrocblas.so.4 => not found", "needs librocblas.so.4, which the loader does not find"),
        ("\tlibomp.so => ./libomp.so (0x00007f0000000000)", "from the current directory"),
        ("\tlibomp.so => /w/build/bin/libomp.so (0x00007f0000000000)", "from the tree where it was built"),
    ],
)
def test_what_is_loaded_from_where(line: str, words: str) -> None:
    if not words:
        libraries.check_found("llama-server", line + "\n", "/b/x", OWN, "/w/build")
        return
    with pytest.raises(BuildError) as raised:
        libraries.check_found("llama-server", line + "\n", "/b/x", OWN, "/w/build")
    assert words in str(raised.value)


def test_only_programs_and_libraries_are_taken() -> None:
    found = [
        "llama-server",
        "test-opt",
        "libllama.so",
        "libllama.so.0",
        "notes.txt",
        "lib x.so",
        "libggml-hip.so.0.11.1",
    ]
    wanted = ["libggml-hip.so.0.11.1", "libllama.so", "libllama.so.0", "llama-server"]
    assert collect.wanted(found, ["llama-server"], "/w/bin") == wanted
    with pytest.raises(BuildError, match=r"did not make llama-imatrix \(wanted in /w/bin\)"):
        collect.wanted(found, ["llama-server", "llama-imatrix"], "/w/bin")


@pytest.mark.parametrize("name", ["../x", ".new-x", "", "a/b", "x" * 129, None, "a\n"])
def test_an_id_is_a_plain_name(name: object) -> None:
    with pytest.raises(BuildError, match="is no id of a build"):
        folders.checked(name)
    assert folders.checked("rocmfp4-baed43ed9914-0123456789ab") == "rocmfp4-baed43ed9914-0123456789ab"


@pytest.mark.parametrize("built", ["", "x", "9999-01-01T00:00:00Z", "2026-01-01T00:00:00Z" * 1000, None, ["2026"]])
def test_what_another_boxs_record_claims_is_not_taken_over(built: object) -> None:
    """It decides which build is the newest, and is in every answer of the facts from then on."""
    record = {"built": built, "seconds": "7", "jobs": 10**30, "host": "x" * 1000}
    assert unpack.made_there(record, "strix01") == {"host": "strix01", "pushed_from": "strix01"}


def test_when_and_how_long_it_was_built_is_taken_over() -> None:
    record = {"built": "2026-01-01T00:00:00Z", "seconds": 7.5, "jobs": 4}
    assert unpack.made_there(record, "strix01") == {**record, "host": "strix01", "pushed_from": "strix01"}
