"""What aria2c does where a download goes wrong: `python -m benchmarks.fanout.aria2`, a minute, loopback only.

Each line is a case: what happened, counted by the server (tests/hubserver) and by reading the file afterwards.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hubserver import Fault, Hub, serving
from tests.hubserver.faults import FOREVER

SIZE = 100_000_000
RATE = 20e6  # bytes/s, where the middle of a download is wanted
FILE = "some/model/model.gguf"
OPTIONS = (
    "-x4",
    "-s4",
    "-k1M",
    "-c",
    "--no-conf",
    "--no-proxy=*",
    "--summary-interval=0",
    "--auto-file-renaming=false",
)


@dataclass
class Target:
    """A folder that aria2c fetches into, and what it should hold in the end."""

    folder: Path
    data: bytes

    def command(self, options: Sequence[str], urls: Sequence[str]) -> list[str]:
        return ["aria2c", *OPTIONS, "-d", str(self.folder), "-o", "model.gguf", *options, *urls]

    def fetch(self, *urls: str, options: Sequence[str] = ()) -> str:
        """The exit status, whether the file is right, and the seconds."""
        begun = time.monotonic()
        done = subprocess.run(self.command(options, urls), capture_output=True, check=False, timeout=300)
        seconds = time.monotonic() - begun
        return f"exit {done.returncode}, file {'right' if self.read() == self.data else 'WRONG'}, {seconds:.1f} s"

    def half(self, *urls: str, options: Sequence[str] = ()) -> None:
        """Fetch for 2.5 s (50 of 100 MB), then SIGKILL."""
        running = subprocess.Popen(self.command(options, urls), stdout=subprocess.DEVNULL)
        time.sleep(2.5)
        running.kill()
        running.wait()

    def read(self) -> bytes:
        file = self.folder / "model.gguf"
        return file.read_bytes() if file.exists() else b""


class Trial:
    def __init__(self, top: Path) -> None:
        self.top, self.root, self.data = top, top / "origin", os.urandom(SIZE)
        (self.root / FILE).parent.mkdir(parents=True)
        (self.root / FILE).write_bytes(self.data)
        self.checked = f"--checksum=sha-256={hashlib.sha256(self.data).hexdigest()}"

    def target(self) -> Target:
        return Target(Path(tempfile.mkdtemp(dir=self.top)), self.data)

    def killed(self) -> None:
        """Bytes that a SIGKILL costs."""
        for options in (("--auto-save-interval=60",), ("--auto-save-interval=1",)):
            with serving(self.root, rate=RATE) as hub:
                target = self.target()
                target.half(hub.plain(FILE), options=options)
                result = target.fetch(hub.plain(FILE), options=options)
                say(f"SIGKILL in the middle, {options[0]}", result, hub)

    def token(self) -> None:
        """Who gets the token."""
        with serving(self.root, cdn="127.0.0.2") as hub:
            hub.gated["some/model"] = "hf_secret"
            target, names = self.target(), self.top / "names"
            words = f"{resolve(hub)}\n header=Authorization: Bearer hf_secret\n dir={target.folder}\n out=model.gguf\n"
            names.write_text(words)
            result = target.fetch(options=("-i", str(names)))
            got = sorted({one.server for one in hub.requests if one.authorization})
            say("token in an input file", f"{result}; sent to {', '.join(got)}")

    def wrong(self) -> None:
        """A wrong byte, and the time to read the file again."""
        with serving(self.root) as hub:
            for options in ((), (self.checked,)):
                say(f"unlimited, checksum {bool(options)}", self.target().fetch(hub.plain(FILE), options=options))
        with serving(self.root) as hub:
            hub.faults.append(Fault(wrong_at=SIZE // 2, times=FOREVER))
            target = self.target()
            say("one wrong byte", target.fetch(hub.plain(FILE), options=(self.checked,)), hub)
            hub.faults.clear()
            say("  and started again", target.fetch(hub.plain(FILE), options=(self.checked,)), hub)

    def refused(self) -> None:
        """Signatures that expire, servers that are busy, a file that changes."""
        with serving(self.root, cdn="127.0.0.2", rate=RATE) as hub:
            hub.signed_for = 1
            hub.faults.append(Fault(cut=6_000_000, times=4))
            say("signature expired, connections cut", self.target().fetch(resolve(hub)), hub)
        for status in (429, 503):
            with serving(self.root) as hub:
                hub.faults.append(Fault(on="resolve", status=status, retry_after="2", times=2))
                result = self.target().fetch(resolve(hub), options=("--retry-wait=1", "-m5"))
                say(f"{status} with Retry-After: 2, twice", result, hub)
        with serving(self.root, rate=RATE) as hub:
            target = self.target()
            target.half(hub.plain(FILE), options=("--auto-save-interval=1",))
            hub.faults.append(Fault(content=os.urandom(SIZE), times=FOREVER))
            result, got = target.fetch(hub.plain(FILE)), target.read()
            old = sum(got[place] == self.data[place] for place in range(0, SIZE, 4096)) / (SIZE / 4096)
            say("other bytes and ETag in the middle", f"{result}; {old:.0%} of the file is the old one", hub)

    def several(self) -> None:
        """Two sources of a file, and one that has half of it."""
        with serving(self.root, rate=RATE) as hub, serving(self.root, host="127.0.0.3", rate=4 * RATE) as peer:
            result = self.target().fetch(hub.plain(FILE), peer.plain(FILE), options=("-s8",))
            say("origin, and a peer four times as fast", result, hub)
        with serving(self.root, rate=RATE) as hub, serving(self.root, host="127.0.0.3", rate=4 * RATE) as peer:
            peer.faults += [Fault(covers=place, status=416, times=FOREVER) for place in range(SIZE // 2, SIZE, 1 << 20)]
            result = self.target().fetch(hub.plain(FILE), peer.plain(FILE), options=("-s8",))
            say("origin, and such a peer that has half", result, hub)


def resolve(hub: Hub) -> str:
    return f"{hub.url}/some/model/resolve/main/model.gguf"


def say(case: str, result: str, hub: Hub | None = None) -> None:
    sent = f"; from the origin {hub.bytes_sent(FILE) / SIZE:.2f} x the file" if hub else ""
    print(f"{case}: {result}{sent}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(Path(name))
        for part in (trial.killed, trial.token, trial.wrong, trial.refused, trial.several):
            part()
