"""Headers of files on a box, read there by the agent. The box is not trusted: its answer is checked field by field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strixkit.errors import InputError, RemoteError
from strixkit.planner.gguf import Header, from_summary
from strixkit.planner.splits import FilePart

M = TypeVar("M", bound=BaseModel)
U64 = Annotated[int, Field(ge=0, lt=1 << 64)]
Number = Annotated[int, Field(ge=-(1 << 63), lt=1 << 64)]
Scalar = bool | Number | float | str
REASONS = {"missing": "is not on the box", "denied": "may not be read by the ssh user; set ansible_become: true"}


class _Checked(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Passed(_Checked):
    element: str
    length: U64


class _Summary(_Checked):
    version: U64
    metadata: dict[str, Scalar | _Passed | list[Scalar | _Passed]]
    tensors: list[tuple[str, Annotated[list[U64], Field(max_length=4)], U64, U64, U64]]
    data_offset: U64
    alignment: Annotated[int, Field(gt=0, lt=1 << 64)]


class _Answer(_Checked):
    size: U64 = 0
    header: _Summary | None = None
    kind: str = ""
    error: str = ""


class Session(Protocol):
    """What is used of `strixkit.remote.session.Session`."""

    def request(self, do: str, **fields: Any) -> Any:
        """Ask the agent for one thing."""


def read_on_box(session: Session, host: str, paths: Sequence[str]) -> list[FilePart]:
    """A part for each path; what cannot be read has a failure that names it.

    Raises ConnectError, and RemoteError for an answer that makes no sense.
    """
    answers = session.request("headers", paths=list(paths))
    if not isinstance(answers, list) or len(answers) != len(paths):
        raise RemoteError("the answer about GGUF headers makes no sense: not one for each file", host=host)
    return [_part(host, path, answer) for path, answer in zip(paths, answers, strict=True)]


def header_from(host: str, path: str, summary: Any) -> Header:
    """The header in the agent's answer for one model. Raises RemoteError if it makes no sense."""
    return from_summary(_checked(_Summary, host, path, summary).model_dump())


def _checked(kind: type[M], host: str, path: str, answer: Any) -> M:
    try:
        # By way of JSON: there, strict mode still makes a tuple of a list.
        return kind.model_validate_json(json.dumps(answer))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])[:80]
        raise RemoteError(f"the header of {path} makes no sense: {where}: {fault['msg']}", host=host) from error


def _part(host: str, path: str, answer: Any) -> FilePart:
    name = f"{host}:{path}"
    found = _checked(_Answer, host, path, answer)
    if found.header is None:
        why = REASONS.get(found.kind) or f"cannot be read: {found.error[:400]}"
        return FilePart(name, failure=InputError(f"{path} {why}", host=host))
    return FilePart(name, found.size, from_summary(found.header.model_dump()))
