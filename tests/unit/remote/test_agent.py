"""The agent's own logic, run here: journal, package lock, and a piece of an upload that cannot be written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from strixkit.remote.agent import apt, journal, paths
from strixkit.remote.bundle import bundle
from strixkit.remote.session import BOOTSTRAP


def _gated(release: str, before: str = "", *, rollback: bool = False) -> dict[str, Any]:
    return {"event": "gated", "service": "main", "release": release, "before": before, "rollback": rollback}


HISTORY = [_gated("a"), _gated("b", "a"), _gated("c", "b")]


@pytest.mark.parametrize(
    ("log", "current", "kept", "wanted"),
    [
        (HISTORY, "c", "abc", "b"),
        ([*HISTORY, _gated("b", "c", rollback=True)], "b", "abc", "a"),
        ([*HISTORY, _gated("c", "c")], "c", "abc", "b"),
        (HISTORY, "c", "ac", "a"),
        (HISTORY, "c", "c", ""),
        (HISTORY, "a", "abc", ""),
        (HISTORY, "never seen", "abc", ""),
        ([_gated("a"), _gated("b", "a"), _gated("a", "b")], "a", "ab", "b"),
        ([_gated("a", "b"), _gated("b", "a")], "a", "a", ""),
    ],
    ids=[
        "before",
        "after a rollback",
        "brought back",
        "pruned",
        "all pruned",
        "first",
        "unknown",
        "there and back",
        "circle",
    ],
)
def test_previous_release(log: list[dict[str, Any]], current: str, kept: str, wanted: str) -> None:
    assert journal.previous(log, "main", current, list(kept)) == wanted


def test_a_line_that_a_power_cut_left_half_written_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "STATE", str(tmp_path))
    monkeypatch.setattr(paths, "JOURNAL", str(tmp_path / "journal.jsonl"))
    journal.append({"event": "begin", "job": "1"})
    with (tmp_path / "journal.jsonl").open("a") as handle:
        handle.write('{"event": "gat')
    journal.append({"event": "begin", "job": "2"})
    assert [entry["job"] for entry in journal.entries()] == ["1", "2"]


def test_the_holder_of_the_package_lock_is_named_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock-frontend"
    code = "import fcntl,sys,time;f=open(sys.argv[1],'w');fcntl.lockf(f,fcntl.LOCK_EX);print(flush=True);time.sleep(60)"
    monkeypatch.setattr(apt, "LOCKS", (str(lock),))
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(RuntimeError, match=f"still locked by process {other.pid} ") as caught:
                apt.wait_for_lock(said.append, seconds=0.1)
        finally:
            other.kill()
    assert "time.sleep(60)" in str(caught.value)
    assert f"locked by process {other.pid}" in said[0]
    apt.wait_for_lock(said.append, seconds=0)


def test_bytes_that_cannot_be_written_are_no_requests() -> None:
    """A file whose bytes look like a request, and a disk that does not take them."""
    evil = json.dumps({"do": "observe", "questions": []}).encode() + b"\n"
    code = BOOTSTRAP % ("", len(bundle()))
    head = {"do": "receive", "target": "/proc/nowhere/x.gguf", "sha256": "0" * 64, "offset": 0, "size": len(evil)}
    after = json.dumps({"do": "observe", "questions": [{"ask": "path", "path": "/nonexistent"}]}).encode() + b"\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=bundle() + json.dumps(head).encode() + b"\n" + evil + after,
        capture_output=True,
        check=True,
    )
    hello, failed, answer = [json.loads(line) for line in done.stdout.splitlines()]
    assert hello["event"] == "hello"
    assert failed["ok"] is False
    assert "/proc/nowhere" in failed["error"]
    assert answer["value"] == [{"type": "absent"}]
