"""The agent's request for headers, run here, and answers of a box that lies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from strixkit.errors import RemoteError
from strixkit.planner.gguf import read_header, to_json
from strixkit.remote.agent import header as agent
from strixkit.remote.agent.main import REQUESTS
from strixkit.sources.box import read_on_box
from tests.unit.planner.planner_cases import TINY


class Session:
    """Answers as the agent does, after its way through JSON; or as `says`."""

    def __init__(self, says: Any = None) -> None:
        self.says = says

    def request(self, do: str, **fields: Any) -> Any:
        answer = REQUESTS[do](fields) if self.says is None else self.says
        return json.loads(json.dumps(answer))


def good() -> dict[str, Any]:
    with TINY.open("rb") as handle:
        summary: dict[str, Any] = json.loads(json.dumps(to_json(read_header(handle))))
    return {"size": TINY.stat().st_size, "header": summary}


def test_a_header_comes_back_whole() -> None:
    [part] = read_on_box(Session(), "box01", [str(TINY)])
    assert (part.name, part.size) == (f"box01:{TINY}", TINY.stat().st_size)
    assert part.header == read_header(TINY.read_bytes())


def test_a_truncated_file_still_has_its_header(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(TINY.read_bytes()[:20_000])
    [part] = read_on_box(Session(), "box01", [str(tmp_path / "cut.gguf")])
    assert part.header is not None
    assert part.size == 20_000


def test_what_is_no_gguf_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no model")
    os.mkfifo(tmp_path / "pipe")
    paths = [str(tmp_path / name) for name in ("none", "text", "pipe", ".")]
    parts = read_on_box(Session(), "box01", [*paths, "/dev/zero", "a\0b"])
    said = [str(part.failure) for part in parts]
    assert "is not on the box" in said[0]
    assert "not a GGUF file: it starts with b'no m'" in said[1]
    assert all("no regular file" in words for words in said[2:5])
    assert "null" in said[5]
    assert all(words.startswith("box01: ") for words in said)


def test_a_file_of_somebody_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(agent.os, "stat", denied)
    [part] = read_on_box(Session(), "box01", ["/srv/x.gguf"])
    assert "ansible_become: true" in str(part.failure)


def test_too_many_files_are_refused() -> None:
    with pytest.raises(RuntimeError, match="at most 256"):
        agent.read(["x"] * 257)


def lie(**header: Any) -> list[Any]:
    answer = good()
    answer["header"] |= header
    return [answer]


@pytest.mark.parametrize(
    "says",
    [
        {},
        [],
        ["x"],
        [None],
        [{"size": -1}],
        [{"size": 1, "header": {}}],
        [{"size": 1, "header": "x"}],
        [good(), good()],
        lie(version="3"),
        lie(alignment=0),
        lie(metadata=[]),
        lie(metadata={"general.architecture": {"element": "string"}}),
        lie(metadata={"general.architecture": {"element": "string", "length": -1}}),
        lie(metadata={"general.architecture": None}),
        lie(metadata={"general.architecture": "\ud800"}),
        lie(version=10**100),
        lie(tensors=[["t", [1], 0, 0]]),
        lie(tensors=[["t", [1, 1, 1, 1, 1], 0, 0, 0]]),
        lie(tensors=[["t", [-1], 0, 0, 0]]),
        lie(tensors=[["t", [1], "0", 0, 0]]),
        lie(tensors=[["t", [10**100], 0, 0, 0]]),
    ],
)
def test_an_answer_that_makes_no_sense_is_the_boxs_fault(says: Any) -> None:
    with pytest.raises(RemoteError, match="makes no sense") as caught:
        read_on_box(Session(says), "box01", ["/x.gguf"])
    assert len(str(caught.value)) < 400
