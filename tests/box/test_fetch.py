"""A box fetches a file by the step `fetch`: whole, interrupted, and what it serves. The origin is this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strixkit import sandbox
from strixkit.engine.job import new_id
from strixkit.fleet import verbs
from strixkit.sandbox import network
from tests.box.lab import Lab
from tests.unit.remote.fetch.server import PIECE, Origin, content, serving

pytestmark = pytest.mark.box
SIZE = 48 * PIECE + 4711
TOKEN = "hf_secretsecretsecret"
MODELS = "/var/lib/strixkit/models"
INCOMING = "/var/lib/strixkit/incoming"

Message = dict[str, Any]


@dataclass
class Fetcher:
    """One box, and what its last job said."""

    lab: Lab
    messages: list[Message] = field(default_factory=list)

    def step(self, origin: Origin, path: str, **changes: Any) -> dict[str, Any]:
        """The step as the controller sends it."""
        return {
            "step": "fetch",
            "resource": f"download:{path}",
            "path": path,
            "owner": "root",
            "group": "root",
            "mode": 0o644,
            "sha256": origin.sha256,
            "size": len(origin.data),
            "url": origin.url,
            "token": False,
            "pieces": "all",
            "peers": [],
            "port": 0,
            "secret": "",
            **changes,
        }

    def ask(self, do: str, *, on_event: Callable[[Message], None] | None = None, **fields: Any) -> Any:
        """One request to the agent."""
        session = verbs.open_host(self.lab.host(), verbs.Access(None))
        try:
            return session.request(do, on_event=on_event, **fields)
        finally:
            session.close()

    def run(self, *steps: dict[str, Any], on_message: Callable[[Message], None] | None = None) -> Message:
        """The steps as a job; returns its last event. `on_message` may raise Abandoned."""
        self.messages.clear()

        def hear(message: Message) -> None:
            self.messages.append(message)
            if on_message is not None:
                on_message(message)

        empty: dict[str, list[str]] = {"questions": [], "answers": [], "changes": [], "releases": []}
        head = {"job": new_id(), "who": "tester", "what": "fetch", "hold_at": "", "steps": list(steps), **empty}
        result: Message = self.ask("apply", on_event=hear, **head)
        return result

    def said(self) -> list[str]:
        """Progress and notes of the last job."""
        return [str(one["text"]) for one in self.messages if one["event"] in ("progress", "note")]

    def question(self, origin: Origin, path: str) -> dict[str, Any]:
        """What the box says of the file."""
        question = {"ask": "download", "path": path, "sha256": origin.sha256, "size": len(origin.data)}
        [answer] = self.ask("observe", questions=[question])
        return dict(answer)

    def is_there(self, origin: Origin, path: str) -> None:
        """The file is whole, root's, known by its hash, and nothing else is left of it."""
        assert self.lab.ssh(f"sha256sum < {path}").split()[0] == origin.sha256
        assert self.lab.ssh(f"stat -c '%U %G %a' {path}").split() == ["root", "root", "644"]
        answer = self.question(origin, path)
        assert (answer["exists"], answer["sha256"], answer["size"]) == (True, origin.sha256, len(origin.data))
        assert self.lab.ssh(f"ls -A {INCOMING}").strip() == ""

    def unit(self, origin: Origin) -> str:
        """The unit that fetches."""
        return f"strixkit-fetch-{origin.sha256[:12]}.service"


@pytest.fixture(scope="module")
def box(boxes: Callable[..., list[sandbox.Box]], client: Path) -> Fetcher:
    lab = Lab(boxes(1)[0], client, Path("/nowhere/none.gguf"))
    lab.ssh(
        "useradd --system --home-dir / --shell /usr/sbin/nologin strixkit-fetch && "
        f"install -d -m 755 /var/lib/strixkit {MODELS}"
    )
    return Fetcher(lab)


@contextlib.contextmanager
def origin_of(seed: int, size: int = SIZE) -> Iterator[Origin]:
    with serving(content(size, seed), network.GATEWAY) as origin:
        yield origin


def test_it_is_fetched_once_and_placed_as_roots(box: Fetcher) -> None:
    with origin_of(1) as origin:
        path = f"{MODELS}/one.gguf"
        answer = box.question(origin, path)
        assert (answer["exists"], answer["have_bytes"], answer["running"], answer["lacks_bytes"]) == (
            False,
            0,
            False,
            0,
        )
        assert box.run(box.step(origin, path))["ok"], box.messages
        box.is_there(origin, path)
        assert origin.sent() == SIZE
        assert box.run(box.step(origin, path))["ok"]
        assert origin.sent() == SIZE
