"""strix-verify on real files, on files of the gguf package, and on damaged ones."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import gguf
import numpy
import pytest

from strixkit.planner.gguf import TYPES, read_header
from tests.native.conftest import Verify
from tests.native.gguf_bytes import TINY, aligned, architecture, bytes_of, head, info, key, text, whole_file

TINY_HEADER = read_header(TINY.read_bytes())
NAMES = {kind.name: type_id for type_id, kind in TYPES.items()}
# The types with a bad value that is checked: bytes, at which offset of the block.
NAN_F16, NAN_F32 = b"\x01\x7c", b"\x00\x00\xc0\xff"
BAD = {
    "f32": (NAN_F32, 0), "f16": (NAN_F16, 0), "bf16": (b"\x80\xff", 0), "f64": (b"\0\0\0\0\0\0\xf0\x7f", 0),
    "q4_0": (NAN_F16, 0), "q4_1": (NAN_F16, 2), "q5_0": (NAN_F16, 0), "q5_1": (NAN_F16, 2), "q8_0": (NAN_F16, 0),
    "q2_k": (NAN_F16, 82), "q3_k": (NAN_F16, 108), "q4_k": (NAN_F16, 2), "q5_k": (NAN_F16, 0), "q6_k": (NAN_F16, 208),
    "iq2_xxs": (NAN_F16, 0), "iq2_xs": (NAN_F16, 0), "iq3_xxs": (NAN_F16, 0), "iq1_s": (NAN_F16, 0),
    "iq4_nl": (NAN_F16, 0), "iq3_s": (NAN_F16, 0), "iq2_s": (NAN_F16, 0), "iq4_xs": (NAN_F16, 0),
    "tq1_0": (NAN_F16, 52), "tq2_0": (NAN_F16, 64), "mxfp4": (b"\xff", 0), "q1_0": (NAN_F16, 0), "q2_0": (NAN_F16, 0),
    "q4_0_rocmfp4": (b"\x7f", 17), "q4_0_rocmfp4_fast": (b"\x80", 16), "q6_0_rocmfpx": (b"\xff", 24),
    "q8_0_rocmfpx": (b"\x7f", 32), "q3_0_rocmfpx": (b"\x7f", 13),
}  # fmt: skip


def test_the_real_file(verify: Verify) -> None:
    file = verify(TINY)
    assert (file["verdict"], file["faults"], file["not_checked"], file["notes"]) == ("good", [], [], [])
    assert (file["size"], file["architecture"], file["file_type"]) == (3499776, "qwen35", 105)
    assert (file["keys"], file["data_offset"], file["alignment"]) == (32, 13248, 32)
    assert {total["type"]: total["tensors"] for total in file["totals"]} == {
        "q4_0_rocmfp4_fast": 59, "q4_0_rocmfp4": 12, "f16": 1, "f32": 52
    }  # fmt: skip
    assert {total["type"]: total["bits_per_weight"] for total in file["totals"]} == {
        "q4_0_rocmfp4_fast": 4.25, "q4_0_rocmfp4": 4.5, "f16": 16, "f32": 32
    }  # fmt: skip
    checked = {entry["type"]: entry["bytes"] for entry in file["checked"]}
    assert checked == {total["type"]: total["bytes"] for total in file["totals"]}
    assert file["parameters"] == sum(total["weights"] for total in file["totals"])


def test_for_people(program: Path) -> None:
    done = subprocess.run([program, TINY], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{TINY}: good\n")
    assert "4.2500  the scale bytes of every block" in done.stdout


@pytest.mark.parametrize("threads", ["1", "2", "7"])
@pytest.mark.parametrize("type_id", [100, 101])
def test_one_bad_scale_byte_in_the_real_file(verify: Verify, tmp_path: Path, type_id: int, threads: str) -> None:
    kind = TYPES[type_id]
    tensor = max((t for t in TINY_HEADER.tensors if t.type_id == type_id), key=lambda t: t.nbytes)
    block = tensor.nbytes // kind.size - 3
    byte = TINY_HEADER.data_offset + tensor.offset + block * kind.size + 16
    data = bytearray(TINY.read_bytes())
    data[byte] = 0x7F
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data)
    file = verify(path, "--threads", threads)
    expected = {"tensor": tensor.name, "index": block, "byte": byte, "count": 1, "what": "invalid scale byte"}
    assert (file["verdict"], file["faults"]) == ("bad", [expected])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_of_every_type_that_is_checked(verify: Verify, tmp_path: Path, name: str) -> None:
    type_id = NAMES[name]
    kind = TYPES[type_id]
    data = bytearray(whole_file([architecture("x")], [("before", (8,), 0), ("it", (kind.block * 3, 5), type_id)]))
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    assert verify(path)["verdict"] == "good"
    bad, place = BAD[name]
    start = len(data) - aligned(bytes_of((kind.block * 3, 5), type_id)) + 14 * kind.size + place
    data[start : start + len(bad)] = bad
    path.write_bytes(data)
    file = verify(path)
    assert [(fault["tensor"], fault["index"], fault["byte"]) for fault in file["faults"]] == [("it", 14, start)]


def test_every_type_is_either_checked_or_said_not_to_be(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole_file([], [(kind.name, (kind.block,), type_id) for type_id, kind in TYPES.items()]))
    file = verify(path)
    assert file["verdict"] == "good"
    assert {entry["type"] for entry in file["checked"]} == set(BAD)
    assert {entry["type"] for entry in file["not_checked"]} == set(NAMES) - set(BAD)


def test_a_file_of_the_gguf_package(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(7)
    writer.add_array("words", ["a", "bc"])
    values = numpy.linspace(-1, 1, 64 * 3, dtype=numpy.float32).reshape(3, 64)
    writer.add_tensor("one", values)
    writer.add_tensor("two", values.astype(numpy.float16))
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("three", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = verify(path)
    assert (file["verdict"], file["architecture"], file["file_type"]) == ("good", "llama", 7)
    assert [(t["name"], t["type"], t["shape"]) for t in file["tensors"]] == [
        ("one", "f32", [64, 3]), ("two", "f16", [64, 3]), ("three", "q8_0", [64, 3])
    ]  # fmt: skip


def test_types_of_other_forks(verify: Verify, tmp_path: Path) -> None:
    infos = info("a", (64,), 108, 0) + info("b", (32,), 100, 96) + info("c", (64,), 300, 128)
    start = aligned(len(head(3, 0) + infos))
    path = tmp_path / "fork.gguf"
    path.write_bytes((head(3, 0) + infos).ljust(start, b"\0") + bytes(128 + 40))
    file = verify(path)
    assert file["verdict"] == "good"
    tensors = [(t["name"], t["type"], t["type_id"], t["bytes"]) for t in file["tensors"]]
    expected = [("a", "unknown-108", 108, 96), ("b", "q4_0_rocmfp4", 100, 18), ("c", "unknown-300", 300, 40)]
    assert tensors == expected
    assert {entry["type"] for entry in file["not_checked"]} == {"unknown-108", "unknown-300"}
    assert "a cut at its end is not seen" in file["notes"][0]


def test_a_truncated_file(verify: Verify, program: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(TINY.read_bytes()[:3_000_000])
    file = verify(path)
    (fault,) = file["faults"]
    assert (file["verdict"], fault["byte"]) == ("bad", 3_000_000)
    assert "truncated: it has 3000000 bytes, its tensors need 3499776" in fault["what"]
    assert "not all in the file and were not looked at" in file["notes"][0]
    checked = sum(entry["bytes"] for entry in file["checked"])
    assert checked < 3_000_000
    said = subprocess.run([program, path], capture_output=True, text=True, check=False).stdout
    only = re.findall(r"the scale bytes of every block; only ([\d,]+) bytes were looked at", said)
    by_type = {entry["type"]: entry["bytes"] for entry in file["checked"]}
    assert f"{by_type['q4_0_rocmfp4_fast']:,}" in only


def test_an_interrupted_quantise(verify: Verify, program: Path, tmp_path: Path) -> None:
    path = tmp_path / "zeros.gguf"
    path.write_bytes(bytes(TINY_HEADER.data_offset) + TINY.read_bytes()[TINY_HEADER.data_offset :])
    file = verify(path)
    assert (file["verdict"], file["error"]["kind"], file["error"]["byte"]) == ("bad", "zeros", 0)
    assert "an interrupted quantise" in file["error"]["what"]
    assert (
        "an interrupted quantise" in subprocess.run([program, path], capture_output=True, text=True, check=False).stdout
    )


def test_a_gap_and_bytes_at_the_end(verify: Verify, tmp_path: Path) -> None:
    infos = info("a", (8,), 0, 0) + info("b", (8,), 0, 64)
    data = (head(2, 0) + infos).ljust(aligned(len(head(2, 0) + infos)), b"\0") + bytes(96 + 100)
    path = tmp_path / "gap.gguf"
    path.write_bytes(data)
    file = verify(path)
    (fault,) = file["faults"]
    assert (fault["tensor"], fault["byte"]) == ("b", len(data) - 196 + 64)
    assert file["notes"] == ["100 bytes follow the last tensor"]


def test_parts_of_a_split_are_files_of_their_own(verify: Verify, tmp_path: Path) -> None:
    def part(number: int) -> bytes:
        keys = [key("split.no", 2, struct.pack("<H", number)), key("split.count", 2, struct.pack("<H", 2))]
        return whole_file(([architecture("x")] if number == 0 else []) + keys, [(f"t{number}", (32,), 101)])

    for number in range(2):
        path = tmp_path / f"model-{number + 1:05}-of-00002.gguf"
        path.write_bytes(part(number))
        file = verify(path)
        assert (file["verdict"], file["split"]) == ("good", {"no": number, "count": 2})


@pytest.mark.parametrize("what", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_unreadable(verify: Verify, tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    file = verify(path)
    assert (file["verdict"], file["error"]["kind"], file["error"]["byte"]) == ("unreadable", "io", None)


@pytest.mark.parametrize(
    "words", [[], ["--threads", "0", "x"], ["--threads", "2x", "x"], ["--bogus", "x"], ["--threads"]]
)
def test_wrong_usage(program: Path, words: list[str]) -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: strix-verify" in done.stderr


def test_several_files_have_the_worst_status(program: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"nonsense")

    def status(*paths: Any) -> int:
        return subprocess.run([program, *paths], capture_output=True, check=False).returncode

    assert status(TINY, TINY) == 0
    assert status(TINY, bad, TINY) == 1
    assert status(bad, tmp_path / "none", TINY) == 2


def test_names_cannot_steer_the_terminal(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(head(1, 0) + info("\x1b[31mred", (5,), 8, 0) + bytes(100))
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred" in done.stdout


# U+009B begins a sequence as ESC [ does; so does its one byte for a terminal that does not expect UTF-8.
@pytest.mark.parametrize(
    ("name", "shown"), [("\x9b31mr\xe9d".encode(), "\\xc2\\x9b31mr\xe9d"), (b"\x9b31m", "\\x9b31m")]
)
def test_other_controls_cannot_either(program: Path, tmp_path: Path, name: bytes, shown: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole_file([key("general.architecture", 8, text(name))], [("t", (32,), 0)]))
    done = subprocess.run([program, path], capture_output=True, check=True)
    assert shown in done.stdout.decode()


def test_text_that_is_no_utf8_is_replaced(verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole_file([key("general.architecture", 8, text(b"q\xffx"))], [("t", (32,), 0)]))
    assert verify(path)["architecture"] == "q\N{REPLACEMENT CHARACTER}x"
