"""Facts that were saved in a file: a box's own answer, captured values, or an estimate that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from strixkit.errors import InputError
from strixkit.planner.facts import Facts

HINT = "see tests/data/facts/framework-128gb.json"


def load_answer(path: Path) -> dict[str, Any]:
    """The agent's answer in a file, with facts in it that make sense. Raises InputError."""
    answer = _read(path)
    _facts(answer, path)
    return answer


def load_facts(path: Path) -> Facts:
    """The facts in a file. Raises InputError."""
    return _facts(_read(path), path)


def _read(path: Path) -> dict[str, Any]:
    try:
        answer = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"facts file {path}: {error.strerror or error}", hint="see tests/data/facts") from error
    except ValueError as error:
        raise InputError(f"facts file {path}: no JSON: {error}", hint=HINT) from error
    if not isinstance(answer, dict) or "facts" not in answer:
        raise InputError(f"facts file {path}: no 'facts' in it", hint=HINT)
    return answer


def _facts(answer: dict[str, Any], path: Path) -> Facts:
    try:
        return Facts.model_validate(answer["facts"])
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in ("facts", *fault["loc"]))
        raise InputError(f"facts file {path}: {where}: {fault['msg']}", hint=HINT) from error
