"""Commands on boxes by plain ssh, and the speed of the link between two of them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LINK_BYTES = 1 << 30
LINK_PORT = 8170
# Plain TCP, nothing read from a disk and nothing written to one.
GIVE = f"""import socket
with socket.create_server(("", {LINK_PORT})) as server:
    print("ready", flush=True)
    link, block = server.accept()[0], bytes(1 << 20)
    for _ in range({LINK_BYTES >> 20}):
        link.sendall(block)
"""
TAKE = """import socket, sys, time
link, block, count = socket.create_connection((sys.argv[1], {port})), bytearray(1 << 20), 0
begun = time.perf_counter()
while got := link.recv_into(block):
    count += got
print(count / (time.perf_counter() - begun))
"""


@dataclass(frozen=True)
class Boxes:
    """name -> address; client: the folder with key and known_hosts."""

    addresses: dict[str, str]
    client: Path

    def first(self, count: int) -> Boxes:
        return Boxes(dict(list(self.addresses.items())[:count]), self.client)

    def argv(self, name: str, command: str) -> list[str]:
        options = ["-i", f"{self.client}/id_ed25519", "-o", f"UserKnownHostsFile={self.client}/known_hosts"]
        return ["ssh", *options, "-o", "BatchMode=yes", f"root@{self.addresses[name]}", command]

    def ssh(self, name: str, command: str) -> str:
        """The stdout of a shell line."""
        done = subprocess.run(self.argv(name, command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{name}: {command}: exit {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
        return done.stdout

    def on_all(self, command: str) -> dict[str, str]:
        """On all of them at once."""
        with ThreadPoolExecutor(len(self.addresses)) as pool:
            return dict(
                zip(self.addresses, pool.map(lambda name: self.ssh(name, command), self.addresses), strict=True)
            )

    def cleared(self, files: str, right: str, times: int) -> Iterator[int]:
        """Turns of a fetch: after each one all boxes' files are right, by SHA-256, and then removed."""
        for turn in range(times):
            yield turn
            for name, found in self.on_all(f"sha256sum {files}").items():
                if found.split()[0] != right:
                    raise SystemExit(f"{name}: wrong file")
            self.forget(files)

    def forget(self, files: str) -> None:
        """Remove files, and end what still gives them to other boxes."""
        units = "systemctl stop 'strixkit-share-*' 'strixkit-fetch-*'"
        self.on_all(f"{units}; rm -f {files}; rm -rf /var/lib/strixkit/incoming/*")

    def link(self) -> float:
        """Bytes/s from the first box to the last; of a single one, to itself."""
        names = list(self.addresses)
        first, last = names[0], names[-1]
        give = subprocess.Popen(
            self.argv(first, f"python3 -c {shlex.quote(GIVE)}"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert give.stdout is not None
        if give.stdout.readline() != b"ready\n":
            raise SystemExit(f"{first}: nothing listens for the measurement of the link")
        take = f"python3 -c {shlex.quote(TAKE.format(port=LINK_PORT))} {self.addresses[first]}"
        speed = float(self.ssh(last, take))
        give.wait()
        return speed
