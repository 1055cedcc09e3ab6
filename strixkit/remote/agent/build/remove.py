"""An old build goes, unless a release still uses it."""

from __future__ import annotations

import os
import shutil
from typing import Any, Dict

from strixkit.remote.agent import atomic, paths
from strixkit.remote.agent.build import folders, pack, question
from strixkit.remote.agent.build.errors import BuildError
from strixkit.remote.agent.report import Report


def remove_build(step: "Dict[str, Any]", report: Report) -> None:
    """Step: remove the folder of the build `id`, its pack, and its work folder. Raises BuildError when it is used."""
    name = folders.checked(step["id"])
    used = question.users().get(name, [])
    if used:
        raise BuildError("build %s is used by %s, so it stays" % (name, ", ".join(used)))
    old = os.path.join(paths.BUILDS, folders.OLD + name)
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(folders.finished(name)):
        os.rename(folders.finished(name), old)  # half a folder never has the name of a build
        atomic.sync_directory(paths.BUILDS)
        shutil.rmtree(old)
    pack.forget(name)
    shutil.rmtree(os.path.join(paths.BUILD_CACHE, "work", name), ignore_errors=True)
