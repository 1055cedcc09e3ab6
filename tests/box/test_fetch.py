"""A box fetches a file by the step `fetch`: whole, interrupted, and what it serves. The origin is this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strixkit import sandbox
from strixkit.engine.job import new_id
from strixkit.errors import RemoteError
from strixkit.fleet import verbs
from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.origin import File
from strixkit.remote.agent.fetch.peers import Place
from strixkit.sandbox import network
from tests.box.lab import Abandoned, Lab
from tests.unit.remote.fetch.server import PIECE, Origin, content, serving

pytestmark = pytest.mark.box
SIZE = 48 * PIECE + 4711
CRAWLING = 1.0  # seconds for each 64 KiB of a connection
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
        assert origin.sha256 not in self.lab.ssh(f"ls -A {INCOMING}")

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


def _in_the_middle(box: Fetcher, origin: Origin, path: str, act: Callable[[], object]) -> None:
    """Do something when a part has come, and do not watch the job any longer."""

    def hear(message: Message) -> None:
        if message["event"] == "progress" and origin.sent() > SIZE // 4:
            origin.pause = CRAWLING  # until somebody watches again, however long that takes
            act()
            raise Abandoned

    with pytest.raises(Abandoned):
        box.run(box.step(origin, path), on_message=hear)


def _faster(origin: Origin) -> Callable[[Message], None]:
    """A listener that lets the origin go on when the next run follows the unit."""

    def hear(message: Message) -> None:
        if str(message.get("point", "")).endswith(":fetch"):
            origin.pause = 0

    return hear


def _recorded(box: Fetcher, origin: Origin) -> set[int]:
    text = box.lab.ssh(f"cat {INCOMING}/{origin.sha256}/pieces")
    return {int(line.split()[0]) for line in text.splitlines(keepends=True) if line.endswith("\n")}


def _never_again(origin: Origin, asked: int, recorded: set[int]) -> None:
    """No request from number `asked` on wanted a byte of a recorded piece."""
    assert recorded
    for one in origin.asked[asked:]:
        first, last = (int(word) for word in one.headers["Range"].removeprefix("bytes=").split("-"))
        assert not recorded & set(range(first // PIECE, last // PIECE + 1))


def test_the_unit_outlives_the_job_and_the_next_run_attaches_to_it(box: Fetcher) -> None:
    with origin_of(2) as origin:
        origin.pause, path = 0.02, f"{MODELS}/two.gguf"
        kill = "systemctl kill --signal=KILL 'strixkit-job-*'"
        _in_the_middle(box, origin, path, lambda: box.lab.ssh(kill))
        assert box.question(origin, path)["running"]
        [file] = box.ask("swarm", files=[{"path": path, "sha256": origin.sha256, "size": SIZE}])["files"]
        assert (file["running"], file["assigned"], file["complete"]) == (True, "all", False)
        assert box.run(box.step(origin, path), on_message=_faster(origin))["ok"], box.messages
        assert any("attached to" in text for text in box.said())
        box.is_there(origin, path)
        assert origin.sent() == SIZE


def test_a_unit_that_is_killed_starts_again_by_itself(box: Fetcher) -> None:
    with origin_of(3) as origin:
        origin.pause, path = 0.02, f"{MODELS}/three.gguf"
        killed: list[tuple[int, set[int]]] = []

        def hear(message: Message) -> None:
            if message["event"] == "progress" and not killed and origin.sent() > SIZE // 4:
                box.lab.ssh(f"systemctl kill --signal=KILL {box.unit(origin)}")
                killed.append((len(origin.asked), _recorded(box, origin)))

        assert box.run(box.step(origin, path), on_message=hear)["ok"], box.messages
        box.is_there(origin, path)
        _never_again(origin, *killed[0])


def test_a_box_that_loses_power_goes_on_where_it_was(box: Fetcher) -> None:
    with origin_of(4) as origin:
        origin.pause, path = 0.02, f"{MODELS}/four.gguf"
        _in_the_middle(box, origin, path, lambda: sandbox.power_cut(box.lab.box.name))
        sandbox.start(box.lab.box.name)
        asked, recorded = len(origin.asked), _recorded(box, origin)
        answer = box.question(origin, path)
        assert not answer["running"]
        assert answer["have_bytes"] >= (len(recorded) - 1) * PIECE
        assert box.run(box.step(origin, path), on_message=_faster(origin))["ok"], box.messages
        box.is_there(origin, path)
        _never_again(origin, asked, recorded)


def test_another_request_replaces_the_unit_and_keeps_what_is_recorded(box: Fetcher) -> None:
    with origin_of(5) as origin:
        origin.pause, path = 0.02, f"{MODELS}/five.gguf"
        kill = "systemctl kill --signal=KILL 'strixkit-job-*'"
        _in_the_middle(box, origin, path, lambda: box.lab.ssh(kill))
        changed = box.step(origin, path, url=origin.url + "?again")
        asked, recorded = len(origin.asked), _recorded(box, origin)
        assert box.run(changed, on_message=_faster(origin))["ok"], box.messages
        box.is_there(origin, path)
        _never_again(origin, asked, recorded)
        assert [one for one in origin.asked[asked:] if one.path.endswith("?again")]
        assert not any("attached to" in text for text in box.said())


def test_the_token_is_in_no_command_line_and_in_no_journal(box: Fetcher) -> None:
    box.lab.ssh(
        "install -d -m 700 /etc/strixkit/credentials && cd /etc/strixkit/credentials && "
        f"(umask 077; echo {TOKEN} > huggingface)"
    )
    with origin_of(6) as origin:
        origin.pause, path = 0.02, f"{MODELS}/six.gguf"
        looked: list[str] = []

        def hear(message: Message) -> None:
            if message["event"] == "progress" and not looked and origin.sent() > SIZE // 4:
                looked.append(box.lab.ssh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
                pid = box.lab.ssh(f"systemctl show -p MainPID --value {box.unit(origin)}").strip()
                looked.append(box.lab.ssh(f"tr '\\0' '\\n' < /proc/{pid}/environ; cat /proc/{pid}/status"))

        secret = "c0ffee" * 5
        step = box.step(origin, path, token=True, port=8179, secret=secret)
        assert box.run(step, on_message=hear)["ok"], box.messages
        uid = box.lab.ssh("id -u strixkit-fetch").strip()
        assert f"Uid:\t{uid}\t{uid}" in looked[1]
        assert "CapEff:\t0000000000000000" in looked[1]
        looked.append(box.lab.ssh("journalctl --no-pager -o export"))
        looked.append(json.dumps(box.messages))
        assert not [text for text in looked if TOKEN in text or secret in text]
        # The origin is neither encrypted nor on the box: it gets no token.
        assert {one.headers.get("Authorization") for one in origin.asked} == {None}


def test_what_is_wrong_is_told_with_what_to_do(box: Fetcher) -> None:
    with origin_of(7) as origin:
        origin.fault = lambda number, asked, answer: setattr(answer, "status", 404)
        result = box.run(box.step(origin, f"{MODELS}/seven.gguf"))
        assert not result["ok"]
        assert "answers 404" in result["error"]
        assert "invoke lock" in result["error"]
        origin.fault = None
        box.lab.ssh(f"mount -t tmpfs -o size=8M,mode=755 none {INCOMING}")
        try:
            answer = box.question(origin, f"{MODELS}/seven.gguf")
            assert answer["lacks_bytes"] > SIZE - 9 * PIECE
            result = box.run(box.step(origin, f"{MODELS}/seven.gguf"))
        finally:
            box.lab.ssh(f"umount {INCOMING}")
        assert not result["ok"]
        assert "no space left for" in result["error"]
        assert "49 MiB are needed" in result["error"]


def test_a_file_at_the_path_stays_until_the_right_one_replaces_it(box: Fetcher) -> None:
    with origin_of(8) as origin:
        path = f"{MODELS}/eight.gguf"
        box.lab.ssh(f"echo old > {path}")
        origin.fault = lambda number, asked, answer: setattr(answer, "status", 403)
        assert not box.run(box.step(origin, path))["ok"]
        assert box.lab.ssh(f"cat {path}") == "old\n"
        origin.fault = None
        assert box.run(box.step(origin, path))["ok"]
        box.is_there(origin, path)


def test_a_file_on_another_disk_is_copied_there(box: Fetcher) -> None:
    with origin_of(9) as origin:
        box.lab.ssh("mkdir -p /srv/models && mount -t tmpfs -o size=128M,mode=755 none /srv/models")
        try:
            assert box.run(box.step(origin, "/srv/models/nine.gguf"))["ok"], box.messages
            box.is_there(origin, "/srv/models/nine.gguf")
            assert box.lab.ssh("ls -A /srv/models").split() == ["nine.gguf"]
        finally:
            box.lab.ssh("umount /srv/models")


def test_a_complete_file_is_shared_and_fetched_from_there(box: Fetcher, tmp_path: Path) -> None:
    with origin_of(10) as origin:
        path = f"{MODELS}/ten.gguf"
        assert box.run(box.step(origin, path))["ok"]
        box.lab.ssh(f"chmod 600 {path}")
        sent = origin.sent()
        head = {"path": path, "sha256": origin.sha256, "size": SIZE}
        swarm = box.ask("swarm", files=[head])
        assert swarm["addresses"][0] == box.lab.box.address
        assert not [text for text in swarm["addresses"] if text.startswith("127.")]
        [file] = swarm["files"]
        assert (file["complete"], file["running"], file["sha256"]) == (True, False, origin.sha256)
        asked = {**head, "port": 8180, "secret": "5ec7e7", "seconds": 3}
        unit = box.ask("share", **asked)["unit"]
        assert box.ask("share", **asked)["unit"] == unit
        place = Place(box.lab.box.name, swarm["addresses"], 8180)
        wanted = File(origin.url, origin.sha256, SIZE)
        engine = Engine(str(tmp_path), Request(wanted, "", [place], 0, "5ec7e7"))
        try:
            assert engine.run() == {box.lab.box.name: SIZE}
        finally:
            engine.close()
        assert hashlib.sha256((tmp_path / "data").read_bytes()).hexdigest() == origin.sha256
        assert origin.sent() == sent
        while box.lab.ssh(f"systemctl is-active {unit}", check=False).strip() == "active":
            time.sleep(0.5)
        assert box.lab.ssh("ls -A /run/strixkit-share").strip() == ""
        wrong = {**asked, "sha256": "0" * 64}
        with pytest.raises(RemoteError, match="is not the file with sha256"):
            box.ask("share", **wrong)
