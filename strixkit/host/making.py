"""What `invoke quantize` starts from: a model's recipe, and its sources as files that the box has or gets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from strixkit.config.catalogue import Model, load_model, model_names
from strixkit.config.evaluation import HeldOut
from strixkit.config.names import unknown_name
from strixkit.config.recipe import SPLIT, Recipe, file_name
from strixkit.config.source import ModelSource
from strixkit.errors import InputError
from strixkit.host import cache
from strixkit.host.context import MODELS, STATE
from strixkit.host.heldout import text
from strixkit.host.origin import Origin, of_hub, of_url
from strixkit.resources.product import MADE

TEXTS = f"{STATE}/texts"


@dataclass(frozen=True)
class Input:
    """A file that something is made of. Size in bytes; text: where it is from, for people.

    source: a file on the controller that is sent. origin: where the box fetches it. Neither: it is on the box.
    """

    path: str
    sha256: str
    size: int
    text: str
    source: str | None = None
    origin: Origin | None = None


@dataclass(frozen=True)
class Making:
    """Variants of a model that are to be made. unlocked: files of a hub of which lock.yaml does not say what they are.

    source: the parts of the model to start from. texts: what the importance matrix is measured on. published: the
    matrix as its author made it, which is then not measured.
    """

    model: str
    entry: Model
    recipe: Recipe
    variants: tuple[str, ...]
    source: tuple[Input, ...] = ()
    texts: tuple[Input, ...] = ()
    published: Input | None = None
    unlocked: tuple[str, ...] = ()

    @property
    def with_imatrix(self) -> bool:
        """Whether one of the variants needs it."""
        return any(self.recipe.variants[name].imatrix for name in self.variants)


def made_paths(making: Making) -> list[str]:
    """Where the files of a run come to lie, in the order in which they are made."""
    names = [making.entry.variants[name].file for name in making.variants]
    if making.with_imatrix and making.recipe.imatrix is not None and making.published is None:
        names = [making.recipe.imatrix.calibration.file, making.recipe.imatrix.file, *names]
    return [f"{MADE}/{name}" for name in names]


class _UnlockedError(Exception):
    """A file of the hub is not locked."""


def making(model: str, variant: str | None, entry: Model | None = None, *, published: bool = False) -> Making:
    """What is to be made of a model: a variant, or all that its recipe makes. Raises InputError.

    entry: instead of the catalogue's. published: with the importance matrix that the author of the model made.
    """
    entry = entry or load_model(model)
    if entry.recipe is None:
        known = [name for name in model_names() if load_model(name).recipe is not None]
        raise InputError(f"model {model} has no recipe", hint=f"--model: one of {', '.join(known)}")
    if variant is not None and variant not in entry.recipe.variants:
        raise unknown_name("variant of the recipe", variant, entry.recipe.variants)
    variants = (variant,) if variant is not None else tuple(entry.recipe.variants)
    made = Making(model, entry, entry.recipe, variants)
    imatrix = entry.recipe.imatrix if made.with_imatrix else None
    own = imatrix.published if imatrix else None
    if published and own is None:
        raise InputError(
            f"model {model} names no importance matrix of its author for {', '.join(variants)}",
            hint="without --published-imatrix it is measured, where it is used",
        )
    source, unlocked = sources(entry.recipe)
    texts: list[Input] = []
    if published and own is not None:
        made = replace(made, published=next(iter(_named(_all([own], unlocked))), None))
    elif imatrix is not None:
        texts = _texts(imatrix.calibration.texts, unlocked)
    return replace(made, source=tuple(source), texts=tuple(texts), unlocked=tuple(unlocked))


def sources(recipe: Recipe) -> tuple[list[Input], list[str]]:
    """The parts of the model that a recipe starts from, and those that are not locked. Raises InputError."""
    unlocked: list[str] = []
    return _named(_all(recipe.source, unlocked)), unlocked


def _all(sources: Sequence[ModelSource], unlocked: list[str]) -> list[Input]:
    found = []
    for source in sources:
        try:
            found.append(_input(source))
        except _UnlockedError as error:
            unlocked.append(str(error))
    return found


def _texts(texts: Sequence[HeldOut], unlocked: list[str]) -> list[Input]:
    found: list[Input] = []
    for number, wish in enumerate(texts, 1):
        if wish.source is not None:
            for item in _all([wish.source], unlocked):
                name = PurePosixPath(file_name(wish.source))
                place = item.path or f"{TEXTS}/{name.stem}-{item.sha256[:12]}{name.suffix}"
                found.append(replace(item, path=place))
            continue
        kept = text(f"calibration {number}", wish)
        path = f"{TEXTS}/calibration-{number}-{kept.sha256[:12]}.txt"
        found.append(Input(path, kept.sha256, kept.size, kept.origin, str(kept.path)))
    return found


def _input(source: ModelSource) -> Input:
    """The file of a source; its path is empty where it has none on the box yet. Raises InputError, _UnlockedError."""
    if source.hub is not None:
        found = of_hub(source.hub)
        if found is None:
            raise _UnlockedError(f"{source.hub.file} of {source.hub.repo}")
        origin, sha256, size = found
        return Input("", sha256, size, origin.text, origin=origin)
    if source.controller is not None:
        return _sent(source, Path(source.controller).expanduser())
    if source.sha256 is None or source.size_bytes is None:
        raise InputError(
            f"{source.box or source.url} is a source of a recipe and needs its sha256 and its size_bytes",
            hint="beside it in profiles/models/, from sha256sum and stat -c %s",
        )
    if source.url is not None:
        origin = of_url(source.url)
        return Input("", source.sha256, source.size_bytes, origin.text, origin=origin)
    return Input(source.box or "", source.sha256, source.size_bytes, "a file of the box")


def _sent(source: ModelSource, local: Path) -> Input:
    if not local.is_file():
        hint = "invoke demo makes the tiny ones" if local.name.startswith("tiny") else "is the path right?"
        raise InputError(f"{local}, the source of a recipe, is not on this machine", hint=hint)
    found = cache.sha256(local)
    if source.sha256 not in (None, found):
        raise InputError(f"{local} has sha256 {found}, wanted {source.sha256}")
    return Input("", found, local.stat().st_size, "the controller", str(local))


def _named(parts: Sequence[Input]) -> list[Input]:
    """With their places on the box. Parts find each other by their names, so all have the hash of all in theirs."""
    digest = hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest()[:12]
    if len(parts) == 1:
        digest = parts[0].sha256[:12]
    found = []
    for part in parts:
        name = _base(part)
        match = SPLIT.fullmatch(name)
        if match is None:
            name = f"{PurePosixPath(name).stem}-{digest}{PurePosixPath(name).suffix}"
        else:
            name = f"{match['stem']}-{digest}-{match['number']}-of-{match['count']}.gguf"
        found.append(part if part.path else replace(part, path=f"{MODELS}/{name}"))
    return found


def _base(part: Input) -> str:
    place = part.path or part.source or (part.origin.url.partition("?")[0] if part.origin else "")
    return place.rpartition("/")[2]
