"""An evaluation as people read it, and the JSON of the same. Numbers are as llama-perplexity printed them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.runtime.evaluated import Claimed, Evaluated, OnText
from strixkit.runtime.judge import Worse
from strixkit.runtime.perplexity import Measure, Run

HEAD = ("text", "variant", "perplexity", "ln(PPL / base's PPL)", "mean KLD", "same top token, %")
CARD = ("card: PPL", "KLD", "same top, %")
MEASURES = ("ppl", "ln_ratio", "kld", "same_top")
WORDS = {
    "ln_ratio": "predicts WORSE than {than}: its ln(PPL) is higher by {difference:.6f} ± {error:.6f}",
    "kld": "is LESS FAITHFUL than {than}: its KL divergence is higher by {difference:.6f} ± {error:.6f}",
}


def lines(found: Evaluated) -> list[str]:
    """A table with a row for each text and variant, what is worse, and what it was computed on."""
    rows, claims = list(_rows(found)), any(text.card for text in found.texts)
    head = (*HEAD, *CARD) if claims else HEAD
    table = columns([head, *(row if claims else row[: len(HEAD)] for row in rows)], right=range(2, len(head)))
    title = f"{found.host}: {found.model}, {one_line(found.program)}, {one_line(found.device)}"
    return [title, *(f"  {line}" for line in table), *_verdicts(found), *_notes(found)]


def _rows(found: Evaluated) -> Iterator[tuple[str, ...]]:
    for text in found.texts:
        yield (text.name, "(base)", _text(text.base, "ppl"), "", "", "", *_claimed(None))
        for variant, run in text.runs.items():
            cells = (_text(run, name) for name in MEASURES)
            yield (text.name, variant, *cells, *_claimed(text.card.get(variant)))
        for variant, claim in text.card.items():
            if variant not in text.runs:
                yield (text.name, variant, "not run", "", "", "", *_claimed(claim))


def _text(run: Run, name: str) -> str:
    return run.measures[name].text if name in run.measures else ""


def _claimed(claim: Claimed | None) -> tuple[str, ...]:
    values = (claim.ppl, claim.kld, claim.same_top) if claim else (None, None, None)
    return tuple("" if value is None else f"{value:g}" for value in values)


def _verdicts(found: Evaluated) -> Iterator[str]:
    worse = found.worse
    for item in sorted(worse, key=lambda item: (item.text, item.measure, -item.times)):
        yield _verdict(item)
    for text in found.texts:
        if not any(item.text == text.name for item in worse):
            yield f"{text.name}: no variant is worse than another, or than the base, by more than the error"


def _verdict(item: Worse) -> str:
    than = item.better or "the base"
    words = WORDS[item.measure].format(than=than, difference=item.difference, error=item.error)
    return f"{item.text}: {item.worse} {words}, {item.times:.1f} times the error"


def _notes(found: Evaluated) -> Iterator[str]:
    for text in found.texts:
        yield (
            f"{text.name}: {text.base.chunks} chunks of {text.base.context} tokens; {one_line(text.origin)}, "
            f"{text.size} bytes, sha256 {text.sha256[:16]}; results on another text do not compare with these"
        )
        for variant, run in {"(base)": text.base, **text.runs}.items():
            if run.cumulative:
                yield f"{text.name}, {variant}: the final statistics were lost; the numbers are those of the last row"
    yield f"base: {one_line(found.base.path)}, sha256 {found.base.sha256[:16]}"
    if found.note:
        yield f"card: {found.note}"


def document(found: Evaluated) -> dict[str, Any]:
    """The same as JSON values; each number beside its text as it was printed."""
    return {
        "host": found.host,
        "model": found.model,
        "program": found.program,
        "device": found.device,
        "base": asdict(found.base),
        "files": {name: asdict(file) for name, file in found.files.items()},
        "texts": [_document(text) for text in found.texts],
        "worse": [{**asdict(item), "times": item.times} for item in found.worse],
        "card_note": found.note,
    }


def _document(text: OnText) -> dict[str, Any]:
    return {
        "name": text.name,
        "sha256": text.sha256,
        "size": text.size,
        "origin": text.origin,
        "base": _run(text.base),
        "variants": {name: _run(run) for name, run in text.runs.items()},
        "card": {name: asdict(claim) for name, claim in text.card.items()},
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "chunks": run.chunks,
        "context": run.context,
        "cumulative": run.cumulative,
        "measures": {name: _measure(measure) for name, measure in run.measures.items()},
    }


def _measure(measure: Measure) -> dict[str, Any]:
    return {"value": measure.value, "error": measure.error, "printed": measure.text}
