"""What other tools say of the 27B's memory, by hand, and how far that is from what its server takes.

Totals marked "the library's" are what gguf-parser-go v0.25.0 itself gave for the same file and settings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.memory import peers
from strixkit.config.catalogue import load_model
from strixkit.planner import memory
from strixkit.planner.gguf import Header, read_header
from strixkit.planner.run import CacheTypes, Run
from strixkit.planner.shape import ModelShape, shape_from_header
from strixkit.rehearsal.errors import RehearsalError
from strixkit.rehearsal.fullsize import q4_types, strix_types, write_full_size
from strixkit.rehearsal.headers import TensorInfo, Value, encode, write_sparse

MIB = 1 << 20
CONTEXT = 262144
RUN = Run(
    family="rocmfp4",
    hip=True,
    context=CONTEXT,
    parallel=1,
    batch=2048,
    micro=256,
    kv=CacheTypes.of("f16"),
    draft_kv=CacheTypes.of("f16"),
    draft_max=3,
    checkpoints=32,
    checkpoint_every=8192,
)
Q8 = replace(RUN, kv=CacheTypes.of("q8_0"))
# As the fork's program printed it for the 27B on the rehearsal device.
FIT_TABLE = "ROCm0 13286 16533 412 \nHost 2425 0 266 \n"


@pytest.fixture(scope="module")
def q4_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
    assert shape is not None
    return write_full_size(tmp_path_factory.mktemp("peers") / "27b.gguf", shape, q4_types)


@pytest.fixture(scope="module")
def q4(q4_file: Path) -> Header:
    with q4_file.open("rb") as file:
        return read_header(file)


def _truth_mib(shape: ModelShape, run: Run) -> float:
    """Every KV cache and recurrent state that the server allocates."""
    states = memory.recurrent_plane_bytes(shape) * run.planes * run.parallel
    return (memory.kv_bytes(shape, run) + memory.draft_kv_bytes(shape, run) + states) / MIB


def _header(path: Path, metadata: dict[str, Value], tensors: list[TensorInfo]) -> Header:
    with write_sparse(path, *encode(metadata, tensors)).open("rb") as file:
        return read_header(file)


def test_kyuz0_counts_every_block_in_f16_the_file_and_2_gib(q4: Header, q4_file: Path) -> None:
    estimate = peers.kyuz0_estimator(q4, q4_file, Q8)
    assert estimate is not None
    assert estimate.context_mib == 65 * CONTEXT * 4 * (256 + 256) * 2 / MIB == 66560
    assert estimate.total_mib == q4_file.stat().st_size / MIB + 66560 + 2048
    assert estimate == peers.kyuz0_estimator(q4, q4_file, RUN)


def test_kyuz0_is_far_above_the_server(q4: Header, q4_file: Path) -> None:
    """+174 to +654 % for the context of two models, contexts of 32768 and more, f16 and q8_0."""
    estimate = peers.kyuz0_estimator(q4, q4_file, RUN)
    assert estimate is not None
    truth = _truth_mib(shape_from_header(q4), RUN)
    assert truth == 16384 + 1024 + 4 * 149.625
    assert estimate.context_mib / truth - 1 == pytest.approx(2.70, abs=0.01)


def test_kyuz0_knows_no_context_beyond_the_trained_one(q4: Header, q4_file: Path) -> None:
    assert peers.kyuz0_estimator(q4, q4_file, replace(RUN, context=CONTEXT + 256)) is None


def test_kyuz0_adds_up_the_files_of_a_model(tmp_path: Path) -> None:
    keys = ("block_count", "attention.head_count_kv", "attention.key_length", "attention.value_length")
    metadata: dict[str, Value] = {"general.architecture": "llama", **{f"llama.{key}": 64 for key in keys}}
    first = tmp_path / "m-00001-of-00002.gguf"
    header = _header(first, metadata, [])
    second = write_sparse(tmp_path / "m-00002-of-00002.gguf", b"GGUF", 10 * MIB)
    estimate = peers.kyuz0_estimator(header, first, RUN)
    assert estimate is not None
    files = first.stat().st_size + second.stat().st_size
    assert estimate.total_mib == files / MIB + estimate.context_mib + 2048


@pytest.mark.parametrize("missing", ["attention.head_count_kv", "attention.key_length"])
def test_kyuz0_says_nothing_of_a_model_without_these(q4: Header, q4_file: Path, missing: str) -> None:
    metadata = {key: value for key, value in q4.metadata.items() if key != f"qwen35.{missing}"}
    assert peers.kyuz0_estimator(q4._replace(metadata=metadata), q4_file, RUN) is None


def test_gguf_parser_counts_every_block_by_type(q4: Header) -> None:
    estimate = peers.gguf_parser(q4, Q8)
    assert estimate is not None
    assert estimate.context_mib == 65 * CONTEXT * 2 * (4 * 256 / 32 * 34) / MIB == 35360
    truth = _truth_mib(shape_from_header(q4), Q8)
    assert estimate.context_mib / truth - 1 == pytest.approx(2.42, abs=0.01)  # of +113 to +305 %


def test_gguf_parser_total_is_the_librarys(q4: Header) -> None:
    estimate = peers.gguf_parser(q4, RUN)
    assert estimate is not None
    assert estimate.total_mib * MIB == 86499070976
    weights = sum(tensor.nbytes for tensor in q4.tensors if tensor.name != "token_embd.weight")
    logits = 4 * 256 * (5120 + 248320)
    inputs = 4 * 256 * (5120 + 1 + CONTEXT)
    query = 5120 * 2 * 24 * 256 / 32 * 18
    layer = 2 * CONTEXT * 256 + 1024 * MIB + 4 * 256 * 5120 + query
    assert estimate.total_mib * MIB == weights + 66560 * MIB + logits + inputs + layer + 250 * MIB


def test_gguf_parser_reads_no_types_of_the_fork(tmp_path: Path) -> None:
    shape = load_model("qwen3.6-27b-mtp").variants["embF16"].shape
    assert shape is not None
    with write_full_size(tmp_path / "27b.gguf", shape, strix_types).open("rb") as file:
        assert peers.gguf_parser(read_header(file), RUN) is None


def test_gguf_parser_keeps_a_window_and_a_batch_of_every_second_block_of_gemma2(tmp_path: Path) -> None:
    keys = {"block_count": 2, "embedding_length": 64, "attention.head_count": 2, "attention.sliding_window": 1024}
    metadata: dict[str, Value] = {"general.architecture": "gemma2", **{f"gemma2.{key}": n for key, n in keys.items()}}
    estimate = peers.gguf_parser(_header(tmp_path / "m", metadata, [TensorInfo("blk.0.x", (32,), "f32")]), RUN)
    assert estimate is not None
    assert estimate.context_mib * MIB == (CONTEXT + 1024 + 2048) * 2 * 64 * 2


def test_gguf_parser_knows_the_state_of_mamba2(tmp_path: Path) -> None:
    keys = {"block_count": 3, "embedding_length": 64}
    keys |= {"ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.group_count": 2}
    metadata: dict[str, Value] = {"general.architecture": "mamba2", **{f"mamba2.{key}": n for key, n in keys.items()}}
    header = _header(tmp_path / "m", metadata, [TensorInfo("blk.0.x", (32,), "f32")])
    estimate = peers.gguf_parser(header, replace(RUN, parallel=2))
    assert estimate is not None
    assert estimate.context_mib * MIB == 2 * 3 * 4 * (3 * (128 + 2 * 2 * 16) + 16 * 128)


def test_fit_table_is_read_by_device() -> None:
    estimate = peers.read_fit_table(FIT_TABLE, "ROCm0")
    assert estimate == peers.Estimate(16533, 13286 + 16533 + 412)
    # One plane of the state, no draft context: 4 * 149.6 and 1024 MiB are really there.
    assert estimate.context_mib == int(16384 + 149.625)


@pytest.mark.parametrize("text", ["", "Vulkan0 1 2 3\n", "ROCm0 1 2\n", "ROCm0 a b c\n"])
def test_fit_table_without_the_device_is_an_error(text: str) -> None:
    with pytest.raises(RehearsalError, match="no row of ROCm0"):
        peers.read_fit_table(text, "ROCm0")


def test_fit_params_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    missing = peers.FitParams((str(tmp_path / "llama-fit-params"),), "ROCm0", {})
    with pytest.raises(RehearsalError, match="does not run"):
        missing.estimate(tmp_path / "model.gguf", RUN)


def test_fit_params_knows_no_shared_kv_cache(tmp_path: Path) -> None:
    missing = peers.FitParams((str(tmp_path / "llama-fit-params"),), "ROCm0", {})
    assert missing.estimate(tmp_path / "model.gguf", replace(RUN, parallel=4, unified=True)) is None


def test_every_peer_is_named(q4: Header, q4_file: Path) -> None:
    found = peers.estimates(q4, q4_file, RUN, None)
    assert [name for name, estimate in found.items() if estimate is None] == [peers.FIT_PARAMS]
