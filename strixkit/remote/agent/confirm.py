"""What a server logged and holds, against the plan in its release's manifest. No policy: the manifest says what counts.

A check's `ok` is True, False (the gate fails), or None: not as planned, or not known, which is said and no failure.
"""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from strixkit.remote.agent import held, journal, systemd
from strixkit.runtime.buffers import ServerLog, Size, parse_log

Check = Dict[str, Any]
LOG_SECONDS = 5  # the last lines of a server may be on their way to the journal
MIB = 1 << 20
LOGGED = ("model", "KV", "RS", "output", "compute")  # kinds of parts whose buffers the server logs when it is ready


class Process(NamedTuple):
    """What the unit's processes hold, in MiB: their own memory, and that of the GPU."""

    host_mib: float
    device_mib: float


class Confirmation(NamedTuple):
    """The checks, and everything planned and measured side by side (None if there is nothing to measure by)."""

    checks: List[Check]
    measured: Optional[Dict[str, Any]]


def confirm(unit: str, manifest: "Dict[str, Any]") -> Confirmation:
    """Hold the log of the unit's current run, and what its processes hold now, against the manifest.

    The server has answered before this is asked: what cannot be read here ends no service.
    """
    try:
        return _confirm(unit, manifest)
    except Exception as error:  # no journalctl, a journal that does not answer, a manifest of another strixkit
        return _not_confirmed("%s: %s" % (type(error).__name__, error))


def _confirm(unit: str, manifest: "Dict[str, Any]") -> Confirmation:
    plan = manifest.get("plan")
    if not isinstance(plan, dict):
        return _not_confirmed("the release was made by an older strixkit, without the parts of its plan")
    log = _log(unit)
    if log is None:
        return _not_confirmed("the journal has no line of this run")
    if not log.buffers:
        return _not_confirmed("the log names no buffer (-lv 4 is needed)")
    if not log.ready or log.n_ctx is None or not any(buffer.kind == "model" for buffer in log.buffers):
        return _not_confirmed("the journal has not the whole log of this start")
    name = unit[len("llama-server-") : -len(".service")]
    _, host, device = held.memory(name)
    return compare(plan, log, Process(host / MIB, device / MIB))


def compare(plan: "Dict[str, Any]", log: ServerLog, process: Process) -> Confirmation:
    """Pure: hold a log and a process against a plan."""
    rows = list(start_rows(plan, log, process))
    checkpoints = list(_checkpoints(plan, log))
    logged = [row for row in rows if _kind(row["key"]) in LOGGED]
    total = {name: sum(row[name] for row in logged) for name in ("predicted_mib", "measured_mib")}
    start = sum(part["mib"] for part in plan["parts"] if part["when"] == "start")
    held_now = dict(process._asdict(), predicted_mib=start, measured_mib=process.host_mib + process.device_mib)
    checks = [
        *check_layers(plan, log),
        check_context(plan, log),
        *(_part(plan, row) for row in rows if row["exact"]),
        *(_part(plan, row) for row in checkpoints),
        _total(plan, total),
        _process(plan, held_now),
    ]
    odd = [check for check in checks if check["ok"] is not True]
    exact = sum(1 for row in logged if row["exact"])
    text = "%.2f MiB logged (planned %.2f); %d of %d parts are exact" % (
        total["measured_mib"],
        total["predicted_mib"],
        exact,
        len(logged),
    )
    measured = {
        "at": journal.now(),
        "settings": str(plan["settings"]),
        "circumstances": str(plan["circumstances"]),
        "parts": rows,
        "checkpoints": checkpoints,
        "total": total,
        "process": held_now,
        "findings": [check["text"] for check in odd],
    }
    return Confirmation(odd or [_check("memory", True, "the log confirms the plan: " + text)], measured)


def _check(name: str, ok: Optional[bool], text: str) -> Check:
    return {"name": name, "ok": ok, "text": text}


def _not_confirmed(why: str) -> Confirmation:
    return Confirmation([_check("memory", None, "memory not confirmed: " + why)], None)


def _log(unit: str) -> Optional[ServerLog]:
    """What the current run of a unit logged, once it says that it is ready; None if it logged nothing."""
    end = time.monotonic() + LOG_SECONDS
    while True:
        text = systemd.log_head(unit)
        log = parse_log(text)
        if log.ready or time.monotonic() > end:
            return log if text else None
        time.sleep(0.2)


def _kind(key: str) -> str:
    return key.split(".")[1]


