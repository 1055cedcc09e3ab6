"""Texts on which the importance matrix of the tiny model is measured: what it says, and what it does not expect.

`python -m strixkit.sandbox.tinymodel.calibration` writes them to `calibration/`. They are not those it is judged on.
"""

from __future__ import annotations

from pathlib import Path

from strixkit.sandbox.tinymodel.heldout import lines

FOLDER = Path(__file__).parent / "calibration"
LINES = 50  # of 28 tokens or 29: nearly three chunks of 512
# name: the seed, and the share of lines with a foreign letter in them
TEXTS = {"known": (11, 0.0), "surprises": (12, 0.5)}


def text(name: str) -> str:
    """One of TEXTS; the same name gives the same text."""
    return lines(*TEXTS[name], LINES)


def main() -> None:
    """Write the texts."""
    FOLDER.mkdir(exist_ok=True)
    for name in TEXTS:
        (FOLDER / f"{name}.txt").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
