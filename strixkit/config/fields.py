"""The keys that a pydantic model knows at a path: for `did you mean`."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel

from strixkit.config.document import Key


def fields_at(model: type[BaseModel], key: Key) -> set[str]:
    """Names of the fields of the model, or models of a union, that stand at `key` below `model`."""
    kinds = _models(model)
    for part in key:
        kinds = {found for kind in kinds for found in _below(kind, part)}
    return {name for kind in kinds if _is_model(kind) for name in kind.model_fields}


def _below(kind: Any, part: str | int) -> set[Any]:
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return _models(field.annotation) if field else set()
    arguments = typing.get_args(kind)
    return _models(arguments[-1 if isinstance(part, str) else 0]) if arguments else set()


def _models(annotation: Any) -> set[Any]:
    """The models and containers in an annotation, out of Annotated, Optional, unions and root models."""
    if _is_model(annotation):
        root = annotation.model_fields.get("root")
        return _models(root.annotation) if root else {annotation}
    origin = typing.get_origin(annotation)
    if origin in (dict, list, tuple):
        return {annotation}
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _models(arguments[0])
    return {found for argument in arguments for found in _models(argument)}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
