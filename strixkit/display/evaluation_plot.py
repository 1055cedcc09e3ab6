"""An evaluation as a picture: a row of panels for each text, a point with its error bar for each variant."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strixkit.errors import InputError, StrixError
from strixkit.runtime.evaluated import Evaluated, OnText

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png")
# The perplexity's own error is that of the text; what tells variants apart is the difference from the base.
PANELS = {"ppl": "perplexity", "ln_ratio": "ln(PPL / base's PPL)", "kld": "mean KL divergence, nats"}
PANEL_INCHES = (4.2, 1.1)  # width, and height without its variants
VARIANT_INCHES = 0.35


def check(path: Path) -> None:
    """Before anything is run. Raises InputError for what is no picture, or where nothing can draw."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"--plot: found {path.name}, wanted a name that ends with {' or '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--plot: there is no folder {path.absolute().parent}")
    _figures()


def write(found: Evaluated, path: Path) -> None:
    """Draw it; the same values give the same bytes. Raises InputError, and StrixError where it cannot be written."""
    check(path)
    matplotlib, figures = _figures()
    rows = len(found.texts)
    variants = max(len(text.runs) for text in found.texts)
    width, height = PANEL_INCHES[0] * len(PANELS), (PANEL_INCHES[1] + VARIANT_INCHES * variants) * rows
    # Of two renderings of the same values no byte differs: no date, and ids that are hashes of what they name.
    with matplotlib.rc_context({"svg.hashsalt": "strixkit", "svg.fonttype": "none"}):
        figure = figures.Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, len(PANELS), squeeze=False)
        for row, text in zip(axes, found.texts, strict=True):
            for panel, (measure, title) in zip(row, PANELS.items(), strict=True):
                _panel(panel, text, measure, f"{text.name}: {title}")
        figure.suptitle(f"{found.model} on {found.host}, against {Path(found.base.path).name}")
        data = io.BytesIO()
        kind = path.suffix[1:]
        figure.savefig(data, format=kind, metadata={"Date": None} if kind == "svg" else None)
    try:
        path.write_bytes(data.getvalue())
    except OSError as error:
        raise StrixError(f"--plot: {path} cannot be written: {error.strerror}") from error


def _panel(axes: Axes, text: OnText, measure: str, title: str) -> None:
    names = list(text.runs)[::-1]  # the first variant on top
    measures = [text.runs[name].measures[measure] for name in names]
    axes.errorbar(
        [item.value for item in measures],
        range(len(names)),
        xerr=[item.error or 0.0 for item in measures],
        fmt="o",
        capsize=4,
    )
    if measure == "ppl":
        axes.axvline(text.base.measures["ppl"].value, linestyle="--", linewidth=1, color="grey")
    if measure == "ln_ratio":
        axes.axvline(0.0, linestyle="--", linewidth=1, color="grey")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_title(title, fontsize="medium")
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.locator_params(axis="x", nbins=5)


def _figures() -> tuple[Any, Any]:
    """matplotlib without a display: figures are made and saved, nothing is shown."""
    try:
        import matplotlib
        from matplotlib import figure
    except ModuleNotFoundError as error:
        raise InputError(
            f"the Python package {error.name} is not installed; --plot draws with it",
            hint="pip install -e '.[plot]' in the project's folder",
        ) from error
    return matplotlib, figure
