"""Boots the boxes, lets them fetch the same file by each tool in turn, writes the table."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.fanout.boxes import Boxes
from benchmarks.fanout.table import TOOLS, Result, Run, keep, middle, table
from strixkit import sandbox
from strixkit.sandbox import network
from tests.hubserver import Hub, serving

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
COUNTS = (1, 3, 8)
REPEATS = 3
FIRST_BOX = 81
USUAL, RATE = 400, 20e6  # MB of the file; bytes/s of the origin over all connections
FILE, WARM = "bench/model/model.gguf", "bench/warm/warm.gguf"


def sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def origin(root: Path, size: int) -> None:
    """The file of `size` bytes, and a small one for the first `invoke pull` of a box."""
    for file, length in ((FILE, size), (WARM, 1_000_000)):
        (root / file).parent.mkdir(parents=True)
        with (root / file).open("wb") as data:
            while left := length - data.tell():
                data.write(os.urandom(min(left, 1 << 20)))


def url(hub: Hub, file: str) -> str:
    repo, _, name = file.rpartition("/")
    return f"{hub.url}/{repo}/resolve/main/{name}"


def inventory(path: Path, hub: Hub, boxes: Boxes, file: str) -> Path:
    """Write one with the boxes and the file as their service's model; its path."""
    here = hub.folder.root / file
    source = {"url": url(hub, file), "sha256": sha256(here), "size_bytes": here.stat().st_size}
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(boxes.client / "id_ed25519"),
        "strix_known_hosts": str(boxes.client / "known_hosts"),
        "strix_runtime": "debian",
        "strix_model": "tiny",
        "strix_services": {"main": {"source": source}},
    }
    hosts = {name: {"ansible_host": address} for name, address in boxes.addresses.items()}
    # JSON is YAML.
    path.write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}))
    return path


def pull(path: Path, boxes: Boxes) -> None:
    argv = [str(Path(sys.executable).parent / "invoke"), "pull", "--host", ",".join(boxes.addresses)]
    done = subprocess.run([*argv, "--inventory", str(path)], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"invoke pull failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def measure(hub: Hub, folder: Path, boxes: Boxes, wanted: Sequence[str]) -> Result:
    """Some tools in turn, each on all of these boxes at once; ours several times, for the median."""
    right, place, ours = sha256(hub.folder.root / FILE), "/root/fanout.gguf", "/var/lib/strixkit/models/tiny-*.gguf"
    source, path = url(hub, FILE), inventory(folder / "fanout.yaml", hub, boxes, FILE)
    aria2 = f"aria2c --no-conf -q -x4 -s4 -k1M --checksum=sha-256={right} -d /root -o fanout.gguf {source}"
    tools: dict[str, tuple[Callable[[], object], str]] = {
        "strixkit": (lambda: pull(path, boxes), ours),
        "aria2c": (lambda: boxes.on_all(aria2), place),
        "curl": (lambda: boxes.on_all(f"curl -fsSL -o {place} {source}"), place),
    }
    # What a box needs once, whatever the file, is not measured.
    pull(inventory(folder / "warm.yaml", hub, boxes, WARM), boxes)
    boxes.forget(ours)
    link = statistics.median(boxes.link() for _ in range(REPEATS))
    result = Result(len(boxes.addresses), (hub.folder.root / FILE).stat().st_size, RATE, link)
    for tool in wanted:
        fetch, files = tools[tool]
        runs = [run(hub, fetch, result.size) for _ in boxes.cleared(files, right, REPEATS if tool == "strixkit" else 1)]
        result.tools[tool] = middle(runs)
        print(f"{len(boxes.addresses)} boxes  {tool}: {runs}", flush=True)
    return result


def run(hub: Hub, fetch: Callable[[], object], size: int) -> Run:
    """One fetch of a file of `size` bytes by all boxes, and what the origin saw of it."""
    hub.requests.clear()
    load, begun = os.getloadavg()[0], time.monotonic()
    fetch()
    ended = time.monotonic()
    given = [one for one in hub.requests if one.file == FILE and one.sent]
    first, last = min(one.begun for one in given), max(one.sent_at for one in given)
    return Run(ended - begun, hub.bytes_sent(FILE) / size, first - begun, last - first, ended - last, load)


@contextmanager
def booted(client: Path) -> Iterator[Boxes]:
    names = [f"box{FIRST_BOX + number}" for number in range(max(COUNTS))]
    sandbox.down(names)
    try:
        made = sandbox.up(names, client=client, report=print)
        boxes = Boxes({box.name: box.address for box in made}, client)
        boxes.on_all("apt-get update -q && apt-get install -y -q aria2 curl")
        yield boxes
    finally:
        sandbox.down(names)


def main() -> None:
    size = next((int(word) for word in sys.argv[1:] if word.isdigit()), USUAL)
    wanted = [word for word in sys.argv[1:] if not word.isdigit()] or list(TOOLS)
    if unknown := [tool for tool in wanted if tool not in TOOLS]:
        raise SystemExit(f"unknown {', '.join(unknown)}; wanted some of {', '.join(TOOLS)}, and MB of the file")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "client").mkdir()
        origin(folder / "origin", size * 1_000_000)
        with booted(folder / "client") as boxes, serving(folder / "origin", host=network.GATEWAY, rate=RATE) as hub:
            results = [measure(hub, folder, boxes.first(count), wanted) for count in COUNTS]
    name = "result" if size == USUAL else f"result-{size}"
    saved = HERE / f"{name}.json"
    if saved.exists():
        keep(results, json.loads(saved.read_text()))
    saved.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    (HERE / f"{name}.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
