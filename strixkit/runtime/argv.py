"""From canonical options to the argument vector of one binary; nothing it does not know gets through."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from strixkit.errors import InputError
from strixkit.runtime.help import Capabilities
from strixkit.runtime.options import BY_NAME, CANONICAL, Option


@dataclass(frozen=True)
class Rendered:
    """The arguments without the program, and the optional options that this binary lacks."""

    argv: tuple[str, ...]
    omitted: tuple[str, ...]


def render(options: Mapping[str, JsonValue], capabilities: Capabilities, optional: Collection[str] = ()) -> Rendered:
    """Write the options in canonical order. Raises InputError for what the binary does not know."""
    for name in [*options, *optional]:
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, BY_NAME, 1)
            raise InputError(f"unknown option {name}" + (f"; did you mean {near[0]}?" if near else ""))
    argv: list[str] = []
    omitted = []
    for option in CANONICAL:
        if option.name not in options:
            continue
        words = _words(option, options[option.name], capabilities)
        if words is not None:
            argv += words
        elif option.name in optional:
            omitted.append(option.name)
        else:
            raise _unknown(option, capabilities)
    return Rendered(tuple(argv), tuple(omitted))


def _words(option: Option, value: JsonValue, capabilities: Capabilities) -> list[str] | None:
    """The words of one option; None when the binary has no such flag."""
    if option.kind == "load_mode":
        return _load_mode(bool(value), capabilities)
    if option.kind == "present":
        name = option.spellings[0]
        if not value:
            name = f"--no-{name[2:]}"
            return [name] if capabilities.find(name) else []
        return [name] if capabilities.find(name) else None
    flag = capabilities.find(*option.spellings)
    if flag is None:
        return None
    text = _text(option, value)
    allowed = capabilities.flags[flag].values
    if allowed and not set(text.split(",")) <= set(allowed):
        raise InputError(f"option {option.name} = {text}: this binary's {flag} takes only {', '.join(allowed)}")
    return [flag, text]


def _load_mode(mmap: bool, capabilities: Capabilities) -> list[str] | None:
    """The fork has --mmap and --no-mmap; upstream replaced them by --load-mode."""
    if capabilities.find("--load-mode"):
        return ["--load-mode", "mmap" if mmap else "none"]
    if capabilities.find("--no-mmap"):
        return [] if mmap else ["--no-mmap"]
    return None


def _text(option: Option, value: JsonValue) -> str:
    if option.kind == "on_off":
        return "on" if value else "off"
    if option.kind == "json":
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _unknown(option: Option, capabilities: Capabilities) -> InputError:
    near = difflib.get_close_matches(option.spellings[0], capabilities.flags, 3)
    hint = f"nearest that it knows: {', '.join(near)}" if near else None
    return InputError(
        f"option {option.name}: this binary knows neither {' nor '.join(option.spellings)}"
        if len(option.spellings) > 1
        else f"option {option.name}: this binary does not know {option.spellings[0]}",
        hint=f"{hint}; or list {option.name} under `optional:` in the profile"
        if hint
        else f"list {option.name} under `optional:` in the profile if it may be left out",
    )
