"""What a repository's revision on a hub is now: its commit, and size and sha256 of files, without fetching them.

The protocol is Hugging Face's: /api/models/REPO/revision/REF has the commit and the names, a HEAD of /REPO/resolve/ has
X-Linked-Size and X-Linked-Etag (the sha256) of what is in large-file storage. A small file that is not is fetched.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from strixkit.config.hub import file_url
from strixkit.config.lock import LockedFile
from strixkit.config.names import suggestion
from strixkit.config.repository import COMMIT
from strixkit.sources.hub_http import Answer, Hub, HubError
from strixkit.sources.hub_refusal import refusal

SHA256 = r"[0-9a-f]{64}"
MOST_SIZE_BYTES = 1 << 50
POINTER = b"version https://git-lfs"
ENDPOINT_HINT = "is HF_ENDPOINT the right one?"
AGAIN = "the same command again; " + ENDPOINT_HINT


@dataclass(frozen=True)
class Revision:
    """A branch, tag or commit of a repository now, as `ref` names it.

    names: its files. moved: the repository's new name, or empty.
    """

    repo: str
    commit: str
    names: tuple[str, ...]
    moved: str = ""
    ref: str = "main"


def ask(hub: Hub, repo: str, ref: str) -> Revision:
    """The revision now. Raises HubError."""
    name = "/".join(repo.split("/")[-2:])
    api = "/api/models/" if name == repo else "/api/datasets/"
    answer = hub.get(f"{hub.endpoint}{api}{quote(name)}/revision/{quote(ref, safe='')}")
    if answer.status != 200:
        raise refusal(hub, answer, repo, f"revision {ref}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise HubError(f"{hub.endpoint} answers for {repo} with no JSON", hint=ENDPOINT_HINT)
    commit = found.get("sha")
    if not isinstance(commit, str) or not re.fullmatch(COMMIT, commit):
        raise HubError(
            f"{hub.endpoint} answers for {repo} with the commit {commit!r:.60}, wanted 40 hex digits",
            hint=ENDPOINT_HINT,
        )
    if re.fullmatch(COMMIT, ref) and commit != ref:
        raise HubError(f"{repo}: asked for commit {ref}, the hub answers with {commit}", hint=ENDPOINT_HINT)
    return Revision(repo, commit, _names(found.get("siblings")), _moved(answer, api, name, repo), ref)


def _names(siblings: object) -> tuple[str, ...]:
    rows = siblings if isinstance(siblings, list) else []
    names = [row.get("rfilename") for row in rows if isinstance(row, Mapping)]
    return tuple(name for name in names if isinstance(name, str))


def _moved(answer: Answer, api: str, name: str, repo: str) -> str:
    """The name that a redirect of the hub's led to: a renamed repository."""
    found = re.search(rf"{re.escape(api)}([^/]+/[^/]+)/revision/", urlsplit(answer.url).path)
    if found is None or found[1] == quote(name):
        return ""
    return repo.removesuffix(name) + found[1]


def files(hub: Hub, revision: Revision, wanted: Sequence[str]) -> dict[str, LockedFile | HubError]:
    """Size and sha256 of each file, all at the revision's commit, or why nobody knows."""
    found: dict[str, LockedFile | HubError] = {}
    for name in wanted:
        try:
            found[name] = _file(hub, revision, name)
        except HubError as error:
            found[name] = error
    return found


def _file(hub: Hub, revision: Revision, name: str) -> LockedFile:
    if name not in revision.names:
        raise _not_there(revision, name)
    where = f"{revision.repo}: {name}"
    url = file_url(hub.endpoint, revision.moved or revision.repo, revision.commit, name)
    answer = hub.head(url, lambda answer: bool(_tag(answer)))
    if answer.status >= 400:
        raise refusal(hub, answer, revision.repo, name)
    commit = answer.header("X-Repo-Commit")
    if commit and commit != revision.commit:
        found = f"asked for it at {revision.commit}, the hub answers with the commit {commit!r:.60}"
        raise HubError(f"{where}: {found}", hint=ENDPOINT_HINT)
    tag = _tag(answer)
    if re.fullmatch(SHA256, tag):
        return LockedFile(file=name, size_bytes=_size(answer, where), sha256=tag)
    if tag and not re.fullmatch(COMMIT, tag):  # 40 digits: git's own hash of a small file
        raise HubError(f"{where}: the hub says the sha256 is {tag!r:.80}, wanted 64 hex digits", hint=ENDPOINT_HINT)
    if not tag and answer.url.startswith(f"{hub.endpoint}/"):
        tag = answer.header("ETag").strip().removeprefix("W/").strip('"')
    return _fetched(hub, revision, url, name, tag)


def _tag(answer: Answer) -> str:
    return answer.header("X-Linked-Etag").strip().removeprefix("W/").strip('"')


def _size(answer: Answer, where: str) -> int:
    text = answer.header("X-Linked-Size")
    size = int(text) if re.fullmatch(r"[0-9]{1,16}", text) else 0
    if not 0 < size <= MOST_SIZE_BYTES:
        raise HubError(f"{where}: the hub says its size is {text!r:.40}, wanted a number of bytes", hint=ENDPOINT_HINT)
    return size


def _fetched(hub: Hub, revision: Revision, url: str, name: str, tag: str) -> LockedFile:
    """Of a small file. tag: git's hash of it, if it is one."""
    where = f"{revision.repo}: {name}"
    answer = hub.get(url)
    if answer.status != 200:
        raise refusal(hub, answer, revision.repo, name)
    if not answer.body:
        raise HubError(f"{where} is empty", hint="correct the name in the model's file")
    if answer.body.startswith(POINTER):
        raise HubError(f"{where}: the hub sends a pointer of git-lfs instead of the file", hint=ENDPOINT_HINT)
    blob = hashlib.sha1(b"blob %d\0" % len(answer.body) + answer.body, usedforsecurity=False).hexdigest()
    if re.fullmatch(COMMIT, tag) and tag != blob:
        raise HubError(f"{where}: what came is not the file that the hub has: git's hash of it differs", hint=AGAIN)
    return LockedFile(file=name, size_bytes=len(answer.body), sha256=hashlib.sha256(answer.body).hexdigest())


def _not_there(revision: Revision, name: str) -> HubError:
    base = name.rpartition("/")[2]
    same = [path for path in revision.names if path.rpartition("/")[2] == base]
    if len(same) == 1:
        said = f"; it is there as {same[0]!r:.300}"
        ref = "" if revision.ref == "main" else f"ref: {revision.ref}, "
        hint = f"in the model's file: source: {{hub: {{repo: {revision.repo}, {ref}file: {same[0]!r:.300}}}}}"
    else:
        said, hint = suggestion(name, revision.names)[:300], "correct the name in the model's file"
    return HubError(f"{revision.repo} has no {name} at {revision.commit[:12]}{said}", hint=hint)
