"""One box fetches a file from an origin, over real sockets, with all that may go wrong on the way."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.origin import File
from strixkit.remote.agent.fetch.patience import Limits
from tests.unit.remote.fetch.server import PIECE, Answer, Asked, Origin, content, serving

SIZE = 9 * PIECE + 12345
FAST = Limits(first=0.01, most=0.05, give_up=1.0, answer=5.0)
DATA = content(SIZE)


def fetch(origin: Origin, folder: Path, *, limits: Limits = FAST, **changes: object) -> Engine:
    """Fetch the file; returns the engine when all is there and right."""
    wanted = {"url": origin.url, "sha256": origin.sha256, "size": len(origin.data), **changes}
    engine = Engine(str(folder), Request(File(**wanted)), limits)  # type: ignore[arg-type]
    try:
        engine.run()
    finally:
        engine.close()
    return engine


def is_there(folder: Path, data: bytes = DATA) -> bool:
    return hashlib.sha256((folder / "data").read_bytes()).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, SIZE])
def test_each_byte_once(tmp_path: Path, size: int) -> None:
    with serving(content(size)) as origin:
        engine = fetch(origin, tmp_path)
        assert is_there(tmp_path, origin.data)
        assert origin.sent() == size
        assert engine.store.sources() == {"origin": size}
        fetch(origin, tmp_path)
        assert origin.sent() == size


@pytest.mark.parametrize("cut", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1])
def test_a_connection_that_is_cut_costs_no_byte_twice(tmp_path: Path, cut: int) -> None:
    def fault(number: int, asked: Asked, answer: Answer) -> None:
        if number % 3 == 0 and number < 12:
            answer.cut = min(cut, len(answer.body) - 1)

    with serving(DATA) as origin:
        origin.fault = fault
        fetch(origin, tmp_path)
        assert is_there(tmp_path)
        assert origin.sent() == SIZE
