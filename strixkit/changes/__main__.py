"""`python -m strixkit.changes`: write docs/changes.md anew."""

from __future__ import annotations

import sys

from strixkit.changes.page import page
from strixkit.changes.variants import about, provisioning, wishes
from strixkit.config.directories import PROJECT
from strixkit.errors import StrixError

PAGE = PROJECT / "docs" / "changes.md"


def text() -> str:
    """The page as it must be. Raises InputError."""
    return page(wishes(), provisioning(), about())


def main() -> int:
    """Write the page; exit code 2 for bad input."""
    try:
        PAGE.write_text(text())
    except StrixError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
