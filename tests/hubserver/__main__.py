"""By hand: `python -m tests.hubserver FOLDER --port 8000 --rate 20000000`; each request is a line on stdout."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path

from tests.hubserver.server import serving


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hubserver", description=__doc__)
    parser.add_argument("folder", type=Path, help="repositories as OWNER/NAME below it")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--cdn", default="", help="another address, for the bytes of large files")
    parser.add_argument("--rate", type=float, default=0, help="bytes/s over all connections")
    parser.add_argument("--certificate", type=Path, nargs=2, metavar=("FILE", "KEY"), help="serve https")
    given = parser.parse_args()
    certificate = tuple(given.certificate) if given.certificate else None
    with (
        serving(
            given.folder,
            host=given.host,
            port=given.port,
            cdn=given.cdn,
            rate=given.rate,
            certificate=certificate,
            cdn_certificate=certificate,
        ) as hub,
        suppress(KeyboardInterrupt),
    ):
        print(f"HF_ENDPOINT={hub.url}  bytes of large files: {hub.cdn}", flush=True)
        shown = 0
        while True:
            for one in hub.requests[shown:]:
                print(f"{one.peer} {one.method} {one.server} {one.path} {one.range} -> {one.status}", flush=True)
                shown += 1
            time.sleep(0.2)


main()
