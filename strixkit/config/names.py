"""Names that a person mistyped: the nearest valid one, and the error that offers it."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from strixkit.errors import InputError

LISTED = 20


def nearest(word: str, names: Collection[str]) -> str | None:
    """The name that is most like `word`, or None if none is near. Case is no difference."""
    by_folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def suggestion(word: str, names: Collection[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    near = nearest(word, names)
    return f"; did you mean {near!r}?" if near else ""


def unknown_name(
    kind: str, word: str, names: Collection[str], *, where: str = "", hint: str | None = None
) -> InputError:
    """The error for a name that is not among `names`; `where` is put first, as in `inventory.yaml:3`."""
    listed = sorted(names)
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    known = ", ".join(listed[:LISTED]) + more if listed else "none"
    prefix = f"{where}: " if where else ""
    return InputError(f"{prefix}unknown {kind} {word!r}{suggestion(word, names)} (known: {known})", hint=hint)
