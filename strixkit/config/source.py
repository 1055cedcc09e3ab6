"""Where the file of a model comes from."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from strixkit.config.hub import FileUrl, HubFile
from strixkit.config.values import BoxPath, ControllerPath, Section, Sha256

PLACES = ("controller", "box", "hub", "url")


class ModelSource(Section):
    """Exactly one place.

    controller: a file on the controller, copied to the box. box: a file that is on the box already. hub: a file of the
    hub, fetched by the box, with size and sha256 of lock.yaml. url: any other file that the box can fetch by http(s).
    sha256, size_bytes: of the file at this place; without them, those of the catalogue's variant are the ones wanted.
    """

    controller: ControllerPath | None = None
    box: BoxPath | None = None
    hub: HubFile | None = None
    url: FileUrl | None = None
    sha256: Sha256 | None = None
    size_bytes: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [name for name in PLACES if getattr(self, name) is not None]
        if len(places) != 1:
            found = " and ".join(places) or "none"
            wanted = " and ".join([", ".join(f"`{name}:`" for name in PLACES[:-1]), f"`{PLACES[-1]}:`"])
            raise ValueError(f"found {found}, wanted exactly one of {wanted}")
        return self
