"""What strix-probe measured on the GPU itself."""

from __future__ import annotations

from collections.abc import Iterator

from strixkit.doctor.check import Check, Examined, Point, Verdict, bad, doubt, good, skip
from strixkit.doctor.texts import GITHUB, LLAMA_ISSUES, no_gpu
from strixkit.errors import RemoteError
from strixkit.runtime.probe import Run, outdated, parse_saved

# Our estimate: below all that was published of healthy boxes (215 to 234 of 256 GB/s, 84 to 91 %).
LEAST_PERCENT = 80


def gpu_probe(examined: Examined) -> Iterator[Point]:
    """Whether the GPU computes right, and at which part of its bandwidth, when it was last probed."""
    command = f"invoke probe --host {examined.host.name}"
    if examined.facts.gpu is None:
        yield skip(no_gpu(examined.facts))
        return
    if examined.evidence.probe is None:
        yield skip(f"{examined.evidence.why_unread('probe')}: {command}")
        return
    try:
        saved = parse_saved(examined.evidence.probe)
    except RemoteError as error:
        yield skip(f"{error.text}: {command}")
        return
    if not saved.runs:
        yield skip(f"strix-probe's file has no run: {command}")
    for run in saved.runs:
        yield _judged(examined, run, command)


def _judged(examined: Examined, run: Run, command: str) -> Point:
    result = run.result
    name = f"{result.device.backend}: {result.device.name}"
    if result.device.software:
        return skip(f"{name} is software on the processor, and says nothing of the GPU: {command}")
    if changed := outdated(run, examined.facts.kernel, examined.facts.packages):
        return skip(f"{name} was probed before something changed ({changed}): {command}")
    if not result.right:
        wrong: list[str] = [item.name for item in result.bandwidth if not item.right]
        wrong += [f"{item.name} ({item.layout}, {item.input})" for item in result.matvec if not item.right]
        todo = f"another version of kernel, Mesa or ROCm, or another backend; then {command}"
        return bad(f"{name} computes WRONG: {', '.join(wrong[:4])}{' and more' if len(wrong) > 4 else ''}", todo)
    if result.read.percent is None or result.peak is None:
        return good(f"{name} computes right; it reads {result.read.gbps:.0f} GB/s, of a peak that is not known")
    percent = result.read.percent
    words = f"{name} computes right, at {percent:.0f} % of its bandwidth"
    words += f" ({result.read.gbps:.0f} of {result.peak.gbps:.0f} GB/s)"
    if LEAST_PERCENT <= percent <= 100:
        return good(words)
    if percent < LEAST_PERCENT:
        why = f"less than {LEAST_PERCENT} %"
        todo = "see the check `speed`; nothing else may use the GPU or the memory meanwhile"
    else:
        why = "more than there can be"
        todo = "the device's clock or the peak is wrong: another version of the driver, or another backend"
    return doubt(f"{words}: {why}", f"{todo}; then {command}")


CHECKS = {
    "gpu-probe": Check(
        id="gpu-probe",
        group="service",
        question="Does the GPU compute right, and at which part of its bandwidth?",
        looks_at="/var/lib/strixkit/probe.json: the newest run of strix-probe on each backend. It multiplies ROCmFP4 "
        "matrices of the model's shapes on the GPU and holds every result against the CPU, within a derived bound. Not "
        "used when the kernel, Mesa or HIP are no longer those of the run, or when it ran on software.",
        why="ROCm builds that compute wrong logits are known in the field, and a model that answers nonsense shows it "
        "late. Decoding is bound by memory: 215 to 234 of 256 GB/s were published (84 to 91 %). That less than "
        f"{LEAST_PERCENT} % is worth a look is our own estimate.",
        links=(
            f"{LLAMA_ISSUES}25992",
            f"{LLAMA_ISSUES}28211",
            f"{GITHUB}hogeheer499-commits/strix-halo-guide",
        ),
        mended_by="another version of kernel, Mesa or ROCm; for the bandwidth roles tuning and memory",
        confidence="several reports",
        reads=("gpu", "kernel", "packages"),
        verdicts=frozenset(Verdict),
        look=gpu_probe,
    ),
}
