"""`invoke inspect`: the header of a file from where it lies, its other parts, and what the catalogue makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from strixkit.config.catalogue import load_runtime, runtime_names
from strixkit.config.host import Host
from strixkit.errors import InputError
from strixkit.fleet.verbs import Access, open_host
from strixkit.host.describe import LOADABLE
from strixkit.planner.inspection import Inspection, inspect
from strixkit.planner.splits import FilePart, join, part_names
from strixkit.sources.box import read_on_box
from strixkit.sources.local import read_local
from strixkit.sources.place import Place
from strixkit.sources.url import read_urls

Read = Callable[[Sequence[str]], list[FilePart]]


def inspect_file(place: Place, host: Host | None, access: Access) -> Inspection:
    """The facts of the file at a place; `host` is the box of a place on a box.

    Raises InputError, ConnectError or RemoteError if the file itself has no readable header. What is wrong with
    its other parts is told among its problems.
    """
    runtimes = {name: LOADABLE[load_runtime(name).loads] for name in runtime_names()}
    names = part_names(place.path)
    with _reader(place, host, access) as read:
        [first] = read([place.path])
        if first.failure is not None:
            raise first.failure
        others = [name for name in names if name != place.path]
        found = dict(zip(others, read(others) if others else [], strict=True))
    return inspect(join([found.get(name, first) for name in names]), runtimes)


@contextmanager
def _reader(place: Place, host: Host | None, access: Access) -> Iterator[Read]:
    if place.kind == "local":
        yield read_local
    elif place.kind == "url":
        yield read_urls
    else:
        if host is None:
            raise InputError(f"{place.host} is no host of the inventory")
        with closing(open_host(host, access)) as session:
            yield lambda paths: read_on_box(session, host.name, paths)
