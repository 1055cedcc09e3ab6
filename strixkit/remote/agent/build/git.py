"""git as the user that builds: no hook, no other program, and no way to a repository that is not asked for."""

from __future__ import annotations

import shutil
import subprocess
from typing import Dict, List, Tuple

from strixkit.remote.agent import paths
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.build.work import account

SECONDS = 600
PATH = "/usr/local/bin:/usr/bin:/bin"
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fsync=all",  # what a power cut leaves is a repository
    "protocol.ext.allow=never",
    "http.followRedirects=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "http.lowSpeedLimit=1000",  # bytes a second
    "http.lowSpeedTime=60",
)
ENVIRONMENT = {
    "HOME": paths.BUILD_CACHE,
    "LC_ALL": "C.UTF-8",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "GIT_OPTIONAL_LOCKS": "0",
}


def words(*command: str, folder: str) -> "List[str]":
    """The command line of git in a repository or worktree. Nothing else is safe there but that folder."""
    settings = [word for setting in (*SETTINGS, "safe.directory=" + folder) for word in ("-c", setting)]
    return ["git", *settings, "-C", folder, *command]


def ask(*command: str, folder: str) -> "Tuple[int, str]":
    """Exit status and output of a git command that needs no network, as the user that builds. Raises BuildError."""
    if shutil.which("git", path=PATH) is None:
        raise BuildError("git is not installed; packages: git")
    user = account()
    environment: "Dict[str, str]" = {"PATH": PATH, **ENVIRONMENT}
    done = subprocess.run(
        words(*command, folder=folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        timeout=SECONDS,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()
