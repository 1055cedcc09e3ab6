"""Where the file of a model comes from."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from strixkit.config.values import BoxPath, ControllerPath, Section, Sha256


class ModelSource(Section):
    """Exactly one place: a file on the controller (copied to the box), or a file that is on the box already.

    sha256: of the file at this place; without it, that of the catalogue's variant is the one wanted.
    """

    controller: ControllerPath | None = None
    box: BoxPath | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [name for name in ("controller", "box") if getattr(self, name) is not None]
        if len(places) != 1:
            found = " and ".join(places) or "neither"
            raise ValueError(f"found {found}, wanted exactly one of `controller:` and `box:`")
        return self
