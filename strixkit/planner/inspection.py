"""Everything that a person asks of a GGUF, from its header alone. Pure; where the header came from is no matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from strixkit.errors import InputError
from strixkit.planner.gguf import Array, Header
from strixkit.planner.shape import ModelShape, shape_from_header
from strixkit.planner.splits import Whole
from strixkit.planner.template import TemplateFacts, template_facts
from strixkit.planner.tensors import (
    TypeRow,
    Verdict,
    bits_per_weight,
    elements_of,
    file_type_name,
    misfits,
    type_doubts,
    type_name,
    type_table,
    verdicts,
)


class Frozen(BaseModel):
    """Base: values never change."""

    model_config = ConfigDict(frozen=True)


class Layers(Frozen):
    """Main layers that grow a KV cache, main layers with a recurrent state, and MTP (nextn) blocks."""

    attention: int
    recurrent: int
    mtp: int

    @classmethod
    def of(cls, shape: ModelShape) -> Layers:
        """Those of a shape."""
        return cls(attention=shape.attention_layers, recurrent=shape.recurrent_layers, mtp=shape.nextn_layers)


class File(Frozen):
    """One file of the model, in bytes. `size` is None where it could not be read."""

    name: str
    size: int | None
    tensors: int


class Inspection(Frozen):
    """A GGUF's facts. Lengths in tokens, sizes in bytes; None where the header does not say.

    problems: why it cannot be used as it is. doubts: what may be otherwise than it seems.
    """

    files: tuple[File, ...]
    architecture: str
    name: str
    parameters: int
    bytes: int
    bits_per_weight: float
    layers: Layers | None
    context_length: int | None
    vocabulary: int | None
    experts: int | None
    file_type: int | None
    file_type_name: str
    types: tuple[TypeRow, ...]
    template: TemplateFacts | None
    runtimes: tuple[Verdict, ...]
    problems: tuple[str, ...]
    doubts: tuple[str, ...]


def inspect(whole: Whole, runtimes: Mapping[str, frozenset[int]]) -> Inspection:
    """The facts of a file, or of all parts of one. `runtimes`: name -> ids of the tensor types that it reads."""
    header = whole.header
    metadata = header.metadata
    architecture = _text(metadata.get("general.architecture"))
    shape, why = _shape(header)
    file_type = _number(metadata.get("general.file_type"))
    parameters = sum(elements_of(tensor.shape) for tensor in header.tensors)
    problems = (*whole.problems, *_mtp_problem(shape), *_misfit_problems(whole))
    return Inspection(
        files=tuple(
            File(
                name=part.name,
                size=part.size if part.header else None,
                tensors=len(part.header.tensors) if part.header else 0,
            )
            for part in whole.parts
        ),
        architecture=architecture,
        name=_text(metadata.get("general.name")),
        parameters=parameters,
        bytes=sum(part.size for part in whole.parts if part.header),
        bits_per_weight=bits_per_weight(sum(tensor.nbytes for tensor in header.tensors), parameters),
        layers=Layers.of(shape) if shape else None,
        context_length=shape.context_length if shape else _number(metadata.get(f"{architecture}.context_length")),
        vocabulary=_vocabulary(header, architecture),
        experts=_number(metadata.get(f"{architecture}.expert_count")),
        file_type=file_type,
        file_type_name=file_type_name(file_type) if file_type is not None else "",
        types=type_table(header),
        template=template_facts(metadata),
        runtimes=verdicts(header, runtimes, whole=not problems),
        problems=problems,
        doubts=(*type_doubts(header, file_type), *_planner_doubts(shape, why)),
    )


def _shape(header: Header) -> tuple[ModelShape | None, str]:
    try:
        return shape_from_header(header), ""
    except InputError as error:
        return None, error.message


def _planner_doubts(shape: ModelShape | None, why: str) -> Iterator[str]:
    if shape is None:
        yield f"the memory planner cannot use it: {why}"
    elif not shape.known:
        yield (
            f"the memory planner was never held against a server with a model of architecture {shape.architecture}: "
            "its caches and compute buffers are estimates"
        )


def _mtp_problem(shape: ModelShape | None) -> Iterator[str]:
    """Some conversions drop the block and leave its announcement."""
    if shape and shape.nextn_layers and not shape.nextn_bytes:
        yield "an MTP head is announced, but none of its tensors are there"


def _misfit_problems(whole: Whole) -> Iterator[str]:
    for part in whole.parts:
        for number, count in misfits(part.header).items() if part.header else ():
            yield (
                f"{part.name}: {count} tensors of type {number} take another room than {type_name(number)} does: "
                "the id means another type in the fork that wrote them, or the file has gaps, which llama.cpp refuses"
            )


def _vocabulary(header: Header, architecture: str) -> int | None:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Array):
        return tokens.length
    return len(tokens) if isinstance(tokens, list) else _number(header.metadata.get(f"{architecture}.vocab_size"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
