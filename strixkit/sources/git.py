"""What a git repository's branches and tags are now: `git ls-remote`, which fetches no object."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from strixkit.config.names import suggestion
from strixkit.errors import StrixError
from strixkit.sources import child

SECONDS = 30.0
MOST_BYTES = 32 << 20  # llama.cpp's thousands of tags are half a MiB
BRANCHES, TAGS, PEELED = "refs/heads/", "refs/tags/", "^{}"
SHOWN_CHARACTERS = 300
FEW = 10  # so many names are listed where one is wrong
# Who runs this from a git hook has these set; they would make another repository of the one here.
OF_A_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


class GitError(StrixError):
    """A repository, or a branch or tag of one, could not be asked, or is not there."""


@dataclass(frozen=True)
class Remote:
    """Branches and tags by name, as commits; an annotated tag is the commit that it points to.

    redirected: the URL that the same server gave for the repository's, or empty.
    """

    branches: Mapping[str, str]
    tags: Mapping[str, str]
    redirected: str = ""


@dataclass(frozen=True)
class Resolved:
    """A ref as a commit."""

    kind: Literal["branch", "tag"]
    commit: str


def ask(repository: str, *, seconds: float = SECONDS) -> Remote:
    """The branches and tags of a repository (a URL that strixkit.config.repository accepts).

    The user's git configuration counts (proxy, certificates, ssh), but for credential helpers: nothing is asked for and
    no password is sent. Raises GitError.
    """
    # --heads is --branches since git 2.46, and goes on to be understood. With both, other refs (every pull request of
    # GitHub's) are not sent.
    command = ["git", "-c", "credential.helper=", "-c", "http.followRedirects=initial"]
    command += ["ls-remote", "--heads", "--tags", "--", repository]
    try:
        done = child.run(command, _environment(), seconds=seconds, most_bytes=MOST_BYTES)
    except FileNotFoundError:
        raise GitError("git is not on this machine", hint="apt install git, or what your system has for it") from None
    except child.TooSlowError:
        by_hand = f"by hand: git ls-remote -- {shlex.quote(repository)}"
        raise GitError(f"{repository} gave no whole answer within {seconds:g} s", hint=by_hand) from None
    except child.TooMuchError:
        raise GitError(
            f"{repository} sends more than {MOST_BYTES >> 20} MiB of branches and tags", hint="is it the right URL?"
        ) from None
    said = done.err.decode("utf-8", "replace")
    redirected = _redirected(repository, said)
    if done.code != 0:
        raise _failure(repository, said, done.code)
    return _remote(repository, done.out, redirected)


def resolve(remote: Remote, repository: str, ref: str) -> Resolved:
    """What a branch or tag is now. Raises GitError if there is none of the name, or both."""
    branch = None if ref.startswith(TAGS) else remote.branches.get(ref.removeprefix(BRANCHES))
    tag = None if ref.startswith(BRANCHES) else remote.tags.get(ref.removeprefix(TAGS))
    if branch and tag:
        raise GitError(
            f"{ref} is a branch and a tag of {repository}", hint=f"write ref: {BRANCHES}{ref} or ref: {TAGS}{ref}"
        )
    if branch:
        return Resolved("branch", branch)
    if tag:
        return Resolved("tag", tag)
    names = [*remote.branches, *remote.tags]
    raise GitError(
        f"{repository} has no branch or tag {ref!r}{_there_are(names, ref)}",
        hint=f"correct ref: in its file; all of them: git ls-remote --heads --tags -- {shlex.quote(repository)}",
    )


def _there_are(names: list[str], ref: str) -> str:
    if not names:
        return " (it has none at all: is it the right URL?)"
    listed = f" (there are {', '.join(map(repr, names))})" if len(names) <= FEW else ""
    return suggestion(ref, names) or listed


def _environment() -> dict[str, str]:
    """This process's, in which git speaks English and asks nobody."""
    kept = {name: value for name, value in os.environ.items() if name not in (*OF_A_REPOSITORY, "LANGUAGE")}
    return {
        **{name: value for name, value in kept.items() if not name.startswith("GIT_TRACE")},
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # empty: neither core.askPass nor SSH_ASKPASS
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:file",  # whatever url.*.insteadOf makes of the URL
    }


def _redirected(repository: str, said: str) -> str:
    """Where git was sent, on the same server: a repository with a new name. Another server is refused."""
    found = re.search(r"^warning: redirecting to (\S+)$", said, re.MULTILINE)
    if found is None:
        return ""
    here, there = urlsplit(repository), urlsplit(found[1])
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise GitError(
            f"{repository} is redirected to another server, {found[1]!r:.{SHOWN_CHARACTERS}}, and is not followed",
            hint="if that is meant, write it as repository: in its file",
        )
    return found[1]


def _remote(repository: str, out: bytes, redirected: str) -> Remote:
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in out.decode("utf-8", "replace").splitlines():
        commit, tab, name = line.partition("\t")
        if not tab or not re.fullmatch(r"[0-9a-f]{40}", commit):
            kind = (
                "commits of SHA-256, which lock.yaml has no room for" if len(commit) == 64 else "no commits and names"
            )
            raise GitError(
                f"{repository} answers with {kind}: {line!r:.{SHOWN_CHARACTERS}}", hint="is it the right URL?"
            )
        if name.startswith(BRANCHES):
            branches[name.removeprefix(BRANCHES)] = commit
        elif name.startswith(TAGS):
            # A peeled line comes after the tag's own and takes its place.
            tags[name.removeprefix(TAGS).removesuffix(PEELED)] = commit
    return Remote(branches, tags, redirected)


NO_NETWORK = r"Could not resolve|Failed to connect|Couldn't connect|Connection (refused|timed out|reset)|unreachable"
NO_LOGIN = r"terminal prompts disabled|could not read (Username|Password)|Authentication failed|error: 40[13]\b"
NO_LOGIN_SSH = r"Permission denied|Host key verification failed"
NOT_THERE = r"not found|does not exist|does not appear to be a git repository|error: 404\b|No such file"
CERTIFICATE = r"certificate|SSL|TLS"


def _failure(repository: str, said: str, code: int) -> GitError:
    """git's words as an error with the next step. They are of git, curl, ssh and the server, in this order of trust."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("warning: ")]
    words = " ".join(lines) or f"git ended with {code}"
    by_hand = f"git ls-remote -- {shlex.quote(repository)}"
    why, hint = "cannot be read", f"by hand: {by_hand}"
    if re.search(NO_NETWORK, said):
        why, hint = "cannot be reached", f"check the network and the proxy; by hand: {by_hand}"
    elif re.search(NO_LOGIN, said):
        why = "wants a login, or does not exist (many servers give one answer to both)"
        hint = "correct repository: in its file; a private one is read by ssh://, with a key"
    elif re.search(NO_LOGIN_SSH, said):
        why, hint = "does not let us in", f"make ssh work without a question; by hand: {by_hand}"
    elif re.search(NOT_THERE, said):
        why, hint = "is no repository", "correct repository: in its file"
    elif re.search(CERTIFICATE, said):
        why, hint = "has no certificate that is trusted here", f"by hand: {by_hand}"
    return GitError(f"{repository} {why}: {words[:SHOWN_CHARACTERS]}", hint=hint)
