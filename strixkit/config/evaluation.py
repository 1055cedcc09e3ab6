"""`evaluation:` of a model in the catalogue: the texts that it is judged on, and what its card claims."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from strixkit.config.source import ModelSource
from strixkit.config.values import CONTROL, Name, Section, matching

CHUNKS = 100  # more make the errors smaller by the root of their number, and the base's logits larger
Glob = Annotated[
    str,
    matching(rf"(?!/)(?!(.*/)?\.\.(/|$))[^{CONTROL}\\]{{1,255}}", "a pattern of files in the project, without '..'"),
]
Perplexity = Annotated[float, Field(ge=1, allow_inf_nan=False)]


class HeldOut(Section):
    """A text that the model was not trained on; exactly one of both.

    project: files of this project, joined in the order of their paths: they are younger than the model.
    source: a file, as the source of a variant is one.
    """

    project: tuple[Glob, ...] | None = Field(default=None, min_length=1)
    source: ModelSource | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.project is None) == (self.source is None):
            raise ValueError("wanted exactly one of `project:` (patterns of files) and `source:`")
        return self


class Claim(Section):
    """What a card says of one variant. ppl: perplexity by text. kld: mean, nats. same_top: % of tokens."""

    ppl: dict[Name, Perplexity] = Field(default_factory=dict)
    kld: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    same_top: float | None = Field(default=None, ge=0, le=100)


class Card(Section):
    """A card's own numbers, by variant. note: why ours may differ."""

    note: str
    variants: dict[Name, Claim] = Field(min_length=1)


class Evaluation(Section):
    """How a model's variants are compared. chunks: of 512 tokens, of each text at most."""

    chunks: int = Field(default=CHUNKS, ge=2, le=100_000)
    texts: dict[Name, HeldOut] = Field(min_length=1)
    card: Card | None = None
