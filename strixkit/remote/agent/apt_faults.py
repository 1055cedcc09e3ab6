"""Why apt cannot use a source: from its own words to what it means and what to do. Pure."""

from __future__ import annotations

import re
from typing import Dict, NamedTuple

MOST_LINES, MOST_CHARACTERS = 4, 600


class Fault(NamedTuple):
    """said: a pattern in apt's words: gpgv's on Ubuntu 24.04, sqv's on Debian 13 and Ubuntu 26.04."""

    said: str
    means: str
    following: str


INDEX = "{uri}/dists/{suite}/InRelease"
REACH = "on the box: curl -v -o /dev/null " + INDEX
OTHER = Fault("", "apt cannot use it", REACH)
FAULTS = (
    Fault(
        r"EXPKEYSIG|[Ee]xpired on|key.*expired",
        "the key has expired",
        "does its owner offer a renewed one? curl -fsSL {key} | gpg --show-keys",
    ),
    Fault(
        r"NO_PUBKEY|[Mm]issing key",
        "the index is signed by another key",
        "see which: curl -fsSL " + INDEX + " | gpg --list-packets",
    ),
    Fault(
        r"does not have a Release file|404 +Not Found",
        "the repository has no suite {suite}",
        "see which it has: curl -fsSL {uri}/dists/",
    ),
    Fault(
        r"is not signed|BADSIG|ERRSIG|[Bb]ad signature|signatures were invalid",
        "the index is not signed by this key",
        "see its signature: curl -fsSL " + INDEX + " | gpg --list-packets",
    ),
    Fault(
        r"[Cc]ould not resolve|[Tt]emporary failure|[Cc]ould not connect|[Cc]onnection (failed|timed out|refused)"
        r"|[Uu]nreachable|no answer within",
        "the repository cannot be reached",
        REACH,
    ),
)


def explained(said: str, source: str, key_url: str) -> str:
    """What is wrong with the deb822 source, apt's words, and the next step."""
    names = _names(source, key_url)
    fault = next((fault for fault in FAULTS if re.search(fault.said, said)), OTHER)
    lines = dict.fromkeys(line.strip() for line in said.splitlines() if re.match(r"\s*(E:|W:|\d{3} )", line))
    return "%s %s: %s; nothing was put in place\n  apt says: %s\n  next: %s" % (
        names["uri"],
        names["suite"],
        fault.means.format(**names),
        " ".join(list(lines)[:MOST_LINES])[:MOST_CHARACTERS],
        fault.following.format(**names),
    )


def _names(source: str, key_url: str) -> Dict[str, str]:
    pairs = (line.split(": ", 1) for line in source.splitlines() if ": " in line and not line.startswith("#"))
    fields = dict(pairs)
    return {"uri": fields["URIs"].split()[0].rstrip("/"), "suite": fields["Suites"].split()[0], "key": key_url}
