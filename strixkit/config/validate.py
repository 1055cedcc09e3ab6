"""A document against a pydantic model: all faults in one error, each with its file, line, key and remedy."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from strixkit.config.document import Document, Key
from strixkit.config.fields import fields_at
from strixkit.config.names import suggestion
from strixkit.errors import InputError

M = TypeVar("M", bound=BaseModel)

# What was wanted, by pydantic's type of error; {} is filled from the error's context.
WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text (put it in quotes)",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "date_type": "a date as in 2026-06-29",
    "date_parsing": "a date as in 2026-06-29",
    "date_from_datetime_parsing": "a date as in 2026-06-29",
    "date_from_datetime_inexact": "a date as in 2026-06-29",
    "none_required": "nothing",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "union_tag_invalid": "{expected_tags}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length}",
}


def validate(document: Document, model: type[M], *, also: Collection[str] = ()) -> M:
    """The document's values as an instance of `model`; no value is converted, so "8080" is no number.

    also: keys of the top level that the caller handles, to offer them for a typo.
    Raises InputError with a line `file:line: key.path: found ..., wanted ...; did you mean 'x'?` for each fault.
    """
    try:
        # By way of JSON: there, strict mode still makes a tuple of a list.
        return model.model_validate_json(json.dumps(document.values), strict=True)
    except ValidationError as error:
        faults: dict[Key, list[ErrorDetails]] = {}
        for fault in error.errors(include_url=False):
            faults.setdefault(_key(document.values, fault), []).append(fault)
        # Missing keys last: often they are there, but misspelt.
        order = sorted(faults, key=lambda key: (faults[key][0]["type"] == "missing", document.where(key)))
        lines = [_line(document, model, key, faults[key], also) for key in order]
        raise InputError("\n".join(lines)) from error


def _line(
    document: Document, model: type[BaseModel], key: Key, faults: list[ErrorDetails], also: Collection[str]
) -> str:
    known = {*fields_at(model, key[:-1]), *(also if len(key) == 1 else ())}
    return document.fault(key, _message(key, faults, known))


def _key(values: Any, fault: ErrorDetails) -> Key:
    """The path in the file. Pydantic's own also names union members and types on the way, which are no keys."""
    key: list[str | int] = []
    for part in fault["loc"]:
        held = values if isinstance(values, dict) else dict(enumerate(values)) if isinstance(values, list) else {}
        if part in held:
            key.append(part)
            values = held[part]
    if fault["type"] == "missing":
        key.append(fault["loc"][-1])
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key.append(fault["ctx"]["discriminator"].strip("'"))
    return tuple(key)


def _message(key: Key, faults: list[ErrorDetails], known: Collection[str]) -> str:
    first = faults[0]
    if first["type"] in ("missing", "union_tag_not_found"):
        return "missing, and it is required"
    if first["type"] == "extra_forbidden":
        near = suggestion(str(key[-1]), known)
        return f"unknown key{near}" + ("" if near else f" (known: {', '.join(sorted(known))})")
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    value = first["ctx"]["tag"] if first["type"] == "union_tag_invalid" else first["input"]
    wanted = list(dict.fromkeys(_wanted(fault) for fault in faults))
    near = suggestion(value, _choices(faults)) if isinstance(value, str) else ""
    return f"found {_found(value)}, wanted {' or '.join(wanted)}{near}"


def _wanted(fault: ErrorDetails) -> str:
    pattern = WANTED.get(fault["type"])
    if pattern is None:
        return f"what fits: {fault['msg']}"
    return pattern.format(**fault.get("ctx", {}))


def _choices(faults: list[ErrorDetails]) -> list[str]:
    """The words in pydantic's list of allowed values: 'f16', 'q8_0' or 'q4_0'."""
    listed = [fault.get("ctx", {}) for fault in faults]
    texts = [str(context.get("expected", context.get("expected_tags", ""))) for context in listed]
    return [word for text in texts for word in text.split("'")[1::2]]


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        empty, noun = "" if value else "n empty", "mapping" if isinstance(value, dict) else "list"
        return f"a{empty} {noun}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
