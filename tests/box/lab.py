"""What the box tests share: hosts for embedded boxes, deploys with captured events, and looks at a box by plain ssh."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strixkit.config.host import Host, Provisioning, Service
from strixkit.config.source import ModelSource
from strixkit.engine.events import Event
from strixkit.engine.values import Outcome
from strixkit.fleet import verbs
from strixkit.sandbox import Box
from strixkit.secret import Secret


class Abandoned(Exception):
    """Raised out of a running deploy: the controller is gone, its connection closed."""


@dataclass
class Lab:
    """One box, its host of the inventory, and what it said."""

    box: Box
    client: Path
    model: Path
    profile: str = "coding"
    user: str = "root"
    password: Secret | None = None
    runtime: str = "debian"
    port: int | None = None
    listen: str | None = None
    more: dict[str, int] = field(default_factory=dict)  # other services beside `main`: name -> port
    environment: dict[str, str] = field(default_factory=lambda: {"GGML_VK_VISIBLE_DEVICES": "0"})
    provisioning: Provisioning = field(default_factory=Provisioning)
    events: list[Event] = field(default_factory=list)

    def host(self) -> Host:
        """The host as an inventory would describe it."""
        source = ModelSource(controller=str(self.model))
        ports = {"main": self.port, **self.more}
        return Host(
            name=self.box.name,
            address=self.box.address,
            user=self.user,
            identity_file=str(self.client / "id_ed25519"),
            known_hosts=str(self.client / "known_hosts"),
            runtime=self.runtime,
            environment=self.environment,
            provisioning=self.provisioning,
            services={
                name: Service(profile=self.profile, model="tiny", source=source, port=port, listen=self.listen)
                for name, port in ports.items()
            },
        )

    def deploy(
        self,
        *,
        replan: bool = False,
        hold_at: str = "",
        on_held: Callable[[], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Outcome:
        """Deploy; `on_held` runs when the job holds, `on_event` at each event; both may raise Abandoned."""
        self.events.clear()

        def emit(event: Event) -> None:
            self.events.append(event)
            if on_event is not None:
                on_event(event)
            if event.kind == "held" and on_held is not None:
                on_held()

        access = verbs.Access(self.password)
        return verbs.deploy(self.host(), access, emit, what="test", profiles={}, replan=replan, hold_at=hold_at)

    def points(self) -> list[str]:
        """Every point that the last deploy's jobs passed."""
        return [event.text for event in self.events if event.kind == "reached"]

    def ssh(self, command: str, *, check: bool = True, user: str = "root", stdin: str | None = None) -> str:
        """Run a shell line on the box by the system's own ssh."""
        done = subprocess.run(
            ["ssh", *self.options(), f"{user}@{self.box.address}", command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def put(self, file: Path, path: str) -> None:
        """Copy a file to the box."""
        with file.open("rb") as data:
            command = ["ssh", *self.options(), f"root@{self.box.address}", f"cat > {shlex.quote(path)}"]
            subprocess.run(command, stdin=data, check=True, timeout=60)

    def options(self) -> list[str]:
        """The options of ssh that make it use the boxes' key and known_hosts only."""
        return [
            *("-i", str(self.client / "id_ed25519")),
            *("-o", f"UserKnownHostsFile={self.client / 'known_hosts'}"),
            *("-o", "StrictHostKeyChecking=yes"),
            *("-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes"),
        ]

    def chat(self) -> dict[str, Any]:
        """A chat completion from outside, over the network, with the service's key."""
        key = verbs.api_key(self.host(), verbs.Access(self.password), service="main").reveal()
        body = json.dumps({"messages": [{"role": "user", "content": "Say the alphabet."}], "max_tokens": 64})
        script = (
            f"curl -sS -m 60 -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' "
            f"-d @- http://127.0.0.1:{self.port or 8080}/v1/chat/completions"
        )
        answer: dict[str, Any] = json.loads(self.ssh(script, stdin=body))
        return answer

    def current(self) -> str:
        """The release that `current` points to."""
        return self.ssh("basename $(readlink /var/lib/strixkit/services/main/current) 2>/dev/null", check=False).strip()

    def current_profile(self) -> str:
        """The profile of the release in service."""
        manifest = json.loads(self.ssh("cat /var/lib/strixkit/services/main/current/manifest.json"))
        return str(manifest["profile"])

    def running(self) -> str:
        """The release that the live process was started from, by its environment."""
        pid = self.ssh("systemctl show -p MainPID --value llama-server-main.service").strip()
        text = self.ssh(f"tr '\\0' '\\n' < /proc/{pid}/environ 2>/dev/null", check=False)
        return next((line.partition("=")[2] for line in text.splitlines() if line.startswith("STRIXKIT_DIGEST=")), "")

    def gated(self) -> list[str]:
        """The releases that the journal says passed the gate, oldest first."""
        lines = self.ssh("cat /var/lib/strixkit/journal.jsonl 2>/dev/null", check=False).splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry["release"] for entry in entries if entry["event"] == "gated"]
