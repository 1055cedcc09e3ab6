"""Kind `kernel_arguments`: what the kernel is booted with; wanted, configured for the next boot, and live."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _argument_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError(f"{value!r} is not the name of a kernel argument")
    return value


class Argument(BaseModel):
    """One kernel argument as wanted. value: None means that it must not be there."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, AfterValidator(_argument_name)]
    value: str | None
    reason: str
