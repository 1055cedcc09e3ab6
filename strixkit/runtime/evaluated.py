"""An evaluation as values: variants of one model, on texts, against one base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from strixkit.runtime.judge import Worse, judge
from strixkit.runtime.perplexity import Run


@dataclass(frozen=True)
class File:
    """A model's file on the box."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Claimed:
    """What the model's card says of a variant on a text. kld (nats) and same_top (%) are not of one text alone."""

    ppl: float | None = None
    kld: float | None = None
    same_top: float | None = None


@dataclass(frozen=True)
class OnText:
    """All runs on one text; what is compared is of the same text, chunks and base. size in bytes.

    base: the run that wrote the base's logits. runs: by variant. card: by variant.
    """

    name: str
    sha256: str
    size: int
    origin: str
    base: Run
    runs: Mapping[str, Run]
    card: Mapping[str, Claimed] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluated:
    """What `invoke evaluate` found. program: what computed it, and device: where. note: what the card's numbers are."""

    host: str
    model: str
    program: str
    device: str
    base: File
    files: Mapping[str, File]
    texts: tuple[OnText, ...]
    note: str = ""

    @property
    def worse(self) -> tuple[Worse, ...]:
        """All that is worse by more than the error."""
        return tuple(found for text in self.texts for found in judge(text.name, text.runs))
