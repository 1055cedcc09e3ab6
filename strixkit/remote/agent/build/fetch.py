"""The locked commit into the box's mirror of its repository, with its whole history (a build number is its length)."""

from __future__ import annotations

import os
import re
import shutil
from typing import Dict, List, Tuple
from urllib.parse import urlsplit

from strixkit.remote.agent.build import faults, git, unit, work
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.work import Spec, Work
from strixkit.remote.agent.report import Report

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
URL = re.compile(r"(?:https?|ssh|git|file)://[^\s\x00-\x1f\x7f]+|[A-Za-z0-9_.][^\s:\x00-\x1f\x7f]*@[^\s\x00-\x1f\x7f]+")
REF = re.compile(r"(?![-/])(?!.*(?:\.\.|@\{))[^\x00-\x20\x7f~^:?*\[\\]{1,250}")  # as strixkit/config/repository.py
REDIRECT = re.compile(r"warning: redirecting to (\S+)")
LISTED = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\s+(refs/\S+)")


def fetch(spec: Spec, report: Report) -> None:
    """Let the mirror have the locked commit; without the network when it has it. Reports the point `fetch`.

    Raises BuildError: no way to the repository, or a commit that is not in it any more; with what the lock wants, what
    the ref is now, and the next command. An archive needs nothing.
    """
    report("fetch")
    source = spec["source"]
    if "archive" in source:
        return
    url, ref, commit = str(source["repository"]), str(source["ref"]), str(source["commit"])
    if not (URL.fullmatch(url) and REF.fullmatch(ref) and COMMIT.fullmatch(commit)):
        raise BuildError("not a repository, a ref and a commit: %r, %r, %r" % (url, ref, commit))
    here, mirror = work.of(spec), work.mirror(url)
    open_mirror(mirror)
    if has(mirror, commit):
        return
    names = names_of(ref)
    there, now = _look(spec, here, mirror, names, report)
    if _get(spec, mirror, there, commit, report):
        return
    if discard_if_damaged(mirror, contents=False) and _get(spec, mirror, there, commit, report):
        return
    name = next((name for name in names if name in now), "")
    if name:
        # A server that gives no commit by its hash gives its ref.
        ended = _ask_for(spec, mirror, there, name.replace("^{}", ""), report)
        if has(mirror, commit):
            return
        if not ended.ok:
            raise _unfetched(spec, here, ended)
    raise BuildError(
        "the lock wants commit %s of %s, which is not in %s any more; %s\n"
        "  next: invoke lock, which takes what is there now, then the same command again"
        % (commit, ref, url, "%s is at %s now" % (ref, now[name]) if name else "and there is no %s there" % ref)
    )


def names_of(ref: str) -> "List[str]":
    """Pure: a branch or a tag of this name, or the one that is written in full; `^{}`: the commit of a tag."""
    full = [ref] if ref.startswith("refs/") else ["refs/heads/" + ref, "refs/tags/" + ref]
    return [*full, *(name + "^{}" for name in full if name.startswith("refs/tags/"))]


def has(mirror: str, commit: str) -> bool:
    """Whether the mirror has the commit and all commits before it."""
    return git.ask("rev-list", "--count", commit, folder=mirror)[0] == 0


def open_mirror(mirror: str) -> None:
    """Make an empty mirror if there is none. Raises BuildError."""
    if os.path.lexists(mirror):
        status, found = git.ask("rev-parse", "--is-bare-repository", folder=mirror)
        if (status, found) == (0, "true"):
            return
        shutil.rmtree(mirror)  # a beginning of one: power that went
    work.make(mirror, work.account())
    status, found = git.ask("init", "--quiet", "--bare", "--template=", folder=mirror)
    if status != 0:
        raise BuildError("cannot make the mirror %s: %s" % (mirror, found))


def discard_if_damaged(mirror: str, *, contents: bool) -> bool:
    """Replace a mirror that lacks objects by an empty one; returns whether it did.

    contents: read the files in it too, which takes a minute for a large repository.
    """
    depth = ["--full"] if contents else ["--connectivity-only"]
    if git.ask("fsck", *depth, "--no-dangling", "--no-progress", folder=mirror)[0] == 0:
        return False
    shutil.rmtree(mirror)
    open_mirror(mirror)
    return True


def _run(spec: Spec, mirror: str, words: "List[str]", report: Report) -> unit.Ended:
    """git with the network, as the user that builds; it may write to the mirror only."""
    command = unit.Command(git.words(*words, folder=mirror), mirror, [mirror], git.ENVIRONMENT)
    return unit.run(work.unit(spec), command, work.of(spec).log, report)


def _look(spec: Spec, here: Work, mirror: str, names: "List[str]", report: Report) -> "Tuple[str, Dict[str, str]]":
    """Where the repository is, and its refs of these names. Raises BuildError: no way to it, or to another server.

    Only this follows a redirect: what is fetched comes from the server that the lock names, or from nowhere.
    """
    source = spec["source"]
    url = str(source["repository"])
    ended = _run(spec, mirror, ["-c", "http.followRedirects=initial", "ls-remote", "--", url, *names], report)
    there = redirected(url, ended.lines)
    if not ended.ok:
        raise _unfetched(spec, here, ended)
    return there, refs(ended.lines)


def _unfetched(spec: Spec, here: Work, ended: unit.Ended) -> BuildError:
    """The error for a repository that gives nothing, in git's words."""
    source = spec["source"]
    return BuildError(
        "cannot fetch %s: %s\n  the lock wants commit %s of %s, and this box does not have it yet\n"
        "  next: let the box reach the repository, then the same command again; log: %s"
        % (source["repository"], said(ended.lines), source["commit"], source["ref"], here.log),
        ended.lines[-10:],
    )


def redirected(url: str, lines: "List[str]") -> str:
    """The URL that git was sent to on the same server, or `url`. Raises BuildError for another server.

    As the controller's when the lock is made (strixkit/sources/git.py).
    """
    found = next(filter(None, map(REDIRECT.fullmatch, lines)), None)
    if found is None:
        return url
    here, there = urlsplit(url), urlsplit(found[1])
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise BuildError(
            "%s is redirected to another server, %r, and is not followed\n"
            "  next: if that is meant, write it as repository: in the runtime's file, and invoke lock" % (url, found[1])
        )
    return found[1]


def _get(spec: Spec, mirror: str, url: str, what: str, report: Report) -> bool:
    """Fetch the commit by its hash or by the name of a ref; returns whether the commit is there then."""
    _ask_for(spec, mirror, url, what, report)
    return has(mirror, str(spec["source"]["commit"]))


def _ask_for(spec: Spec, mirror: str, url: str, what: str, report: Report) -> unit.Ended:
    """Fetch the commit by its hash or by the name of a ref. Raises BuildError when there is no room for it."""
    commit = str(spec["source"]["commit"])
    refspec = "+%s:refs/strixkit/%s" % (what, commit)
    options = ["--progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
    ended = _run(spec, mirror, ["fetch", *options, "--", url, refspec], report)
    if faults.no_space(ended.lines):
        raise work.no_room(mirror, ended.lines[-10:])
    return ended


def said(lines: "List[str]") -> str:
    """What git said was wrong: its last line of that kind, or its last line."""
    wrong = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))]
    return (wrong or lines or ["git said nothing"])[-1]


def refs(lines: "List[str]") -> "Dict[str, str]":
    """What `git ls-remote` lists: name of a ref -> commit. A tag's commit is that of its `^{}`."""
    return {found[2]: found[1] for found in map(LISTED.fullmatch, lines) if found}
