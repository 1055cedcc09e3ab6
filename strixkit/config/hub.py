"""Files of a hub that speaks Hugging Face's protocol: how they are named, and where they lie."""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator

from strixkit.config.values import CONTROL, Section, matching
from strixkit.errors import InputError

ENDPOINT = "https://huggingface.co"
# `datasets/OWNER/NAME` as in the hub's own URLs.
RepoId = Annotated[
    str,
    matching(
        r"(datasets/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}",
        "OWNER/NAME of a model on the hub, or datasets/OWNER/NAME",
    ),
]
Revision = Annotated[
    str, matching(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", "a branch, a tag or a commit of the hub")
]
RepoPath = Annotated[
    str,
    matching(rf"(?!/)(?!(.*/)?\.{{1,2}}(/|$))[^{CONTROL}\\]{{1,255}}", "a path in the repository, without '..'"),
]


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        bad = parts.scheme not in ("http", "https") or not parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from error
    if bad or any(character.isspace() or ord(character) < 33 for character in text):
        raise ValueError("wanted a URL of http or https, spaces written as %20")
    if parts.username is not None or parts.password is not None:
        # Not shown: it may be a password.
        raise ValueError("the URL holds a user or a password; a token belongs in a file of root's on the box")
    return text


FileUrl = Annotated[str, AfterValidator(_url)]


class HubFile(Section):
    """One file of a repository on the hub, at a branch, tag or commit; `lock.yaml` has its commit, size and sha256."""

    repo: RepoId
    ref: Revision = "main"
    file: RepoPath


def endpoint() -> str:
    """The hub in use, as HF_ENDPOINT has it for Hugging Face's own tools; no slash at its end. Raises InputError."""
    found = os.environ.get("HF_ENDPOINT") or ENDPOINT
    try:
        return _url(found).rstrip("/")
    except ValueError as error:
        raise InputError(f"HF_ENDPOINT: {error}", hint=f"export HF_ENDPOINT={ENDPOINT}, or unset it") from error


def file_url(hub: str, repo: str, commit: str, file: str) -> str:
    """Where the hub gives a file; it may answer with a redirect to where the bytes are."""
    return f"{hub}/{quote(repo)}/resolve/{quote(commit, safe='')}/{quote(file)}"
