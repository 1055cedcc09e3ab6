"""`python -m strixkit.golden`: record a completion, or measure how far another server or device is from it.

python -m strixkit.golden record stock --tolerance 0.5 -- /usr/bin/llama-server
python -m strixkit.golden measure stock --device Vulkan0 -- /usr/bin/llama-server
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strixkit import golden
from strixkit.remote.agent.build import child, devices
from strixkit.remote.agent.build import golden as compare

RECORDED_TOP = 4  # of each position
SECONDS = 300
ARGUMENTS = [
    *("-m", "{model}", "-dev", "{device}", "-ngl", "99", "-fa", "on", "-c", "2048", "--parallel", "1"),
    *("--no-warmup", "--host", "127.0.0.1", "--port", "{port}"),
]
# Long enough for matrix products of a whole batch, and then one token after the other.
REQUEST = {
    "prompt": "The quick brown fox jumps over the lazy dog. " * 8,
    "temperature": 0,
    "seed": 1,
    "n_predict": 12,
    "n_probs": 64,
    "cache_prompt": False,
}


def ask(server: list[str], model: Path, device: str, request: dict[str, Any], arguments: list[str]) -> dict[str, Any]:
    """The answer of a server on a device. Raises SystemExit with its log."""
    words = {"{model}": str(model), "{device}": device}
    argv = [*server, *(words.get(word, word) for word in arguments)]
    answer = child.serve({"argv": argv, "environment": dict(os.environ), "body": request, "seconds": SECONDS})
    if answer["failure"]:
        sys.exit(f"{answer['failure']}\n{answer['log']}")
    found: dict[str, Any] = answer["answer"]
    return found


def record(loads: str, model: Path, server: list[str], words: argparse.Namespace) -> None:
    """Write the recorded completion, on the CPU; what was measured before is kept."""
    answer = ask(server, model, "none", REQUEST, ARGUMENTS)
    said = subprocess.run([*server, "--version"], capture_output=True, text=True, check=True)
    before = golden.expected(loads) or {}
    value = {
        "model": model.name,
        "bytes": model.stat().st_size,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "arguments": ARGUMENTS,
        "request": REQUEST,
        "tolerance": words.tolerance,
        "tokens": compare.recorded(answer, RECORDED_TOP),
        "recorded": {
            "version": devices.version(said.stdout + said.stderr),
            "source": words.source,
            "device": f"CPU, {platform.machine()}",
            "date": datetime.now(tz=UTC).date().isoformat(),
        },
        "measured": before.get("measured", []),
    }
    (golden.HERE / f"{loads}.json").write_text(dump(value))


def dump(value: dict[str, Any]) -> str:
    """JSON with a line for each token and each measurement."""
    lines = []
    for key, item in value.items():
        if key in ("tokens", "measured"):
            rows = ",\n".join(f"  {json.dumps(row)}" for row in item)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n ]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(item)}")
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def main() -> int:
    """One command; the words after `--` are the server's, with what has to stand before them (chroot, env)."""
    parser = argparse.ArgumentParser(prog="python -m strixkit.golden", description=__doc__)
    parser.add_argument("verb", choices=["record", "measure"])
    parser.add_argument("loads", choices=["rocmfp4", "stock"])
    parser.add_argument("--model", type=Path, help="another file in its place")
    parser.add_argument("--device", default="none")
    parser.add_argument("--tolerance", type=float, default=0.5)
    parser.add_argument("--source", default="", help="what the recorded server was built from")
    parser.add_argument("server", nargs="+")
    words = parser.parse_args()
    model = words.model or golden.model(words.loads)
    if words.verb == "record":
        record(words.loads, model, words.server, words)
        return 0
    expected = golden.expected(words.loads) or {}
    answer = ask(words.server, model, words.device, expected["request"], expected["arguments"])
    try:
        print(f"{compare.largest_difference({**expected, 'tolerance': math.inf}, answer):.5f} nats")
    except compare.Wrong as error:
        print(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
