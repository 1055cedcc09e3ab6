"""A captured log of a real server, held against the plan of the same model with the same settings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from roles.server.role import TOLERANCE
from strixkit.planner.gguf import read_header
from strixkit.planner.memory import checkpoint_size
from strixkit.planner.parts import parts
from strixkit.planner.run import CacheTypes, Run
from strixkit.planner.shape import shape_from_header
from strixkit.remote.agent import confirm, systemd
from strixkit.remote.agent.confirm import Confirmation, Process, compare
from strixkit.runtime.buffers import parse_log
from strixkit.sandbox.tinymodel import write_tiny_model

LOG = (Path(__file__).parents[2] / "data/log/memory-0.7.0-vulkan.txt").read_text()
RUN = Run(
    family="upstream",
    hip=False,
    context=4096,
    parallel=1,
    batch=512,
    micro=256,
    kv=CacheTypes("f16", "f16"),
    draft_kv=CacheTypes("f16", "f16"),
    draft_max=3,
    checkpoints=8,
    checkpoint_every=8192,
)
PROCESS = Process(host_mib=200.0, device_mib=0.0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
    with path.open("rb") as handle:
        shape = shape_from_header(read_header(handle, path.stat().st_size))
    return {
        "parts": [part.model_dump(mode="json") for part in parts(shape, RUN)],
        "gpu_layers": 999,
        "sequence": 4096,
        "checkpoint": asdict(checkpoint_size(shape, RUN)),
        "tolerance": TOLERANCE,
        "settings": "as captured",
        "circumstances": "0123456789ab",
    }


def held_against(plan: dict[str, Any], log: str = LOG, process: Process = PROCESS, **changes: Any) -> Confirmation:
    return compare({**plan, **changes}, parse_log(log), process)


def said(found: Confirmation) -> dict[str, tuple[bool | None, str]]:
    return {check["name"]: (check["ok"], check["text"]) for check in found.checks}


def test_the_plan_is_confirmed(plan: dict[str, Any]) -> None:
    found = held_against(plan)
    [(ok, text)] = said(found).values()
    assert ok is True
    assert text == "the log confirms the plan: 32.78 MiB logged (planned 32.78); 11 of 11 parts are exact"
    assert found.measured is not None
    rows = {row["key"]: row for row in found.measured["parts"]}
    for key, row in rows.items():
        if row["exact"]:
            assert row["measured_mib"] == pytest.approx(row["predicted_mib"], abs=0.01), key
    assert [row["measured_mib"] for row in found.measured["checkpoints"]] == [0.41, 0.41]
    assert found.measured["findings"] == []
    assert "process.driver.device" not in rows  # nothing is known of the GPU


def test_what_the_driver_takes_is_what_no_line_tells(plan: dict[str, Any]) -> None:
    found = held_against(plan, process=Process(10.0, 326.13))
    assert found.measured is not None
    [driver] = [row for row in found.measured["parts"] if row["key"] == "process.driver.device"]
    logged = 11.72 + 4.0 + 1.64 + 2.0 + 4.51 + 3.26 + (3.01 + 2.51)  # the last two in memory that the GPU maps
    assert driver["measured_mib"] == pytest.approx(326.13 - logged)
    assert driver["predicted_mib"] == 700


def test_an_exact_part_that_is_off_is_said_and_fails_nothing(plan: dict[str, Any]) -> None:
    found = said(
        held_against(plan, LOG.replace("Vulkan0 KV buffer size =     4.00", "Vulkan0 KV buffer size =     4.09"))
    )
    assert found == {"main.KV.device": (None, "KV cache takes 4.09 MiB, planned 4.00 (main.KV.device)")}
    near = held_against(plan, LOG.replace("Vulkan0 KV buffer size =     4.00", "Vulkan0 KV buffer size =     4.07"))
    assert said(near)["memory"][0] is True


def test_an_estimate_that_is_off_is_said_only_in_the_sum(plan: dict[str, Any]) -> None:
    """As the compute buffer is for a model whose graph nobody compared."""
    estimated = [part | {"exact": part["exact"] and part["key"] != "main.compute.device"} for part in plan["parts"]]
    line = "Vulkan0 compute buffer size =     4.51"
    near = held_against(plan, LOG.replace(line, line.replace("4.51", "5.51")), parts=estimated)
    assert said(near)["memory"][0] is True
    found = said(held_against(plan, LOG.replace(line, line.replace("4.51", "7.51")), parts=estimated))
    assert found == {"total": (None, "all buffers take 35.78 MiB, planned 32.78")}


def test_what_the_log_rounds_is_no_difference(plan: dict[str, Any]) -> None:
    """The output buffer of 264 words is 0.001 MiB and logged as 0.00."""
    rows = held_against(plan).measured["parts"]  # type: ignore[index]
    [row] = [row for row in rows if row["key"] == "main.output.host"]
    assert (row["measured_mib"], round(row["predicted_mib"], 4)) == (0.0, 0.001)


def test_buffers_that_nobody_planned_or_that_are_not_there(plan: dict[str, Any]) -> None:
    found = said(held_against(plan, LOG.replace("Vulkan0 RS buffer", "CPU RS buffer")))
    assert found["main.RS.device"] == (None, "recurrent state takes 0.00 MiB, planned 1.64 (main.RS.device)")
    assert found["main.RS.host"] == (None, "not planned takes 1.64 MiB, planned 0.00 (main.RS.host)")


def test_a_checkpoint_of_another_size(plan: dict[str, Any]) -> None:
    found = said(held_against(plan, LOG.replace("n_tokens = 977, size = 0.410", "n_tokens = 977, size = 0.910")))
    assert found["checkpoint"] == (None, "checkpoint at 977 tokens takes 0.91 MiB, planned 0.41 (checkpoint)")


def test_a_process_that_holds_more_than_planned(plan: dict[str, Any]) -> None:
    assert said(held_against(plan, process=Process(700.0, 60.0)))["memory"][0] is True
    found = said(held_against(plan, process=Process(700.0, 72.0)))
    assert found == {"process": (None, "the process holds 772 MiB (72 on the GPU), planned 733")}


@pytest.mark.parametrize(
    ("asked", "line", "words"),
    [
        (999, "offloaded 10/10 layers", None),
        ("all", "offloaded 10/10 layers", None),
        (999, "offloaded 3/10 layers", "3 of 10 layers reached the device, wanted 10"),
        ("all", "offloaded 9/10 layers", "9 of 10 layers reached the device, wanted 10"),
        (5, "offloaded 5/10 layers", None),
        (5, "offloaded 4/10 layers", "4 of 10 layers reached the device, wanted 5"),
        ("auto", "offloaded 4/10 layers", None),
        (0, "nothing", None),
    ],
)
def test_layers(plan: dict[str, Any], asked: Any, line: str, words: str | None) -> None:
    found = said(held_against(plan, LOG.replace("offloaded 10/10 layers", line), gpu_layers=asked))
    assert found.get("layers") == (None if words is None else (False, words))


def test_a_server_without_a_device_fails(plan: dict[str, Any]) -> None:
    """One that finds no device has no line of layers at all, and puts everything into the CPU's memory."""
    log = LOG.replace("load_tensors: offloaded", "load_tensors: nothing").replace("Vulkan0 model", "CPU model")
    found = said(held_against(plan, log))
    words = "no layer reached a device, 999 were asked for: the weights are in the CPU's memory"
    assert found["layers"] == (False, words)


