"""What boxes have of the files that some of them want, and each one's part in fetching them together."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strixkit.config.host import Host
from strixkit.engine.events import Emit, Event
from strixkit.errors import RemoteError
from strixkit.fleet.run import Failure, ask_each
from strixkit.fleet.sessions import Sessions
from strixkit.host.context import ModelFile
from strixkit.host.swarm import PORT, Holding, assign, parse_ranges, pieces_of, ranges
from strixkit.resources.download import Part, Peer

IDLE_SECONDS = 120  # then a box that only gives stops doing so
MOST_ADDRESSES = 16


@dataclass(frozen=True)
class Seen:
    """One box: its addresses on the LAN, and sha256 -> what it has of that file."""

    host: Host
    addresses: tuple[str, ...]
    files: Mapping[str, Holding]


@dataclass(frozen=True)
class Sources:
    """Where one box gets a file from. held: boxes that have all of it. others: boxes that fetch it as well.

    share: of it that this box fetches from the origin, 0 to 1. part: None where it fetches alone.
    """

    held: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    share: float = 1.0
    part: Part | None = None

    def words(self, origin: str) -> str:
        """As a plan says it."""
        if self.held:
            return f"from {', '.join(self.held)}, which {'has' if len(self.held) == 1 else 'have'} it"
        if not self.others:
            return f"from {origin}"
        return f"{self.share * 100:.0f} % from {origin}, the rest from {', '.join(self.others)}, so that it comes once"


def survey(hosts: Sequence[Host], files: Iterable[ModelFile], sessions: Sessions) -> list[Seen | Failure]:
    """Ask each host what it has of the files."""
    wanted = [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in files]

    def one(host: Host) -> Seen:
        try:
            return seen(host, sessions.of(host).request("swarm", files=wanted), wanted)
        except BaseException:
            sessions.drop(host)
            raise

    return ask_each(hosts, one)


def seen(host: Host, answer: Any, wanted: Sequence[Mapping[str, Any]]) -> Seen:
    """The agent's answer. Raises RemoteError: a box says what it likes."""
    try:
        addresses = tuple(str(ipaddress.ip_address(text)) for text in answer["addresses"][:MOST_ADDRESSES])
        found = {str(item["sha256"]): item for item in answer["files"]}
        files = {file["sha256"]: _holding(found[file["sha256"]], pieces_of(file["size"]), host.name) for file in wanted}
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteError(f"what it says of its files makes no sense: {error!r:.200}", host=host.name) from error
    return Seen(host, addresses, files)


def _holding(item: Mapping[str, Any], count: int, host: str) -> Holding:
    return Holding(
        complete=item["complete"] is True,
        pieces=parse_ranges(str(item["pieces"]), count, host),
        assigned=parse_ranges(str(item["assigned"]), count, host),
        running=item["running"] is True,
    )


def plan_sources(
    file: ModelFile, boxes: Sequence[Seen], wanting: Iterable[str], *, port: int = PORT
) -> dict[str, Sources]:
    """Name of each box that wants a file and lacks it -> where it gets it from.

    boxes: all that answered. wanting: names of those that are to have it. port: where the file is served.
    """
    assert file.sha256 is not None
    assert file.size is not None
    sha256, count, names = file.sha256, pieces_of(file.size), {*wanting}
    held = [box for box in boxes if box.files[sha256].complete]
    lacking = [box for box in boxes if box.host.name in names and not box.files[sha256].complete]
    if len(lacking) + len(held) < 2:
        return {box.host.name: Sources() for box in lacking}
    secret = secrets.token_hex(16)
    own = assign(count, {box.host.name: box.files[sha256] for box in lacking}, held=bool(held))
    found = {}
    for box in lacking:
        others = [item for item in lacking if item is not box]
        peers = tuple(Peer(name=item.host.name, addresses=item.addresses, port=port) for item in [*held, *others])
        pieces = own[box.host.name]
        found[box.host.name] = Sources(
            held=tuple(item.host.name for item in held),
            others=tuple(item.host.name for item in others),
            share=len(pieces) / count,
            part=Part(pieces=ranges(pieces), peers=peers, port=port, secret=secret),
        )
    return found


def give(file: ModelFile, boxes: Sequence[Seen], part: Part, sessions: Sessions, emit: Emit) -> list[str]:
    """Let the boxes that have a file serve it to those that know the secret. Returns the names of those that do not."""
    wanted = {"path": file.path, "sha256": file.sha256, "size": file.size, "seconds": IDLE_SECONDS}

    def one(host: Host) -> None:
        sessions.of(host).request("share", port=part.port, secret=part.secret, **wanted)

    assert file.sha256 is not None
    holders = [box.host for box in boxes if box.files[file.sha256].complete]
    failed = []
    for host, answer in zip(holders, ask_each(holders, one), strict=True):
        if isinstance(answer, Failure):
            failed.append(host.name)
            emit(Event(host.name, "note", f"it has {file.path} and cannot give it: {answer.text}"))
    return failed
