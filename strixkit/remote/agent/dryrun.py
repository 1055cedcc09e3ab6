"""A release on the rehearsal device, which computes nothing: what its server takes, before anything is stopped.

Everything runs as the service's user in a transient unit that sees no GPU and no network and has little memory; root
only reads what it prints. Where it cannot run it says why, and the plan's formulas serve.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any, Dict, List, NamedTuple, Sequence

from strixkit.remote.agent import confirm, transient
from strixkit.runtime.buffers import ServerLog, parse_log

Check = Dict[str, Any]
SECONDS = 120.0  # to compile, to start, and for a short prompt
PROMPT_TOKENS_PER_SECOND = 1000.0  # far below what was seen: 16,000
TAIL_LINES = 20
CHILD = "strixkit.rehearsal.child"
NO_PROCESS = confirm.Process(0.0, 0.0)
PEAK = re.compile(r"rehearsal: at most ([0-9]{1,9}\.[0-9]{2}) MiB of device memory")  # native/rehearsal/entry.c
PROPERTIES = (
    "CacheDirectory=strixkit/rehearsal",  # the compiled device; the model's header and the log are in its /tmp
    "PrivateNetwork=yes",
    "MemoryMax=3G",
    "MemorySwapMax=0",
    "TasksMax=512",
    "Nice=10",
    "KillMode=control-group",
    "TimeoutStopSec=5s",
    "WorkingDirectory=/",
    "RestrictAddressFamilies=AF_INET AF_UNIX",
    *transient.LOCKED_DOWN,
)


class DryRun(NamedTuple):
    """What a rehearsal gave. why: there was none. failure: the server did not start, or did not answer a prompt.

    peak_mib: the most device memory that was taken at once. tail: the server's last lines.
    """

    why: str
    failure: str = ""
    log: ServerLog = ServerLog()
    answered: int = 0
    peak_mib: float = 0.0
    seconds: float = 0.0
    tail: Sequence[str] = ()


def hold(manifest: "Dict[str, Any]", prompts: "List[int]") -> DryRun:
    """Run the release of a manifest, and send it prompts of so many tokens."""
    wanted = manifest.get("rehearsal")
    if not isinstance(wanted, dict):
        return DryRun("the release was made by an older strixkit")
    model = str(manifest["model"]["path"])
    if not wanted["device"]:
        return DryRun("the service uses no GPU")
    if not os.path.isfile(model):
        return DryRun("model %s is not on the box yet" % model)
    seconds = SECONDS + sum(prompts) / PROMPT_TOKENS_PER_SECOND
    request = {
        "argv": manifest["argv"],
        "environment": manifest["environment"],
        "model": model,
        "headers": wanted["headers"],
        "device": wanted["device"],
        "prompts": prompts,
        "seconds": seconds,
    }
    try:
        user = transient.as_user(str(manifest["user"]))
        return _read(
            transient.run("rehearsal", CHILD, request, user=user, properties=PROPERTIES, limit=seconds + SECONDS)
        )
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        return DryRun("the rehearsal gave no answer: %s" % error)


def _read(answer: Any) -> DryRun:
    """The child's answer. It ran as the service's user, so it is not trusted: raises TypeError and the like."""
    if "why" in answer:
        return DryRun(str(answer["why"]))
    text = str(answer["log"])
    peak = PEAK.search(text)
    return DryRun(
        "",
        str(answer["failure"]),
        parse_log(text),
        int(answer["answered"]),
        float(peak.group(1)) if peak else 0.0,
        float(answer["seconds"]),
        text.splitlines()[-TAIL_LINES:],
    )


def to_json(found: DryRun) -> "Dict[str, Any]":
    """For the way to the controller."""
    log = found.log
    return {
        "why": found.why,
        "failure": found.failure,
        "sizes": {key: {"mib": size.mib, "largest_mib": size.largest} for key, size in log.sizes().items()},
        "checkpoints": [{"tokens": point.tokens, "mib": point.mib} for point in log.checkpoints],
        "offloaded": log.offloaded,
        "n_ctx_seq": log.n_ctx_seq,
        "answered": found.answered,
        "peak_mib": found.peak_mib,
        "seconds": found.seconds,
        "tail": list(found.tail),
    }


def check(manifest: "Dict[str, Any]") -> "List[Check]":
    """Rehearse a release and hold it against its plan; as the gate's checks, of which a False one refuses it."""
    found = hold(manifest, [])
    if found.why:
        return [_check(None, "not rehearsed, the formulas serve: " + found.why)]
    if found.failure:
        said = " | ".join(found.tail[-3:])
        return [_check(None, "not rehearsed, the formulas serve: %s: %s" % (found.failure, said))]
    return judge(manifest, found.log)


def judge(manifest: "Dict[str, Any]", log: ServerLog) -> "List[Check]":
    """Pure: what refuses the release, or that nothing does.

    Sizes may differ from the plan, which the gate will say; they may not break what the plan has promised.
    """
    plan = manifest["plan"]
    rows = [row for row in confirm.start_rows(plan, log, NO_PROCESS) if row["key"].split(".")[1] in confirm.LOGGED]
    more = {where: _more(rows, where) for where in ("device", "host")}
    sizes, budget = manifest["memory"], plan["budget"]
    worst = {where: float(sizes[where + "_worst_mib"]) for where in more}
    planned = {"device": worst["device"], "system": worst["host"] + (worst["device"] if budget["unified"] else 0.0)}
    added = {"device": more["device"], "system": more["host"] + (more["device"] if budget["unified"] else 0.0)}
    rounding = plan["tolerance"]["line_mib"] * sum(row["lines"] for row in rows)
    asked = [*confirm.check_layers(plan, log), confirm.check_context(plan, log)]
    bad = [dict(check, name="rehearsal") for check in asked if check["ok"] is False]
    for where, name in (("device", "the device"), ("system", "system memory")):
        # A choice that is kept may be more than what is free at the moment; then only more than that is too much.
        limit = max(float(budget[where + "_mib"]), planned[where])
        need = planned[where] + added[where]
        if need > limit + rounding:
            text = "it takes %.1f MiB more than planned: %.0f MiB of %s at its worst, which has %.0f"
            bad.append(_check(False, text % (added[where], need, name, limit)))
    total, planned_mib = (sum(row[key] for row in rows) for key in ("measured_mib", "predicted_mib"))
    return bad or [_check(True, "rehearsed: %.2f MiB logged (planned %.2f)" % (total, planned_mib))]


def _more(rows: "List[Dict[str, Any]]", where: str) -> float:
    """MiB beyond the plan, of all that lies there."""
    differences = [row["measured_mib"] - row["predicted_mib"] for row in rows if row["key"].endswith("." + where)]
    return float(sum(differences))


def _check(ok: Any, text: str) -> Check:
    return {"name": "rehearsal", "ok": ok, "text": text}
