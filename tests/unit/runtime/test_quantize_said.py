"""What the tools of quantising say, as they said it (tests/data/quantize)."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.runtime.quantize import Measuring, Quantizing, types_in, why

DATA = Path(__file__).parents[2] / "data/quantize"


def read(name: str) -> list[str]:
    return (DATA / f"{name}.txt").read_text().splitlines()


def test_the_types_of_a_binary() -> None:
    types = types_in((DATA / "help-0.7.0.txt").read_text())
    assert len(types) == 38
    assert (types["Q4_0"], types["Q8_0"], types["Q6_K"], types["F32"], types["MXFP4_MOE"]) == (2, 7, 18, 0, 38)
    assert not [name for name in types if "ROCM" in name]
    assert "COPY" not in types


def test_types_of_the_fork() -> None:
    """As the fork prints them."""
    types = types_in(" 104  or  Q4_0_ROCMFP4_FAST_COHERENT : x\n 105  or  Q4_0_ROCMFP4_STRIX :  4.34 bpw\n")
    assert types["Q4_0_ROCMFP4_STRIX"] == 105


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quantize-full", "no space left on the disk"),
        ("quantize-no-type", "the tool does not know the type"),
        ("imatrix-full", "no space left on the disk"),
        ("imatrix-unwritable", "the tool may not write its file"),
    ],
)
def test_why_it_failed(name: str, words: str) -> None:
    assert words in why(read(name))


def test_what_went_well_has_no_cause() -> None:
    assert why(read("quantize")) == ""


def test_tensors_are_counted_and_those_without_data_named() -> None:
    watch = Quantizing()
    said = [text for line in read("quantize") if (text := watch(line, True))]
    assert said[0] == "tensor 1 of 124"
    assert said[-1] == "tensor 124 of 124"
    assert len(watch.unweighted) == 9
    assert watch.unweighted[0] == "output.weight"
    assert all(name.startswith("blk.8.") for name in watch.unweighted[1:])


def test_chunks_are_counted_and_the_rest_is_estimated() -> None:
    watch = Measuring()
    said = [text for line in read("imatrix-unwritable") if (text := watch(line, True))]
    assert watch.chunks == watch.done == 18
    assert said[-1] == "chunk 18 of 18"


def test_a_line_that_grows() -> None:
    watch = Measuring()
    for line in ("compute_imatrix: computing over 339 chunks, n_ctx=512, batch_size=2048, n_seq=4",):
        assert watch(line, True) == ""
    watch("compute_imatrix: 12.10 seconds per pass - ETA 1 hours 8.20 minutes", True)
    assert watch("[1]5.10,[2]6.2", False) == "chunk 1 of 339, about 68 min left"
    assert watch("[1]5.10,[2]6.21,[3]nan,", False) == "chunk 3 of 339, about 68 min left"
    assert watch("[339]5.0,", False) == "chunk 339 of 339"
