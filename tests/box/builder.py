"""The step `build` on a box, as a job of its own: what the tests of building share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from strixkit.engine.job import new_id
from strixkit.fleet import verbs
from strixkit.remote.session import Session
from tests.box.gitserver import Repository
from tests.box.lab import Abandoned, Lab

PACKAGES = ("git", "cmake", "ninja-build", "g++", "ccache")
CACHE = "/var/cache/strixkit/build"
CONFIGURE = (
    *("cmake", "-S", "{source}", "-B", "{build}", "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON"),
    *("-DCMAKE_INSTALL_RPATH=$ORIGIN", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"),
)
BUILD = ("cmake", "--build", "{build}", "--parallel", "{jobs}", "--target", "llama-server")

Spec = dict[str, Any]
Message = dict[str, Any]


def prepare(lab: Lab) -> None:
    """Tools by apt, and the two users that the roles make."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "
    lab.ssh(
        f"apt-get update -qq && {install} {' '.join(PACKAGES)} && "
        f"useradd --system --home-dir {CACHE} --shell /usr/sbin/nologin strixkit-build && useradd --system llama"
    )


@dataclass
class Builder:
    """One box that builds, and what its last job said."""

    lab: Lab
    toy: Repository
    messages: list[Message] = field(default_factory=list)

    def spec(self, commit: str, **changes: Any) -> Spec:
        """What the controller would send for the toy at a commit."""
        spec: Spec = {
            "name": "toy",
            "source": {"repository": self.toy.url, "ref": "main", "commit": commit},
            "configure": [list(CONFIGURE)],
            "build": [list(BUILD)],
            "environment": {"CMAKE_GENERATOR": "Ninja"},
            "programs": ["llama-server"],
            "job_mib": 256,
            "inputs": {"definition": "", "tools": {}, "base": {}},
            "verify": {
                "commit": commit,
                "devices": [],
                "software": True,
                "user": "llama",
                "sandbox": [],
                "environment": {},
                "golden": None,
            },
            "jobs": 2,
        }
        spec["environment"].update(changes.pop("environment", {}))
        spec.update(changes)
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
        return {"id": f"toy-{commit[:12]}-{digest[:12]}", **spec}

    def session(self) -> Session:
        """A conversation with the box's agent."""
        session: Session = verbs.open_host(self.lab.host(), verbs.Access(None))
        return session

    def run(self, spec: Spec, *, hold_at: str = "", on_message: Callable[[Message], None] | None = None) -> Message:
        """Build as a job; returns its last event. `on_message` may raise Abandoned: the controller is gone."""
        self.messages.clear()

        def hear(message: Message) -> None:
            self.messages.append(message)
            if on_message is not None:
                on_message(message)

        session = self.session()
        request = {
            "job": new_id(),
            "who": "tester",
            "what": "build",
            "hold_at": hold_at,
            "questions": [],
            "answers": [],
            "changes": [],
            "releases": [],
            "steps": [{"step": "build", "resource": "build:toy", "spec": spec}],
        }
        try:
            result: Message = session.request("apply", on_event=hear, **request)
        finally:
            session.close()
        return result

    def attach(self) -> None:
        """Watch a job that nobody watches to its end."""
        session = self.session()
        try:
            if session.request("facts")["job"]:
                session.request("attach")
        finally:
            session.close()

    def ask(self, do: str, **fields: Any) -> Any:
        """One request to the agent."""
        session = self.session()
        try:
            return session.request(do, **fields)
        finally:
            session.close()

    def state(self, spec: Spec) -> str:
        """What the box says of a build: finished, partial, ..."""
        [answer] = self.ask("observe", questions=[{"ask": "build", "id": spec["id"]}])
        return str(answer["state"])

    def said(self) -> list[str]:
        """Progress and notes of the last job."""
        return [str(message["text"]) for message in self.messages if message["event"] in ("progress", "note")]

    def points(self) -> list[str]:
        """Where the last job could have been held, each once."""
        return list(dict.fromkeys(str(one["point"]) for one in self.messages if one["event"] == "reached"))

    def log(self, spec: Spec) -> str:
        """The build's log."""
        return self.lab.ssh(f"cat {CACHE}/work/{spec['id']}/build.log")

    def forget(self, spec: Spec) -> None:
        """As if it had never been built; ccache stays."""
        name = spec["id"]
        self.lab.ssh(
            f"rm -rf {CACHE}/work/{name} {CACHE}/mirrors/* /var/lib/strixkit/builds/{name} "
            f"/var/lib/strixkit/builds/.new-{name}; systemctl stop 'strixkit-build-*'; true"
        )


def finished(box: Builder, spec: Spec) -> None:
    """The build is there, is root's, and runs from where it is."""
    assert box.state(spec) == "finished"
    folder = f"/var/lib/strixkit/builds/{spec['id']}"
    assert box.lab.ssh(f"find {folder} ! -user root").strip() == ""
    said = box.lab.ssh(f"cd / && setpriv --reuid=llama --clear-groups {folder}/llama-server --version 2>&1")
    assert f"({spec['source']['commit'][:7]}" in said


# Interruptions


def open_gate(box: Builder, spec: Spec) -> None:
    """Let a compile with GATE in its environment go on."""
    box.lab.ssh(f"touch {CACHE}/work/{spec['id']}/build/go")


def opening(box: Builder, spec: Spec, beginning: str) -> Callable[[Message], None]:
    """A listener that opens the gate at the first message that begins so."""
    heard: list[str] = []

    def hear(message: Message) -> None:
        if str(message.get("text", "")).startswith(beginning) and not heard:
            heard.append(beginning)
            open_gate(box, spec)

    return hear


def kill_job(box: Builder) -> None:
    """End the job's processes; the unit that compiles is none of them."""
    box.lab.ssh("systemctl kill --signal=KILL 'strixkit-job-*'")


def abandoned(box: Builder, spec: Spec, point: str, act: Callable[[], object]) -> None:
    """Do something while the job holds at a point, and do not watch it any longer."""

    def hear(message: Message) -> None:
        if message["event"] == "held":
            act()
            raise Abandoned

    with pytest.raises(Abandoned):
        box.run(spec, hold_at=point, on_message=hear)


def in_the_middle(box: Builder, spec: Spec, act: Callable[[], object]) -> None:
    """The same in the middle of the compile, which waits at its gate."""

    def hear(message: Message) -> None:
        if str(message.get("text", "")).startswith("["):
            act()
            raise Abandoned

    with pytest.raises(Abandoned):
        box.run(spec, on_message=hear)
