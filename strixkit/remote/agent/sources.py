"""Which files of apt name a repository: `deb` lines and deb822 stanzas, and taking them out again."""

from __future__ import annotations

import glob
import re
from typing import Dict, List, Tuple

from strixkit.remote.agent import atomic, backup

LINE = re.compile(r"\s*deb(-src)?\s+(\[[^]]*\]\s*)?(?P<uri>\S+)")
FILES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
MOST_BYTES = 1 << 20


def all_files() -> List[str]:
    """The files in which apt finds its sources."""
    return sorted(path for pattern in FILES for path in glob.glob(pattern))


def naming(prefixes: List[str], but: str) -> Dict[str, List[str]]:
    """Path -> entries of which a URI begins with one of the prefixes; `but` is a file to pass over."""
    found: Dict[str, List[str]] = {}
    for path in all_files():
        if path != but:
            hits, _ = split(path, atomic.read_text(path, MOST_BYTES) or "", prefixes)
            if hits:
                found[path] = hits
    return found


def split(path: str, text: str, prefixes: List[str]) -> Tuple[List[str], str]:
    """The entries that name such a repository, and the text without them; a disabled or commented one names nothing."""
    if path.endswith(".sources"):
        parts = [part for part in re.split(r"\n[ \t]*\n+", text) if part.strip()]
        hits = [part for part in parts if _stanza_names(part, prefixes)]
        left = "\n\n".join(part for part in parts if part not in hits)
    else:
        parts = text.splitlines()
        hits = [part for part in parts if _line_names(part, prefixes)]
        left = "\n".join(part for part in parts if part not in hits)
    return [hit.strip() for hit in hits], left.rstrip("\n") + "\n" if left.strip() else ""


def take_out(path: str, prefixes: List[str]) -> str:
    """Remove those entries, and the file if no entry is left; returns where the old file is kept."""
    text = atomic.read_text(path, MOST_BYTES) or ""
    hits, left = split(path, text, prefixes)
    if not hits:
        return ""
    copy = backup.keep(path)
    if all(not line.strip() or line.lstrip().startswith("#") for line in left.splitlines()):
        atomic.remove(path)
    else:
        atomic.rewrite(path, left.encode())
    return copy


def _line_names(line: str, prefixes: List[str]) -> bool:
    match = LINE.match(line)
    return match is not None and match.group("uri").startswith(tuple(prefixes))


def _stanza_names(stanza: str, prefixes: List[str]) -> bool:
    """A stanza that names other repositories too is its owner's to split."""
    fields: Dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[name] = fields.get(name, "") + " " + line.strip()
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        fields[name] = value.strip()
    if fields.get("enabled", "yes").lower() in ("no", "false", "off", "0"):
        return False
    uris = fields.get("uris", "").split()
    return bool(uris) and all(uri.startswith(tuple(prefixes)) for uri in uris)
