"""Where finished builds lie, and those that are being put together."""

from __future__ import annotations

import os
import re
import shutil

from strixkit.remote.agent import paths
from strixkit.remote.agent.build.errors import BuildError

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
NEW, OLD = ".new-", ".old-"
RECORD = "build.json"


def checked(build: object) -> str:
    """The id of a build, which is the name of its folder. Raises BuildError for what could be another path."""
    if not isinstance(build, str) or not ID.fullmatch(build):
        raise BuildError("%r is no id of a build" % (build,))
    return build


def finished(build: object) -> str:
    """The folder that a build has when it is finished."""
    return os.path.join(paths.BUILDS, checked(build))


def begin(build: object) -> str:
    """Make the folder in which a build is put together, empty; what an interrupted run left beside it goes."""
    name = checked(build)
    os.makedirs(paths.BUILDS, mode=0o755, exist_ok=True)
    for left in os.listdir(paths.BUILDS):
        if left.startswith((NEW, OLD)):
            shutil.rmtree(os.path.join(paths.BUILDS, left))
    folder = os.path.join(paths.BUILDS, NEW + name)
    os.mkdir(folder)
    os.chmod(folder, 0o755)  # whatever the umask: the service's user verifies it
    return folder
