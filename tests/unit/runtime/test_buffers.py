"""The server's log, held against captured runs of real builds (tests/data/log/README.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.runtime import buffers
from strixkit.runtime.buffers import Checkpoint, KvCache, PromptState, Size, parse_log

DATA = Path(__file__).parents[2] / "data/log"
VULKAN = (DATA / "memory-0.7.0-vulkan.txt").read_text()
FORK = (DATA / "memory-rocmfp4-cpu.txt").read_text()
QUANTISED = (DATA / "memory-rocmfp4-cpu-quantised.txt").read_text()
NO_DRAFT = (DATA / "memory-rocmfp4-cpu-no-draft.txt").read_text()


def test_vulkan() -> None:
    log = parse_log(VULKAN)
    assert {key: size.mib for key, size in log.sizes().items()} == {
        "main.model.host": 0.13,
        "main.model.device": 11.72,
        "main.output.host": 0.0,
        "main.KV.device": 4.0,
        "main.RS.device": 1.64,
        "draft.output.host": 0.0,
        "draft.KV.device": 2.0,
        "main.compute.device": 4.51,
        "main.compute.host": 3.01,
        "draft.compute.device": 3.26,
        "draft.compute.host": 2.51,
    }
    assert {buffer.device for buffer in log.buffers} == {"Vulkan0", "Vulkan_Host", "CPU_Mapped"}
    assert log.kv == (KvCache("main", 4.0, 4096, 2, "f16", "f16"), KvCache("draft", 2.0, 4096, 1, "f16", "f16"))
    assert (log.n_ctx, log.n_ctx_seq, log.n_rs_seq) == (4096, 4096, 3)
    assert log.offloaded == (10, 10)
    assert log.flash_attn == "enabled"
    assert log.checkpoints == (
        Checkpoint(721, 0.41, 1, 8),
        Checkpoint(977, 0.41, 2, 8),
        Checkpoint(977, 0.41, 2, 8),  # the one before was superseded
    )
    assert log.ready


def test_the_fork_prints_a_dry_pass_before_the_real_one() -> None:
    log = parse_log(FORK)
    assert {buffer.device for buffer in log.buffers} == {"CPU"}
    assert {key: size.mib for key, size in log.sizes().items()} == {
        "main.model.host": 11.85,
        "main.output.host": 0.0,
        "main.KV.host": 4.0,
        "main.RS.host": 1.64,
        "draft.output.host": 0.0,
        "draft.KV.host": 2.0,
        "main.compute.host": 7.51,
        "draft.compute.host": 7.26,
    }
    assert log.offloaded is None
    assert log.checkpoints[:3] == (
        Checkpoint(512, 0.67, 1, 3),
        Checkpoint(721, 0.776, 2, 3),
        Checkpoint(977, 0.906, 3, 3),
    )
    assert log.prompts == (PromptState(1000, 1.913, 0.507),)


def test_two_slots_with_a_quantised_cache() -> None:
    log = parse_log(QUANTISED)
    assert (log.n_ctx, log.n_ctx_seq) == (8192, 4096)
    assert log.kv == (KvCache("main", 3.25, 4096, 2, "q8_0", "q4_0"), KvCache("draft", 2.12, 4096, 1, "q8_0", "q8_0"))
    assert log.sizes()["main.RS.host"] == Size(3.28, 3.28, 1)


def test_without_a_draft_and_with_flash_attention_left_to_the_server() -> None:
    log = parse_log(NO_DRAFT)
    assert not [buffer for buffer in log.buffers if buffer.context == "draft"]
    assert log.flash_attn == "enabled"
    assert log.n_rs_seq == 0


def test_a_later_reservation_is_that_of_the_context_with_such_a_graph() -> None:
    grown = VULKAN.replace("Vulkan0 compute buffer size =     4.51 MiB", "Vulkan0 compute buffer size =     9.00 MiB")
    late = grown.index("update_slots: all slots are idle")
    log = parse_log(VULKAN[: VULKAN.index("update_slots: all slots are idle")] + grown[late:])
    assert log.sizes()["main.compute.device"] == Size(4.51, 9.0, 1)
    assert log.sizes()["draft.compute.device"] == Size(3.26, 3.26, 1)


@pytest.mark.parametrize(
    "line",
    [
        "graph: nodes = 542, splits = 2, input objects = 4, input tensors = 10",
        "graph nodes  = 542",
        "graph nodes  = 542 (with bs=256), 541 (with bs=1)",
        "graph (pp bs=256, tg bs=1): nodes = 542 / 541, splits = 2 / 1, input objects = 4 / 4, input tensors = 10 / 9",
    ],
)
def test_nodes_as_builds_write_them(line: str) -> None:
    """The fork's, and upstream's where prompts and single tokens have other graphs (llama-context.cpp)."""
    nodes = "graph: nodes = 542, splits = 2, input objects = 4, input tensors = 10"
    at = VULKAN.index(nodes)
    before = VULKAN[:at].rpartition("Vulkan0 compute buffer size =     4.51")
    text = before[0] + "Vulkan0 compute buffer size =     9.00" + before[2] + line + VULKAN[at + len(nodes) :]
    assert parse_log(text).sizes()["main.compute.device"].largest == 9.0
    assert parse_log(text).sizes()["draft.compute.device"].largest == 3.26


def test_names_of_devices_are_any() -> None:
    log = parse_log(VULKAN.replace("Vulkan0", "RPC[10.0.0.1:50052]"))
    assert ("RPC[10.0.0.1:50052]", "main.KV.device") in {(buffer.device, buffer.key) for buffer in log.buffers}


def test_several_buffers_of_one_kind_are_added() -> None:
    """A model on two devices, or with tensors that the CPU has repacked."""
    first = "0.00.117.643 I load_tensors:      Vulkan0 model buffer size =    11.72 MiB\n"
    log = parse_log(VULKAN.replace(first, first + first.replace("Vulkan0", "Vulkan1")))
    assert log.sizes()["main.model.device"] == Size(pytest.approx(23.44), pytest.approx(23.44), 2)


def test_buffers_of_something_else_are_not_counted() -> None:
    log = parse_log(
        "0.00.1 I llama_kv_cache:  CPU DeepSeek4 compressed KV buffer size =     9.00 MiB\n"
        "0.00.1 I alloc_compute_meta:    Vulkan0 compute buffer size =   248.10 MiB\n"
        "0.00.1 I llama_adapter_lora_init_impl:    Vulkan0 LoRA buffer size =     1.00 MiB\n"
    )
    assert log.buffers == ()


@pytest.mark.parametrize("name", ["completion.json", "empty.txt", "port-in-use.txt"])
def test_a_log_without_buffers_has_none(name: str) -> None:
    assert parse_log((DATA / name).read_text()).buffers == ()


@pytest.mark.parametrize("text", [VULKAN, FORK, QUANTISED, NO_DRAFT], ids=["0.7.0", "fork", "quantised", "no draft"])
def test_a_log_may_be_cut_anywhere(text: str) -> None:
    lines = text.split("\n")
    whole = parse_log(text)
    for cut in range(0, len(lines), 7):
        parse_log("\n".join(lines[cut:]))
        before = parse_log("\n".join(lines[:cut]))
        assert before.n_ctx in (None, whole.n_ctx)


@given(st.text())
def test_odd_text_never_raises(text: str) -> None:
    parse_log(text)
    parse_log(VULKAN.replace("4096", text).replace("MiB", text[:1]))


def test_a_server_that_is_ready_has_said_its_layers() -> None:
    """What comes later may be text of a client, and must not fail a gate."""
    assert parse_log(NO_DRAFT + "\nload_tensors: offloaded 0/10 layers to GPU\n").offloaded is None


def test_a_number_that_is_none_is_passed_over() -> None:
    for odd in ("1.2.3", "9" * 5000, "-1", "nan", "１２"):
        parse_log(VULKAN.replace("4.00", odd).replace("4096", odd).replace("721", odd))


def test_the_module_stands_alone_on_python_3_9() -> None:
    tree = ast.parse(Path(buffers.__file__).read_text(), feature_version=(3, 9))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert imported == {"__future__", "re", "typing"}
