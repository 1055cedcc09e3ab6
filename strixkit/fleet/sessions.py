"""Sessions that stay open for the next question of the same run: a connection costs more than what is asked over it."""

from __future__ import annotations

import threading
from typing import Any

from strixkit.config.host import Host
from strixkit.fleet.verbs import Access, open_host


class Sessions:
    """At most one open session a host. A host is asked by one thread at a time, hosts by several."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._open: dict[str, Any] = {}
        self._lock = threading.Lock()

    def of(self, host: Host) -> Any:
        """The open session, or a new one. Raises ConnectError and what else opening raises."""
        with self._lock:
            found = self._open.get(host.name)
        if found is None:
            found = open_host(host, self._access)
            with self._lock:
                self._open[host.name] = found
        return found

    def drop(self, host: Host) -> None:
        """Close the host's session, if there is one."""
        with self._lock:
            found = self._open.pop(host.name, None)
        if found is not None:
            found.close()

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            found, self._open = list(self._open.values()), {}
        for session in found:
            session.close()
