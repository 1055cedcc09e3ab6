"""Boots the boxes, runs the three tools in turn, writes the table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.converge import state, theirs
from strixkit import sandbox

HERE = Path(__file__).parent
COUNTS = (1, 3, 10)
REPEATS = 5
FIRST_BOX = 31
RESET = (
    f"systemctl disable --now {state.UNIT} 2>/dev/null; rm -rf /opt/bench /etc/systemd/system/{state.UNIT}; "
    f"systemctl daemon-reload; userdel {state.USER} 2>/dev/null; groupdel {state.GROUP} 2>/dev/null; true"
)


def peers(folder: Path) -> Path:
    """A venv with ansible-core and pyinfra; made once."""
    if not (folder / "bin/pyinfra").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "ansible-core", "pyinfra"], check=True)
    return folder / "bin"


def ssh(client: Path, address: str, command: str) -> None:
    options = [
        "-i",
        str(client / "id_ed25519"),
        "-o",
        f"UserKnownHostsFile={client}/known_hosts",
        "-o",
        "BatchMode=yes",
    ]
    subprocess.run(["ssh", *options, f"root@{address}", command], check=True, capture_output=True)


def on_all(client: Path, boxes: dict[str, str], command: str) -> None:
    with ThreadPoolExecutor(len(boxes)) as pool:
        list(pool.map(lambda address: ssh(client, address, command), boxes.values()))


def timed(argv: list[str], cwd: Path) -> float:
    environment = {**os.environ, "ANSIBLE_CONFIG": str(cwd / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(cwd / "tmp")}
    begun = time.perf_counter()
    done = subprocess.run(argv, cwd=HERE.parent.parent, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{argv[:3]} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return seconds


def floor(client: Path, boxes: dict[str, str]) -> float:
    begun = time.perf_counter()
    options = [
        "-i",
        str(client / "id_ed25519"),
        "-o",
        f"UserKnownHostsFile={client}/known_hosts",
        "-o",
        "BatchMode=yes",
    ]
    running = [subprocess.Popen(["ssh", *options, f"root@{address}", "true"]) for address in boxes.values()]
    for process in running:
        if process.wait() != 0:
            raise SystemExit("ssh failed")
    return time.perf_counter() - begun


def measure(client: Path, tools: Path, boxes: dict[str, str]) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {
            "strixkit": [
                *(sys.executable, "-m", "benchmarks.converge.ours", str(client)),
                *(f"{box}={address}" for box, address in boxes.items()),
            ],
            "pyinfra": [str(tools / "pyinfra"), *theirs.pyinfra(folder, client, boxes)],
            "ansible-core": [str(tools / "ansible-playbook"), *theirs.ansible(folder, client, boxes)],
        }
        for tool, argv in commands.items():
            on_all(client, boxes, RESET)
            first = timed(argv, folder)
            rounds = REPEATS if tool == "strixkit" else 3
            again = [timed(argv, folder) for _ in range(rounds)]
            result[tool] = {"first": first, "unchanged": statistics.median(again)}
            print(
                f"{len(boxes)} boxes  {tool}: first {first:.2f} s, unchanged {result[tool]['unchanged']:.2f} s",
                flush=True,
            )
        floors = [floor(client, boxes) for _ in range(REPEATS)]
        result["floor"] = {"first": statistics.median(floors), "unchanged": statistics.median(floors)}
        print(f"{len(boxes)} boxes  floor {result['floor']['unchanged']:.2f} s", flush=True)
    return result


def table(results: dict[int, dict[str, dict[str, float]]]) -> str:
    lines = [
        f"{state.COUNT} resources; seconds, and in brackets the ratio to `ssh host true` on all boxes in parallel",
        "",
        "| boxes | | floor | strixkit | pyinfra | ansible-core |",
        "|---|---|---|---|---|---|",
    ]
    for count, result in results.items():
        base = result["floor"]["unchanged"]
        for kind in ("first", "unchanged"):
            cells = [
                f"{result[tool][kind]:.2f} ({result[tool][kind] / base:.1f})"
                for tool in ("strixkit", "pyinfra", "ansible-core")
            ]
            lines.append(f"| {count} | {kind} | {base:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    cache = Path("~/.cache/strixkit").expanduser()
    tools = peers(cache / "benchmark-peers")
    client = cache / "benchmark-client"
    client.mkdir(parents=True, exist_ok=True)
    names = [f"box{FIRST_BOX + number}" for number in range(max(COUNTS))]
    sandbox.down(names)
    try:
        made = sandbox.up(names, client=client, report=print)
        addresses = {box.name: box.address for box in made}
        results = {count: measure(client, tools, dict(list(addresses.items())[:count])) for count in COUNTS}
    finally:
        sandbox.down(names)
    (HERE / "result.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "result.md").write_text(table(results))
    print(table(results))


main()
