"""What runs in the unit as the user that fetches: one file into one folder, and then for other boxes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import Any, Dict

from strixkit.remote.agent import credentials
from strixkit.remote.agent.fetch import folder, pieces, status
from strixkit.remote.agent.fetch.engine import Engine, Request
from strixkit.remote.agent.fetch.origin import File
from strixkit.remote.agent.fetch.peers import Place

TOKEN = "huggingface"  # of LoadCredential=


def main() -> int:
    """The folder is the only argument; what is wanted lies in it. Ends when nobody needs it any more."""
    here = sys.argv[1]
    engine = Engine(here, request_of(folder.read(here, folder.REQUEST), _token()), say=_print)
    signal.signal(signal.SIGTERM, lambda number, frame: None if engine.end_soon() else os._exit(0))
    began = time.monotonic()
    try:
        sources = engine.run()
    except Exception as error:  # whatever it was must be told to who waits
        text = str(error) if str(error) else type(error).__name__
        _print(text)
        done: "Dict[str, Any]" = {"ok": False, "error": text}
    else:
        done = {"ok": True, "sources": sources, "seconds": round(time.monotonic() - began, 1)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    status.replace(os.path.join(here, folder.DONE), done)
    engine.serve_on()
    return 0 if done["ok"] else 1


def request_of(value: "Dict[str, Any]", token: str) -> Request:
    """The request that root wrote."""
    peers = [
        Place(pieces.source(str(one["name"])), [str(address) for address in one["addresses"]], int(one["port"]))
        for one in value["peers"]
    ]
    file = File(str(value["url"]), str(value["sha256"]), int(value["size"]), token)
    return Request(file, str(value["pieces"]), peers, int(value["port"]), str(value["secret"]))


def _token() -> str:
    found = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return (credentials.first_line(os.path.join(found, TOKEN)) or "") if found else ""


def _print(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
