"""What the agent measures of a running service."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strixkit.remote.agent import held as agent
from strixkit.remote.agent.held import device_bytes, host_bytes

FDINFO = Path(__file__).parents[2] / "data/fdinfo"
MIB = 1 << 20
STATUS = "Name:\tllama-server\nVmRSS:\t  900 kB\nRssAnon:\t   500 kB\nRssFile:\t   300 kB\nRssShmem:\t   100 kB\n"


def _text(name: str) -> str:
    return (FDINFO / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("memory", (31457280 + 2048) * 1024),
        ("resident", 2 * MIB + 4096),
        ("total", 192 * 1024),
        ("eventfd", 0),
    ],
)
def test_one_descriptor(name: str, size: int) -> None:
    assert device_bytes([_text(name)]) == size


def test_a_client_with_several_descriptors_counts_once() -> None:
    texts = [_text("memory"), _text("eventfd"), _text("memory"), _text("total")]
    assert device_bytes(texts) == device_bytes([_text("memory")]) + device_bytes([_text("total")])
    other_card = _text("memory").replace("0000:c1:00.0", "0000:c2:00.0")
    assert device_bytes([_text("memory"), other_card]) == 2 * device_bytes([_text("memory")])


@given(st.lists(st.text()))
def test_no_text_is_an_error(texts: list[str]) -> None:
    assert device_bytes([*texts, *(f"drm-client-id: 1\ndrm-memory-gtt: {text}" for text in texts)]) >= 0


def test_mapped_files_are_not_held() -> None:
    assert host_bytes(STATUS) == 600 * 1024
    assert host_bytes("") == 0


def test_a_service_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process stands for it."""
    (tmp_path / "main/current").mkdir(parents=True)
    manifest = '{"release": "0123456789ab", "memory": {"device_start_mib": 1}, "choice": {"kv": "f16"}}'
    (tmp_path / "main/current/manifest.json").write_text(manifest)
    (tmp_path / "main.procs").write_text(f"{os.getpid()}\n")
    monkeypatch.setattr(agent.paths, "SERVICES", str(tmp_path))
    monkeypatch.setattr(agent, "CGROUP", str(tmp_path / "%s.procs"))
    found = agent.held("main")
    assert found["running"]
    assert found["host_bytes"] > MIB
    assert (found["release"], found["memory"]) == ("0123456789ab", {"device_start_mib": 1})
    assert (found["choice"], found["wishes"]) == ({"kv": "f16"}, "")
    (tmp_path / "main/current/wishes").write_text("new\n")
    assert agent.held("main")["wishes"] == "new"
    absent = agent.held("other")
    assert not absent["running"]
    assert absent["release"] == absent["wishes"] == ""


def test_what_the_gates_have_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kept release that has a measurement; its compute buffers only."""
    monkeypatch.setattr(agent.paths, "SERVICES", str(tmp_path))
    buffer = {"key": "main.compute.device", "measured_mib": 4.5, "largest_mib": 4.5}
    stored = {
        "at": "1",
        "settings": "s",
        "circumstances": "c",
        "parts": [{"key": "main.KV.device"}, buffer],
        "total": 1,
    }
    for name, text in {"a": json.dumps(stored), "b": None, "c": "half a fi"}.items():
        (tmp_path / "main/releases" / name).mkdir(parents=True)
        if text is not None:
            (tmp_path / "main/releases" / name / "measured.json").write_text(text)
    assert agent.measured("main") == [{"at": "1", "settings": "s", "circumstances": "c", "compute": [buffer]}]
    assert agent.measured("other") == []
