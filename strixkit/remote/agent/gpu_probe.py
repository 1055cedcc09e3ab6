"""What strix-probe measures on this box, as the service's user in the service's sandbox, and the file that keeps it."""

from __future__ import annotations

import os
import subprocess
from typing import Any, Dict

from strixkit.planner.limits import MOST_PROBE
from strixkit.remote.agent import atomic, paths, transient
from strixkit.remote.agent.build import folders, question
from strixkit.remote.agent.build.verify import CHILD, PROPERTIES

PROGRAM = "strix-probe"
GRACE_SECONDS = 120  # for the first compilation of shaders


def run(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Run the program of the build `id` with `arguments`; returns `code`, `text` (stdout), `words` (stderr), `error`.

    request: also `user`, `sandbox` (properties), `environment`, `seconds`. Raises RuntimeError when it cannot be run.
    """
    folder = folders.finished(request["id"])
    faults = question.look(folder)
    if faults is None or faults:
        raise RuntimeError("the build %s is not as it was built: %s" % (request["id"], "; ".join(faults or ["absent"])))
    seconds = float(request["seconds"])
    item = {
        "argv": [os.path.join(folder, PROGRAM), *(str(word) for word in request["arguments"])],
        "environment": {str(key): str(value) for key, value in request["environment"].items()},
        "seconds": seconds,
        "apart": True,
    }
    properties = [*(str(word) for word in request["sandbox"]), *PROPERTIES]
    user = transient.as_user(str(request["user"]))
    try:
        [answer] = transient.run(
            "probe", CHILD, {"runs": [item]}, user=user, properties=properties, limit=seconds + GRACE_SECONDS
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise RuntimeError("%s could not be run: %s" % (PROGRAM, error)) from error
    return dict(answer)


def kept(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """The file of results as it is; None when there is none."""
    return {"text": atomic.read_text(paths.PROBE, MOST_PROBE)}


def keep(request: "Dict[str, Any]") -> "Dict[str, Any]":
    """Put the file of results in its place."""
    data = str(request["text"]).encode()
    if len(data) > MOST_PROBE:
        raise RuntimeError("results of %d bytes, at most %d are kept" % (len(data), MOST_PROBE))
    atomic.write(paths.PROBE, data, 0o644)
    return {"path": paths.PROBE}
