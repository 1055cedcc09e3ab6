"""Facts that were saved in a file: a box's own answer, captured values, or an estimate that says so."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from strixkit.errors import InputError
from strixkit.files import replace_text
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


def targets(save: str, hosts: Sequence[str]) -> dict[str, Path]:
    """The file of each host: `save` itself for one host, or HOST.json in the folder that it names.

    Raises InputError, before any box is asked: for a place that does not exist, and for a file that holds no facts,
    since that is a slip of the hand and not to be overwritten.
    """
    path = Path(save)
    if save.endswith("/") or path.is_dir():
        found = {host: path / f"{host}.json" for host in hosts}
    elif len(hosts) == 1:
        found = {hosts[0]: path}
    else:
        raise InputError(f"{path} is one file for {len(hosts)} hosts", hint=f"a folder: --save {path}/")
    for target in found.values():
        if target.exists():
            _never_lose(target)
        elif not target.parent.is_dir():
            raise InputError(f"there is no folder {target.parent}", hint=f"mkdir -p {shlex.quote(str(target.parent))}")
    return found


def save_facts(path: Path, source: str, facts: Facts) -> None:
    """Write a file that `plan --facts` takes, in one rename. Raises InputError when it cannot be written."""
    target = path.resolve()  # of a link, what it points to
    try:
        if target.exists():
            _never_lose(target)
        replace_text(target, facts_text(source, facts), encoding="ascii")
    except OSError as error:
        raise InputError(f"facts file {path} cannot be written: {error.strerror or error}") from error


def facts_text(source: str, facts: Facts) -> str:
    """The text of a facts file. `source` says where the values come from."""
    return json.dumps({"source": source, "facts": facts.model_dump(mode="json")}, indent=2) + "\n"


def _never_lose(path: Path) -> None:
    refused = InputError(f"{path} is there and is no facts file; it is left as it is", hint="another --save")
    if not path.is_file():  # a device or a pipe, which may not end
        raise refused
    try:
        _read(path)
    except InputError as error:
        raise refused from error


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
