"""`python -m strixkit.sandbox`: the commands that need root."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from strixkit.errors import InputError, StrixError
from strixkit.sandbox.box import boxes, down, power_cut, start, up
from strixkit.sandbox.image import image, install_tools
from strixkit.sandbox.shell import locked, need_root

HARDWARE = Path(__file__).parent / "hardware"
DEFAULT_HARDWARE = {"box01": "framework-128gb", "box02": "framework-64gb"}


def hardware(name: str) -> Path:
    """The file of a hardware identity: a name in strixkit/sandbox/hardware, or a path. Raises InputError."""
    path = HARDWARE / f"{name}.json"
    if path.is_file():
        return path
    if Path(name).is_file():
        return Path(name)
    known = ", ".join(sorted(item.stem for item in HARDWARE.glob("*.json")))
    raise InputError(f"no hardware identity {name!r}; there are {known}, or a path to a JSON file")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m strixkit.sandbox", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    boot = verbs.add_parser("up", help="boot boxes, making those that do not exist")
    boot.add_argument("names", nargs="+")
    boot.add_argument("--client", type=Path, required=True, help="folder of the user's key and known_hosts")
    boot.add_argument("--hardware", help="hardware identity of boxes that are made now")
    end = verbs.add_parser("down", help="end boxes and remove them")
    end.add_argument("names", nargs="*")
    show = verbs.add_parser("list", help="show boxes")
    show.add_argument("--json", action="store_true")
    verbs.add_parser("image", help="build the image")
    for verb in ("power-cut", "start"):
        verbs.add_parser(verb).add_argument("name")
    return parser


def _report(text: str) -> None:
    print(text, flush=True)


def _act(words: argparse.Namespace) -> None:
    if words.verb == "up":
        chosen = {name: words.hardware or DEFAULT_HARDWARE.get(name) for name in words.names}
        files = {name: hardware(found) for name, found in chosen.items() if found}
        up(words.names, hardware=files, client=words.client, report=_report)
    elif words.verb == "down":
        _report("ended: " + (", ".join(down(words.names or None)) or "none was there"))
    elif words.verb == "image":
        need_root()
        with locked():
            install_tools(_report)
            _report(str(image(_report)))
    elif words.verb == "power-cut":
        power_cut(words.name)
    elif words.verb == "start":
        start(words.name)
    else:
        _list(as_json=words.json)


def _list(*, as_json: bool) -> None:
    found = boxes()
    if as_json:
        print(json.dumps([{"name": box.name, "address": box.address, "pid": box.pid} for box in found]))
        return
    for box in found:
        print(f"{box.name}  {box.address}  {'up' if box.pid else 'down'}")
    if not found:
        print("no boxes; invoke sandbox up --names box01 makes one")


def main() -> int:
    """Run one command; exit code 2 for bad input."""
    try:
        _act(_parser().parse_args())
    except StrixError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
