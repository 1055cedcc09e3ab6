"""Several boxes that want the same file, the server it comes from, and what each box has recorded of it."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from strixkit.sandbox import Box, network
from tests import hubserver
from tests.box.lab import Lab
from tests.hubserver import Hub

ROOT = Path(__file__).parent.parent.parent
INCOMING = Path("var/lib/strixkit/incoming")
PIECE = 1 << 20


@dataclass
class House:
    """The boxes, their inventory, and a file of the hub that is the model of each one's only service."""

    boxes: list[Box]
    client: Path
    hub: Hub
    folder: Path
    file: Path
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes."""
        return self.file.stat().st_size

    @property
    def name(self) -> str:
        """As the server's log names the file: OWNER/NAME/path."""
        return self.file.relative_to(self.hub.folder.root).as_posix()

    @property
    def path(self) -> str:
        """Where the file is on a box."""
        return f"/var/lib/strixkit/models/tiny-{self.sha256[:12]}.gguf"

    def inventory(self) -> Path:
        """Written anew: the file may have changed."""
        source = {"url": self.hub.plain(self.name), "sha256": self.sha256, "size_bytes": self.size}
        variables = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.client / "id_ed25519"),
            "strix_known_hosts": str(self.client / "known_hosts"),
            "strix_runtime": "debian",
            "strix_environment": {"GGML_VK_VISIBLE_DEVICES": "0"},
            "strix_services": {"main": {"model": "tiny", "source": source}},
            **self.more,
        }
        hosts = {box.name: {"ansible_host": box.address} for box in self.boxes}
        path = self.folder / "inventory.yaml"
        path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}))
        return path

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start `invoke`, in a process group of its own."""
        program = Path(sys.executable).parent / "invoke"
        return subprocess.Popen(
            [program, *words, "--inventory", str(self.inventory())],
            cwd=ROOT,
            env={**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def invoke(self, *words: str, code: int = 0) -> str:
        """Run `invoke` to its end, which is with this exit code; returns what it said."""
        process = self.begin(*words)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == code, said
        return said

    def lab(self, number: int) -> Lab:
        """A box for looks by plain ssh."""
        return Lab(self.boxes[number], self.client, self.file)

    def verified(self) -> list[str]:
        """Names of the boxes that have exactly the file in its place."""
        found = []
        for box in self.boxes:
            there = box.root / self.path.lstrip("/")
            if there.is_file() and hashlib.sha256(there.read_bytes()).hexdigest() == self.sha256:
                found.append(box.name)
        return found

    def forget(self) -> None:
        """Remove the file from all boxes."""
        for box in self.boxes:
            (box.root / self.path.lstrip("/")).unlink(missing_ok=True)


@contextmanager
def served(
    boxes: Callable[..., list[Box]], client: Path, folder: Path, *, size: int, rate: float = 0
) -> Iterator[House]:
    """Three boxes and a file of `size` random bytes at a hub that sends `rate` bytes/s, or as fast as it can."""
    file = folder / "hub/owner/models/big.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(random.Random(size).randbytes(size))
    made = boxes(3)  # first: their bridge has the hub's address
    with hubserver.serving(folder / "hub", host=network.GATEWAY, rate=rate) as hub:
        yield House(made, client, hub, folder, file)
