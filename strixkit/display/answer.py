"""A chat answer with its speed and draft acceptance."""

from __future__ import annotations

from typing import Any

from strixkit.display.text import clean
from strixkit.runtime.completion import parse


def lines(answer: dict[str, Any]) -> list[str]:
    """Thinking, answer, tokens per second, acceptance."""
    completion = parse(answer)
    timings = completion.timings
    found = []
    if completion.reasoning:
        found.append(f"thinking:   {clean(completion.reasoning.strip())}")
    found.append(f"answer:     {clean(completion.content.strip())}")
    found.append(f"speed:      {timings.predicted_per_second:.1f} tokens/s")
    if timings.acceptance is None:
        found.append("drafts:     none")
    else:
        share = timings.acceptance * 100
        found.append(f"drafts:     {timings.draft_n_accepted} of {timings.draft_n} tokens accepted ({share:.0f} %)")
    return found
