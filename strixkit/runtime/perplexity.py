"""What llama-perplexity printed: the perplexity of a run, and its divergence from the base's logits. Untrusted text.

The program ends with 0 on most failures, and its log thread may be gone before the last lines are written. So a run is
complete only with its final statistics. Where they were lost, the cumulative row of the last chunk has the same numbers
with fewer digits; the row of an earlier chunk is that of another, shorter text, and is no result. Numbers are kept as
they were printed, and none is computed here. Python 3.9: the agent on the box imports this file and what it imports.

Formats: the same in the ROCmFPX fork, b11434 and Debian's 0.7.0 (tests/data/perplexity/README.md). The words of a
failure are lost in the same way as the numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from strixkit.runtime.log import Cause
from strixkit.runtime.perplexity_faults import fault, nonsense

_NUMBER = r"(-?(?:\d{1,30}\.\d{1,12}|nan|inf))"
_CHUNKS = re.compile(r"(?:calculating perplexity|computing) over (\d{1,9}) chunks, n_ctx=(\d{1,9})")
# `[1]1.6949,[2]2.2411,`: a number is whole when its comma is there.
_RUNNING = re.compile(r"\[(\d{1,9})\]" + _NUMBER + ",")
_FINAL = re.compile(rf"Final estimate: PPL = {_NUMBER} \+/- {_NUMBER}\n")
# Chunk; PPL, ln(PPL(Q)/PPL(base)), KLD, RMS of the change of probability in %, share of the same top token in %.
_ROW = re.compile(
    r"^ *(\d{1,9})" + 3 * rf" +{_NUMBER} ± +{_NUMBER}" + 2 * rf" +{_NUMBER} ± +{_NUMBER} %" + " *\n", re.MULTILINE
)
_STATISTICS = {
    "ppl": "Mean PPL(Q)",
    "base_ppl": "Mean PPL(base)",
    "ln_ratio": "Mean ln(PPL(Q)/PPL(base))",
    "kld": "Mean    KLD",
    "delta_p": "RMS Δp",
    "same_top": "Same top p",  # the last line of all
}
_LINES = {
    name: re.compile(rf"^{re.escape(words)} *: *{_NUMBER} ± +{_NUMBER}(?: %)?\n", re.MULTILINE)
    for name, words in _STATISTICS.items()
}
_TAIL = {
    name: re.compile(rf"^{re.escape(words)} *KLD: +{_NUMBER}\n", re.MULTILINE)
    for name, words in {"kld_max": "Maximum", "kld_99": "99.0%", "kld_median": "Median"}.items()
}


@dataclass(frozen=True)
class Measure:
    """A number and its standard error, as they were printed; error: empty where none was printed."""

    printed: str
    printed_error: str = ""

    @property
    def value(self) -> float:
        """The number."""
        return float(self.printed)

    @property
    def error(self) -> float | None:
        """Its standard error."""
        return float(self.printed_error) if self.printed_error else None

    @property
    def text(self) -> str:
        """Both, for people."""
        return f"{self.printed} ± {self.printed_error}" if self.printed_error else self.printed

    @property
    def finite(self) -> bool:
        """Neither is `nan` or `inf`."""
        return math.isfinite(self.value) and math.isfinite(self.error or 0.0)


@dataclass(frozen=True)
class Run:
    """What is known of a run from its output so far.

    chunks, context: how many pieces of how many tokens it evaluates; 0 until it is said. done: chunks with a row.
    measures: empty unless the run gave a result. cumulative: they are those of the last chunk's row, since the final
    statistics were lost. cause: why there can be no result. Without measures and cause the run is incomplete.
    """

    chunks: int
    context: int
    done: int
    measures: dict[str, Measure]
    cumulative: bool = False
    cause: Cause | None = None

    @property
    def complete(self) -> bool:
        """There is a result."""
        return bool(self.measures)


def parse_perplexity(output: str) -> Run:
    """The run of one model alone; its measure is `ppl`. The error is lost with the final line."""
    rows = {int(found[1]): {"ppl": Measure(found[2])} for found in _RUNNING.finditer(output)}
    final = _FINAL.search(output)
    return _run(output, {"ppl": Measure(final[1], final[2])} if final else {}, rows)


def parse_divergence(output: str) -> Run:
    """The run of a model against the base's logits.

    measures: ppl, base_ppl, ln_ratio, kld, delta_p (%), same_top (%), and without errors kld_max, kld_99, kld_median.
    A cumulative row has neither base_ppl nor the last three.
    """
    rows = {int(found[1]): dict(_cells(found)) for found in _ROW.finditer(output)}
    found = {name: pattern.search(output) for name, pattern in _LINES.items()}
    final = {name: Measure(match[1], match[2]) for name, match in found.items() if match}
    if len(final) < len(found):
        return _run(output, {}, rows)
    final |= {name: Measure(match[1]) for name, pattern in _TAIL.items() if (match := pattern.search(output))}
    return _run(output, final, rows)


def _cells(row: re.Match[str]) -> Iterator[tuple[str, Measure]]:
    names = ("ppl", "ln_ratio", "kld", "delta_p", "same_top")
    for index, name in enumerate(names):
        yield name, Measure(row[2 * index + 2], row[2 * index + 3])


def _run(output: str, final: dict[str, Measure], rows: dict[int, dict[str, Measure]]) -> Run:
    said = _CHUNKS.search(output)
    chunks, context = (int(said[1]), int(said[2])) if said else (0, 0)
    done = max(rows, default=0)
    measures = final if chunks else {}
    cumulative = bool(chunks) and not final and chunks in rows
    if cumulative:
        measures = rows[chunks]
    cause = nonsense(output) or _not_a_number(measures or rows.get(done, {})) or (None if measures else fault(output))
    if cause:
        return Run(chunks, context, done, {}, cause=cause)
    return Run(chunks, context, done, measures, cumulative)


def _not_a_number(measures: dict[str, Measure]) -> Cause | None:
    for name, measure in measures.items():
        if not measure.finite:
            return Cause(
                "not-a-number",
                f"{name} is {measure.text}: no number",
                "is the base of the same tokenizer, and does this file answer sense on this device? invoke probe tells",
            )
    return None
