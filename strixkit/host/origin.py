"""Where a box fetches a file: of a hub, as lock.yaml has it, or a plain URL."""

from __future__ import annotations

from dataclasses import dataclass

from strixkit.config.hub import HubFile, endpoint, file_url
from strixkit.config.lock import load_lock


@dataclass(frozen=True)
class Origin:
    """Where a box fetches a file: its URL, whether the box's token of the hub belongs there, and what people read."""

    url: str
    token: bool
    text: str


def of_hub(file: HubFile) -> tuple[Origin, str, int] | None:
    """Where a file of the hub is, its sha256, and its bytes; None when lock.yaml does not say which one it is."""
    locked = load_lock().file(file)
    if locked is None:
        return None
    commit, item = locked
    url = file_url(endpoint(), file.repo, commit, file.file)
    return Origin(url, True, f"{file.repo} at {commit[:12]}"), item.sha256, item.size_bytes


def of_url(url: str) -> Origin:
    """A plain URL; what people read has no query, in which a secret may be."""
    return Origin(url, False, url.partition("?")[0])
