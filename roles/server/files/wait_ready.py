#!/usr/bin/env -S python3 -I
"""ExecStartPost of llama-server: returns 0 when the server answers, 1 when its process is gone.

Usage: wait-ready ADDRESS PORT. systemd sets MAINPID and ends this by TimeoutStartSec.
"""

import http.client
import os
import sys
import time


def alive(pid: int) -> bool:
    """True while the server's process exists; /proc does not show it to the units' own user namespaces."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ready(address: str, port: int) -> bool:
    """True when /health answers 200; until the model is loaded every path answers 503."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Poll until one of the two is certain."""
    address, port, pid = sys.argv[1], int(sys.argv[2]), int(os.environ["MAINPID"])
    while alive(pid):
        if ready(address, port) and alive(pid):
            return 0
        time.sleep(0.1)
    print(f"llama-server (process {pid}) ended before it could answer", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
