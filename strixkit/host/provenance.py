"""What is recorded of a made file, beside it on the box and in the manifest of a release that uses it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Source(BaseModel):
    """What a file was made of. origin: where that is from."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str
    sha256: str
    origin: str


class Checked(BaseModel):
    """One thing that was looked at. wanted: empty where nothing was held against it."""

    model_config = ConfigDict(frozen=True)

    what: str
    found: str
    wanted: str
    ok: bool


class Provenance(BaseModel):
    """See strixkit/remote/agent/make/step.py, which writes it. Size in bytes; began and made in UTC.

    key: digest of all that shaped the file. seconds: that the tool took. unweighted: matrices of which the importance
    matrix had nothing.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    path: str
    model: str
    variant: str = ""
    type: str = ""
    key: str
    tool: str
    argv: tuple[str, ...]
    inputs: tuple[Source, ...]
    runtime: dict[str, str]
    host: str
    kernel: str
    began: str
    made: str
    seconds: float
    sha256: str
    size: int
    checks: tuple[Checked, ...]
    chunks: int | None = None
    unweighted: tuple[str, ...] = ()