def start_rows(plan: "Dict[str, Any]", log: ServerLog, process: Process) -> "Iterator[Dict[str, Any]]":
    """Each part that is there once the server is ready, as predicted and as measured; then what nobody planned."""
    sizes = log.sizes()
    planned: Dict[str, Dict[str, Any]] = {}
    for part in plan["parts"]:
        if part["when"] == "start":
            fresh = {"key": part["key"], "names": [], "predicted_mib": 0.0, "exact": True}
            row = planned.setdefault(part["key"], fresh)
            row["names"].append(part["name"])
            row["predicted_mib"] += part["mib"]
            row["exact"] = row["exact"] and part["exact"]
    for key, row in planned.items():
        size = sizes.pop(key, Size(0.0, 0.0, 0))
        if _kind(key) in LOGGED:
            yield dict(row, measured_mib=size.mib, largest_mib=size.largest, lines=size.lines)
        elif process.device_mib:
            rest = max(0.0, process.device_mib - _of_gpu(log))
            yield dict(row, measured_mib=rest, largest_mib=rest, lines=0)
    for key, size in sizes.items():
        names = {"key": key, "names": ["not planned"], "predicted_mib": 0.0, "exact": True}
        yield dict(names, measured_mib=size.mib, largest_mib=size.largest, lines=size.lines)


def _of_gpu(log: ServerLog) -> float:
    """What the log says of the GPU's memory: host buffers that its driver gives (Vulkan_Host) are GTT as well."""
    return sum(buffer.largest for buffer in log.buffers if not buffer.device.startswith("CPU"))


def _checkpoints(plan: "Dict[str, Any]", log: ServerLog) -> "Iterator[Dict[str, Any]]":
    """Each number of tokens once."""
    size = plan["checkpoint"]
    for tokens, mib in sorted({(point.tokens, point.mib) for point in log.checkpoints}):
        window = min(tokens, size["window_tokens"]) * size["window_token_bytes"]
        predicted = (size["fixed_bytes"] + tokens * size["token_bytes"] + window) / MIB
        name = {"key": "checkpoint", "names": ["checkpoint at %d tokens" % tokens], "exact": True, "lines": 1}
        yield dict(name, predicted_mib=predicted, measured_mib=mib, largest_mib=mib)


def check_layers(plan: "Dict[str, Any]", log: ServerLog) -> "Iterator[Check]":
    """All layers that were asked for must be on a device: a server that finds none starts all the same, and is slow."""
    asked = plan["gpu_layers"]
    if asked in (0, "auto"):
        return
    weights = log.sizes().get("main.model.device")
    if weights is None or weights.mib == 0:
        text = "no layer reached a device, %s were asked for: the weights are in the CPU's memory" % asked
        yield _check("layers", False, text)
        return
    if log.offloaded is None:
        text = "the log does not say how many layers reached the device; %.2f MiB of weights did" % weights.mib
        yield _check("layers", None, text)
        return
    reached, total = log.offloaded
    wanted = total if asked == "all" else min(int(asked), total)
    if reached < wanted:
        yield _check("layers", False, "%d of %d layers reached the device, wanted %d" % (reached, total, wanted))


def check_context(plan: "Dict[str, Any]", log: ServerLog) -> Check:
    """A slot has the planned context."""
    if log.n_ctx_seq is None:
        return _check("context", None, "the log does not say the context of a slot (planned %s)" % plan["sequence"])
    text = "the log says a context of %s for a slot (planned %s)" % (log.n_ctx_seq, plan["sequence"])
    return _check("context", log.n_ctx_seq == plan["sequence"], text)


def _part(plan: "Dict[str, Any]", row: "Dict[str, Any]") -> Check:
    """None beyond the tolerance; what the log has rounded is no difference."""
    rounding = plan["tolerance"]["line_mib"] * max(1, row["lines"])
    limit = max(rounding, row["predicted_mib"] * plan["tolerance"]["exact_percent"] / 100)
    text = "%s takes %.2f MiB, planned %.2f" % (" and ".join(row["names"]), row["measured_mib"], row["predicted_mib"])
    within = abs(row["measured_mib"] - row["predicted_mib"]) <= limit
    return _check(row["key"], True if within else None, "%s (%s)" % (text, row["key"]))


def _total(plan: "Dict[str, Any]", total: "Dict[str, float]") -> Check:
    measured, predicted = total["measured_mib"], total["predicted_mib"]
    within = abs(measured - predicted) <= predicted * plan["tolerance"]["total_percent"] / 100
    text = "all buffers take %.2f MiB, planned %.2f" % (measured, predicted)
    return _check("total", True if within else None, text)


def _process(plan: "Dict[str, Any]", found: "Dict[str, float]") -> Check:
    """What it holds may be less than planned (a mapped file, a driver that needs little), but not more."""
    within = found["measured_mib"] <= found["predicted_mib"] * (1 + plan["tolerance"]["total_percent"] / 100)
    text = "the process holds %(measured_mib).0f MiB (%(device_mib).0f on the GPU), planned %(predicted_mib).0f" % found
    return _check("process", True if within else None, text)
