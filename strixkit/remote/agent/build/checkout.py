"""The source of a build, exactly as its commit or its archive has it; nothing that compiles can write to it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile

from strixkit.remote.agent.build import faults, fetch, git, unit, work
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.work import Spec, Work
from strixkit.remote.agent.report import Report

MOST_BYTES = 1 << 30  # of an archive, unpacked
MOST_FILES = 100_000


def checkout(spec: Spec, report: Report) -> str:
    """Make the source folder unless it is there as it should be; returns it. Reports the point `checkout`.

    One that was changed is made anew. The build folder stays while its source is the same one; otherwise it goes.
    Raises BuildError.
    """
    report("checkout")
    here, source = work.of(spec), spec["source"]
    made_from = "sha256:" + str(source["sha256"]) if "archive" in source else "commit:" + str(source["commit"])
    if work.read_state(here).get("source") != made_from:
        shutil.rmtree(here.build, ignore_errors=True)
    work.make(here.build, work.account())
    if "archive" in source:
        _archive(spec, here, made_from)
    else:
        _worktree(spec, here, report)
    work.remember(here, source=made_from)
    return here.source


def _worktree(spec: Spec, here: Work, report: Report) -> None:
    commit = str(spec["source"]["commit"])
    if os.path.isdir(here.source):
        if difference(here.source, commit) == "":
            return
        report("the source was changed (%s): made anew" % difference(here.source, commit))
        shutil.rmtree(here.source)
    mirror = work.mirror(str(spec["source"]["repository"]))
    git.ask("worktree", "prune", folder=mirror)
    work.make(here.source, work.account())
    words = git.words("worktree", "add", "--quiet", "--force", "--detach", here.source, commit, folder=mirror)
    command = unit.Command(words, mirror, [mirror, here.source], git.ENVIRONMENT, ("PrivateNetwork=yes",))
    ended = unit.run(work.unit(spec), command, here.log, report)
    left = "" if not ended.ok else difference(here.source, commit)
    if ended.ok and not left:
        subprocess.run(["sync", "--file-system", here.source], stdin=subprocess.DEVNULL, capture_output=True)
        return
    if faults.no_space(ended.lines):
        raise work.no_room(here.source, ended.lines[-10:])
    why = left or fetch.said(ended.lines)
    if fetch.discard_if_damaged(mirror, contents=True):
        why += "\n  the mirror was damaged and is removed; the same command again fetches it anew"
    raise BuildError("cannot check out %s: %s\n  log: %s" % (commit, why, here.log), ended.lines[-10:])


def difference(source: str, commit: str) -> str:
    """In what a worktree is not the commit: a line of `git status`, another commit, or an empty text."""
    status, found = git.ask("rev-parse", "--verify", "HEAD", folder=source)
    if status != 0 or found != commit:
        return "it is at %s" % (found if status == 0 else "no commit")
    status, found = git.ask("status", "--porcelain", "--ignored", "--untracked-files=all", folder=source)
    return found.splitlines()[0].strip() if found else "" if status == 0 else "git status says no more"


def _archive(spec: Spec, here: Work, made_from: str) -> None:
    """Unpack beside it, and rename: what is there is whole. It is root's, so nobody can have changed it."""
    if os.path.isdir(here.source) and work.read_state(here).get("source") == made_from:
        return
    data = base64.b64decode(spec["source"]["archive"])
    if hashlib.sha256(data).hexdigest() != spec["source"]["sha256"]:
        raise BuildError("the archive of the source was damaged on its way")
    half = here.source + ".new"
    shutil.rmtree(half, ignore_errors=True)
    unpack(data, half)
    shutil.rmtree(here.source, ignore_errors=True)
    os.rename(half, here.source)
    subprocess.run(["sync", "--file-system", here.source], stdin=subprocess.DEVNULL, capture_output=True)


def unpack(data: bytes, folder: str) -> None:
    """Unpack a tar.gz of files and folders into a new folder. Raises BuildError for what leads out of it."""
    os.mkdir(folder, 0o755)
    room = MOST_BYTES
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for number, member in enumerate(archive):
            parts = member.name.split("/")
            if member.name.startswith("/") or ".." in parts or not (member.isfile() or member.isdir()):
                raise BuildError("the archive of the source has %r, which is no plain file in it" % member.name)
            room -= member.size
            if room < 0 or number >= MOST_FILES:
                raise BuildError("the archive of the source has more than %d MiB or files" % (MOST_BYTES >> 20))
            path = os.path.join(folder, *parts)
            os.makedirs(path if member.isdir() else os.path.dirname(path), mode=0o755, exist_ok=True)
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                with open(path, "xb") as handle:
                    shutil.copyfileobj(content, handle)
                os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
