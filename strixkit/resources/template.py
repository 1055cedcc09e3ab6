"""Kind `template`: a file whose content is rendered from a Jinja template of a role."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from strixkit.errors import InputError
from strixkit.resources.file import File


class Template(File):
    """A rendered file; make it with `render`."""

    kind: ClassVar[str] = "template"


def render(source: Path, values: dict[str, Any]) -> str:
    """Render a template. An unknown variable is an error, not an empty text. Raises InputError."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return environment.from_string(source.read_text()).render(values)
    except jinja2.TemplateError as error:
        line = f":{error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise InputError(f"{source.name}{line}: {error}") from error
