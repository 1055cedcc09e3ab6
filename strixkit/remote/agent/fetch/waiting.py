"""Whether what is missing can still come from peers, and if not, who would have to give it."""

from __future__ import annotations

import time
from typing import List, Sequence, Set

from strixkit.remote.agent.fetch.errors import FetchError
from strixkit.remote.agent.fetch.patience import Limits
from strixkit.remote.agent.fetch.peers import Peer
from strixkit.remote.agent.fetch.status import Status
from strixkit.remote.agent.fetch.store import Store


def check(store: Store, peers: "Sequence[Peer]", own: "Set[int]", limits: Limits, status: Status) -> None:
    """Say whom it waits for; raises FetchError when it was long enough. own: the pieces that the origin gives."""
    missing = store.missing()
    if not missing or missing & own:
        return  # the origin gives more, or its connections say why not
    if not peers:
        raise FetchError("%d pieces are to come from other boxes, and none is named" % len(missing))
    now = time.monotonic()
    there = [peer for peer in peers if not peer.unreachable]
    away = [peer for peer in peers if peer.unreachable or peer.failed]
    for peer in there:
        missing -= peer.has
    status.say("peers", "waiting for %s" % _names(away or there) if missing else "")
    if not missing:
        _check_given(there, now - store.last, limits)
        return
    quiet = now - max([store.last, *(peer.grown for peer in there)])
    gone = [peer for peer in away if peer.failed or now - peer.since > limits.peer]
    if gone and quiet > limits.peer:
        text = "%d of %d pieces are missing and only there: %s; what is there stays; next: the same command goes on"
        text += "; if a firewall is between them, open that port, or invoke pull --no-share" * any(map(_silent, gone))
        raise FetchError(text % (len(missing), store.number, "; ".join(_why(peer) for peer in gone)))
    if quiet > limits.give_up:
        text = "%d of %d pieces are missing, and none of %s gets them; what is there stays; next: the same command"
        raise FetchError(text % (len(missing), store.number, _names(peers)))


def _check_given(there: "List[Peer]", quiet: float, limits: Limits) -> None:
    """They have all that is missing; do they give it?"""
    if quiet > limits.give_up:
        said = "; ".join("%s: %s" % (peer.where, peer.fault) for peer in there if peer.fault)
        text = "%s has what is missing, and gave nothing for %d s (%s); what is there stays; next: the same command"
        raise FetchError(text % (_names(there), quiet, said))


def _silent(peer: Peer) -> bool:
    """It never answered, as if it were behind a firewall."""
    return bool(peer.unreachable) and not peer.answered


def _why(peer: Peer) -> str:
    if peer.failed:
        return "%s failed: %s" % (peer.where, peer.failed)
    return "%s cannot be reached: %s" % (peer.where, peer.unreachable)


def _names(peers: "Sequence[Peer]") -> str:
    return ", ".join(peer.name for peer in peers)
