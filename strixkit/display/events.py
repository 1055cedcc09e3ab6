"""Renderers of events: a live table on a terminal, plain lines in a pipe, nothing for --json."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strixkit.display.counted import Tenths, bar, share
from strixkit.display.text import change_line, clean, one_line
from strixkit.engine.events import Emit, Event, ignore

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

MARKS = {
    "change": "~",
    "fixed": "FIXED ",
    "failed": "FAILED",
    "pending": "WAITS ",
    "reboot": "reboot:",
    "note": "note:",
    "progress": "  ...",
}


def _line(event: Event) -> str:
    if event.change is not None:
        return f"~ {change_line(event.change)}"
    body = " ".join(part for part in (one_line(event.resource), clean(event.text)) if part)
    return f"{MARKS[event.kind]} {body}"


def mute_stdout() -> None:
    """Print to nowhere from now on: who reads the pipe has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def renderer(*, quiet: bool) -> Iterator[Emit]:
    """Yield the function that takes events; `quiet` for --json."""
    if quiet:
        yield ignore
    elif sys.stdout.isatty():
        with _Live() as live:
            yield live.emit
    else:
        yield _Plain().emit


class _Plain:
    """One line for each event, with the host's name in front."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenths = Tenths()

    def emit(self, event: Event) -> None:
        if event.kind not in MARKS:
            return
        with self._lock:
            if event.kind != "progress" or self._tenths.worth(event.host, event.resource, event.text):
                self._print(f"{event.host}  {_line(event)}")

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:  # who reads the pipe has left, e.g. `| head`: the work goes on, unseen
            mute_stdout()


class _Live:
    """A table with one row a host that follows what goes on; changes and results scroll above it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._rows: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> _Live:
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def emit(self, event: Event) -> None:
        with self._lock:
            live = self._started()
            self._rows[event.host] = (one_line(event.resource), one_line(event.text))
            if event.kind in MARKS and event.kind != "progress":
                live.console.print(f"{event.host}  {_line(event)}", markup=False, highlight=False)
            live.update(self._table())

    def _started(self) -> Live:
        # rich is imported at the first event: a host where nothing is to do never needs it.
        if self._live is None:
            from rich.live import Live

            self._live = Live(self._table(), console=self._console, transient=True, refresh_per_second=8)
            self._live.start()
        return self._live

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for host, (resource, text) in self._rows.items():
            done = share(text)
            table.add_row(
                Text(host, "bold"), Text(resource), Text("" if done is None else bar(done)), Text(text, "dim")
            )
        return table
