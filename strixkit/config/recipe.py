"""`recipe:` of a model in the catalogue: what its variants are made of, by which commands, and what must come of it."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from strixkit.config.evaluation import HeldOut
from strixkit.config.names import suggestion
from strixkit.config.source import ModelSource
from strixkit.config.values import FileName, Name, Section, matching
from strixkit.planner.gguf import TYPES

TYPE_NAMES = frozenset(kind.name for kind in TYPES.values())
SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf")
CONTEXT = 512  # tokens of a chunk of the importance matrix
ALL_LAYERS = 999  # more than any model has
TOLERANCE_PERCENT = 1.0

QuantizeType = Annotated[str, matching(r"[A-Za-z0-9_]{2,64}", "a type of llama-quantize --help, as in Q4_K_M")]
Device = Annotated[str, matching(r"[A-Za-z0-9]{1,32}", "a device as llama-server --list-devices has it, or none")]


def _tensor_type(name: str) -> str:
    if name.lower() not in TYPE_NAMES:
        raise ValueError(f"unknown tensor type {name!r}{suggestion(name.lower(), TYPE_NAMES)}")
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


# As llama-quantize's options take it: in either case.
TensorType = Annotated[str, AfterValidator(_tensor_type)]
TensorPattern = Annotated[str, matching(r"\S{1,128}", "a regular expression"), AfterValidator(_pattern)]


class Calibration(Section):
    """The text that the importance matrix is measured on: files joined in this order, as they are.

    Sources as those of a text that a model is judged on; one of a hub is fetched by the box.
    """

    file: FileName
    texts: tuple[HeldOut, ...] = Field(min_length=1)


class Importance(Section):
    """llama-imatrix. context: tokens of a chunk. chunks: how many there must be; None: as many as the text has.

    tensors: how many must have data. calibration: its text. published: the same file as the model's author made it.
    """

    file: FileName
    calibration: Calibration
    published: ModelSource | None = None
    device: Device = "Vulkan0"
    gpu_layers: int = Field(default=ALL_LAYERS, ge=0)
    flash_attention: Literal["on", "off", "auto"] = "on"
    context: int = Field(default=CONTEXT, ge=32)
    chunks: int | None = Field(default=None, ge=1)
    tensors: int | None = Field(default=None, ge=1)


class Expected(Section):
    """What a made file must be; what is not said is not held against it.

    size_gb: of 10^9 bytes. bits_per_weight: of all tensors. tolerance_percent: of both.
    types: pattern of tensors' names -> their type; the first that is found in a name counts. rest: of all other
        matrices. Vectors are f32 in every file. imatrix_tensors: how many the imatrix that was used had data for.
    nextn: the prefix of tensors that must be there, as in blk.64.nextn.
    """

    size_gb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    bits_per_weight: float | None = Field(default=None, gt=0, le=64, allow_inf_nan=False)
    tolerance_percent: float = Field(default=TOLERANCE_PERCENT, gt=0, le=50, allow_inf_nan=False)
    types: dict[TensorPattern, TensorType] = Field(default_factory=dict)
    rest: TensorType | None = None
    imatrix_tensors: int | None = Field(default=None, ge=1)
    nextn: Annotated[str, matching(r"blk\.[0-9]+\.nextn", "as in blk.64.nextn")] | None = None


class Quantized(Section):
    """llama-quantize for one variant, whose file is that of the catalogue. imatrix: the recipe's is used."""

    type: QuantizeType
    imatrix: bool = True
    token_embedding: TensorType | None = None
    output_tensor: TensorType | None = None
    expected: Expected = Expected()


class Recipe(Section):
    """How variants of a model are made on a box. source: the model to start from, its parts in order.

    variants: those of the catalogue that are made, by their names.
    """

    source: tuple[ModelSource, ...] = Field(min_length=1)
    imatrix: Importance | None = None
    variants: dict[Name, Quantized] = Field(min_length=1)

    @field_validator("source")
    @classmethod
    def _whole(cls, parts: tuple[ModelSource, ...], info: ValidationInfo) -> tuple[ModelSource, ...]:
        """llama.cpp is given the first part and finds the others by their names."""
        names = [file_name(part) for part in parts]
        found = [SPLIT.fullmatch(name) for name in names]
        if len(parts) == 1 and (found[0] is None or int(found[0]["count"]) == 1):
            return parts
        for number, (name, match) in enumerate(zip(names, found, strict=True), 1):
            first = found[0]
            alike = match and first and (match["stem"], match["count"]) == (first["stem"], first["count"])
            if match is None or not alike or (int(match["number"]), int(match["count"])) != (number, len(parts)):
                raise ValueError(f"{name} is not part {number} of {len(parts)}: wanted all parts, in their order")
        return parts

    @model_validator(mode="after")
    def _has_imatrix(self) -> Self:
        for name, variant in self.variants.items():
            if variant.imatrix and self.imatrix is None:
                raise ValueError(f"variant {name} uses an importance matrix: say `imatrix: false`, or how it is made")
        return self

    def variant(self, name: str) -> Quantized | None:
        """How a variant is made."""
        return self.variants.get(name)


def file_name(source: ModelSource) -> str:
    """The last part of where a source is."""
    place = source.hub.file if source.hub else source.url or source.controller or source.box or ""
    return place.split("?")[0].rpartition("/")[2]
