"""Types of what names a version of a source: repository, branch or tag, commit. git gets them as arguments."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from strixkit.config.values import matching

# http is for a mirror in the house: nobody proves what it names when a lock is made; a fetch is proven by the commit.
SCHEMES = ("https", "ssh", "file", "http")
COMMIT = r"[0-9a-f]{40}"
# The rules of git-check-ref-format(1), and no `-` at the start. None of the characters means anything to ls-remote.
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/-]|[/.]$|(^|/)\.|\.lock(/|$)|^@$")


def _repository(text: str) -> str:
    found = f"found {text!r:.200}, wanted"
    if re.search(r"[\s\x00-\x1f\x7f\\]", text) or not re.fullmatch(r"[a-z]+://.+", text):
        raise ValueError(f"{found} a URL as in https://github.com/OWNER/NAME, spaces written as %20")
    try:
        parts = urlsplit(text)
        host, secret = parts.hostname or "", parts.password
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{found} a URL: {error}") from error
    if parts.scheme not in SCHEMES:
        raise ValueError(f"{found} a URL of {', '.join(SCHEMES)}")
    if secret is not None or (parts.username is not None and parts.scheme != "ssh"):
        # Not shown: it may be a password or a token, and the lock would keep it for everybody.
        raise ValueError("the URL holds a user or a password; a private repository is read by ssh://, with a key")
    if (parts.scheme == "file") != (not host) or host.startswith("-") or not parts.path.strip("/"):
        raise ValueError(f"{found} a host and a path (file:///: a path alone)")
    return text


def _ref(text: str) -> str:
    if re.fullmatch(COMMIT, text):
        raise ValueError(f"found the commit {text}, wanted a branch or a tag: the commit belongs in lock.yaml")
    if not text or len(text) > 250 or _NOT_IN_REF.search(text):
        raise ValueError(
            f"found {text!r:.80}, wanted the name of a branch or a tag (git check-ref-format has the rules)"
        )
    return text


RepositoryUrl = Annotated[str, AfterValidator(_repository)]
# `main`, or in full where a branch and a tag have one name: `refs/heads/main`.
RefName = Annotated[str, AfterValidator(_ref)]
Commit = Annotated[str, matching(COMMIT, "a commit of 40 lower-case hex digits")]