def test_what_the_log_does_not_say_fails_nothing(plan: dict[str, Any]) -> None:
    """Another build's words, or lines that the journal has dropped."""
    found = said(held_against(plan, LOG.replace("load_tensors: offloaded", "load_tensors: nothing")))
    words = "the log does not say how many layers reached the device; 11.72 MiB of weights did"
    assert found == {"layers": (None, words)}
    found = said(held_against(plan, LOG.replace("n_ctx_seq ", "n_ctx_per_seq ")))
    assert found == {"context": (None, "the log does not say the context of a slot (planned 4096)")}


def test_weights_that_were_put_elsewhere_are_no_layers_on_the_device(plan: dict[str, Any]) -> None:
    """By an override of single tensors the server says `offloaded 10/10` all the same."""
    found = said(held_against(plan, LOG.replace("Vulkan0 model buffer", "CPU model buffer")))
    assert found["layers"][0] is False


def test_another_context_fails(plan: dict[str, Any]) -> None:
    found = said(held_against(plan, sequence=8192))
    assert found["context"] == (False, "the log says a context of 4096 for a slot (planned 8192)")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the journal has no line of this run"),
        ("some words\n", "the log names no buffer"),
        (LOG[LOG.index("llama_kv_cache:") :], "not the whole log"),
        (LOG[: LOG.index("model loaded")], "not the whole log"),
    ],
    ids=["no log", "no buffers", "without its head", "not ready"],
)
def test_a_log_that_does_not_say_it_confirms_nothing(
    text: str, why: str, plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "log_head", lambda unit: text)
    monkeypatch.setattr(confirm, "LOG_SECONDS", 0)
    found = confirm.confirm("llama-server-main.service", {"plan": plan})
    [(ok, words)] = said(found).values()
    assert ok is None
    assert words.startswith("memory not confirmed: ")
    assert why in words
    assert found.measured is None


def test_a_manifest_of_before() -> None:
    [(ok, words)] = said(confirm.confirm("llama-server-main.service", {"context": 4096})).values()
    assert ok is None
    assert "older strixkit" in words


def test_what_cannot_be_read_ends_no_service(plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The real journalctl is asked where there is none, and a manifest lacks what this version wants."""
    monkeypatch.setenv("PATH", "/nonexistent")
    [(ok, words)] = said(confirm.confirm("llama-server-main.service", {"plan": plan})).values()
    assert ok is None
    assert words.startswith("memory not confirmed: FileNotFoundError: ")
    monkeypatch.setattr(systemd, "log_head", lambda unit: LOG)
    other = {**plan, "gpu_layers": 0, "tolerance": {}}
    [(ok, words)] = said(confirm.confirm("llama-server-main.service", {"plan": other})).values()
    assert (ok, words) == (None, "memory not confirmed: KeyError: 'line_mib'")
