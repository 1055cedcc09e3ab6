"""Facts in an agent's answer. The box is not trusted: what makes no sense is said in one line, whatever it sends."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from strixkit.errors import RemoteError
from strixkit.planner.facts import Facts

MOST_WORDS = 80  # characters of the place in the answer: a key there may be the box's own


def facts_in(answer: Any, host: str) -> Facts:
    """The facts in the answer to a facts request. Raises RemoteError."""
    try:
        return Facts.model_validate(answer["facts"])
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("facts", *fault["loc"]))[:MOST_WORDS]
        raise RemoteError(f"the facts make no sense: {where}: {fault['msg']}", host=host) from error
    except (KeyError, TypeError) as error:
        raise RemoteError("the facts make no sense: there are none in the answer", host=host) from error
