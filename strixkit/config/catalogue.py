"""The catalogue: models (what is served) and runtimes (what serves it), by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from strixkit.config.directories import names_in, profiles_directory
from strixkit.config.document import Document, merged
from strixkit.config.evaluation import Evaluation
from strixkit.config.hub import HubFile, RepoId, Revision
from strixkit.config.names import suggestion, unknown_name
from strixkit.config.recipe import Recipe
from strixkit.config.runtimes import Runtime, RuntimeFile
from strixkit.config.source import ModelSource
from strixkit.config.validate import validate
from strixkit.config.values import FileName, Name, Section, Sha256
from strixkit.config.yaml import load
from strixkit.errors import InputError
from strixkit.planner.gguf import TYPES
from strixkit.planner.shape import ModelShape

TYPE_NAMES = frozenset(kind.name for kind in TYPES.values())


class Variant(Section):
    """One file of a model. `size_bytes`, `sha256` and `shape` are None while nobody knows them.

    source: None: the file of this name in the model's repository on the hub.
    """

    file: FileName
    size_bytes: int | None = Field(default=None, gt=0)
    sha256: Sha256 | None = None
    note: str
    source: ModelSource | None = None
    shape: ModelShape | None = None


class Model(Section):
    """One file of `profiles/models/`.

    repo, ref: the repository on the hub and its branch, for variants that name no other source.
    tensor_types: the types beyond stock llama.cpp's that a runtime must know, by their ggml names.
    """

    description: str
    repo: RepoId | None = None
    ref: Revision = "main"
    tensor_types: tuple[str, ...] = ()
    variants: dict[Name, Variant] = Field(min_length=1)
    default_variant: Name
    evaluation: Evaluation | None = None
    recipe: Recipe | None = None

    @field_validator("tensor_types")
    @classmethod
    def _known_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        for name in types:
            if name not in TYPE_NAMES:
                raise ValueError(f"unknown tensor type {name!r}{suggestion(name, TYPE_NAMES)}")
        return types

    @field_validator("default_variant")
    @classmethod
    def _known_default(cls, name: str, info: ValidationInfo) -> str:
        variants = info.data.get("variants", {name: None})  # without variants, the error about them says enough
        if name not in variants:
            raise ValueError(f"unknown variant {name!r}{suggestion(name, variants)}")
        return name

    @field_validator("recipe")
    @classmethod
    def _known_variants(cls, recipe: Recipe | None, info: ValidationInfo) -> Recipe | None:
        variants = info.data.get("variants", {})  # without them, the error about them says enough
        for name in recipe.variants if recipe and variants else ():
            if name not in variants:
                raise ValueError(f"the recipe makes an unknown variant {name!r}{suggestion(name, variants)}")
        return recipe

    def variant(self, name: str | None = None) -> Variant:
        """A variant by name, or the default one. Raises InputError for an unknown name, with the nearest one."""
        name = name or self.default_variant
        if name not in self.variants:
            raise unknown_name("variant", name, self.variants)
        return self.variants[name]

    def source(self, variant: Variant) -> ModelSource:
        """Where the variant's file comes from when the inventory names no other place. Raises InputError."""
        if variant.source is not None:
            return variant.source
        if self.repo is None:
            raise InputError(
                f"{variant.file} has neither a source of its own nor a repository",
                hint="in profiles/models/: repo: OWNER/NAME for all variants, or source: for this one",
            )
        return ModelSource(hub=HubFile(repo=self.repo, ref=self.ref, file=variant.file))

    def wished(self, pinned: str | None, wish: str | None) -> str:
        """The name of the variant: the one that is pinned, else the one wished for if there is one, else the default.

        A profile is for any model, so its wish is no error where a model has no such variant.
        """
        return pinned or (wish if wish in self.variants else None) or self.default_variant


def hub_files(model: Model) -> list[HubFile]:
    """Every file of a hub that a model's file names, each once: its variants' first. Raises InputError."""
    sources = [model.source(variant).hub for variant in model.variants.values()]
    return list(dict.fromkeys([*(found for found in sources if found), *_hub_files_in(model)]))


def _hub_files_in(value: object) -> Iterator[HubFile]:
    """Those in a value of a checked file, in whatever section they are."""
    if isinstance(value, HubFile):
        yield value
    elif isinstance(value, BaseModel):
        yield from _hub_files_in([getattr(value, name) for name in type(value).model_fields])
    elif isinstance(value, Mapping):
        yield from _hub_files_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _hub_files_in(item)


def model_names(directory: Path | None = None) -> list[str]:
    """The names of all models; `directory` is `profiles/` of the inventory in use."""
    return names_in((directory or profiles_directory()) / "models")


def runtime_names(directory: Path | None = None) -> list[str]:
    """The names of all runtimes; `directory` is `profiles/` of the inventory in use."""
    return names_in((directory or profiles_directory()) / "runtimes")


def load_model(name: str, directory: Path | None = None) -> Model:
    """A model of the catalogue. Raises InputError for an unknown name, with the nearest one, and for bad files."""
    directory = directory or profiles_directory()
    if name not in model_names(directory):
        raise unknown_name("model", name, model_names(directory))
    return validate(_with_shapes(load(directory / "models" / f"{name}.yaml")), Model, also=("shape",))


def load_runtime(name: str, directory: Path | None = None) -> Runtime:
    """A runtime of the catalogue. Raises InputError for an unknown name, with the nearest one, and for bad files."""
    directory = directory or profiles_directory()
    if name not in runtime_names(directory):
        raise unknown_name("runtime", name, runtime_names(directory))
    return validate(_with_record(load(directory / "runtimes" / f"{name}.yaml"), directory), RuntimeFile).root


def _with_record(document: Document, directory: Path) -> Document:
    """With what another runtime recorded, where `recorded` is that one's name."""
    key = "recorded"
    name = document.values.get(key)
    if not isinstance(name, str):
        return document
    if name not in runtime_names(directory):
        raise unknown_name("runtime", name, runtime_names(directory), where=f"{document.where((key,))}: {key}")
    other = load(directory / "runtimes" / f"{name}.yaml")
    if not isinstance(other.values.get(key), dict):
        raise document.error((key,), f"{name} has no record of its own", hint="name the runtime that has one")
    positions = {at: place for at, place in other.positions.items() if at[:1] == (key,)}
    values = {**document.values, key: other.values[key]}
    return replace(document, values=values, positions={**document.positions, **positions})


def _with_shapes(document: Document) -> Document:
    """The model's `shape`, laid below the `shape` of each variant: what is common to all is written once."""
    common, variants = document.values.get("shape"), document.values.get("variants")
    if not isinstance(common, dict) or not isinstance(variants, dict):
        return document
    positions = {
        ("variants", name, *at): place
        for name in variants
        for at, place in document.positions.items()
        if at[:1] == ("shape",)
    }
    shapes = {name: {"shape": common} for name, variant in variants.items() if isinstance(variant, dict)}
    base = replace(document, values={**document.values, "variants": variants | shapes}, positions=positions)
    return merged(base, document).without("shape")
