"""Types of single values in the files: which text may be a name, a user, an address, a path."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of the mappings in these files: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def matching(pattern: str, wanted: str) -> AfterValidator:
    """A check that the whole text matches `pattern`; `wanted` says that in words."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"found {text!r:.80}, wanted {wanted}")
        return text

    return AfterValidator(check)


# LLAMA_API_KEY, HF_TOKEN, DB_PASSWORD, AWS_SECRET_ACCESS_KEY; not SSL_KEY_FILE, TOKENIZERS_PARALLELISM.
SECRET_NAME = re.compile(
    r"(.*_)?((API|ACCESS|AUTH|PRIVATE|SECRET|ENCRYPTION)_?KEYS?"
    r"|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|CREDENTIALS?)",
    re.IGNORECASE,
)


def _no_secret(name: str) -> str:
    if SECRET_NAME.fullmatch(name):
        raise ValueError(
            f"{name} sounds like a secret, and everybody on the box can read a service's environment; "
            "API keys are made on the box by strixkit (invoke key shows one), "
            "and a token for downloads belongs in a file that only root can read"
        )
    return name


def _no_nul(text: str) -> str:
    # The value is not shown: it may be a secret.
    if "\0" in text:
        raise ValueError("the value holds a NUL character, which no environment can carry")
    return text


# What ssh itself refuses in a host name (OpenSSH ssh.c: valid_hostname), and `@` and `/`: the user has a key
# of its own.
NOT_IN_ADDRESS = r"""\s\x00-\x1f\x7f'"`$\\;&<>|(){}@/,"""
CONTROL = r"\x00-\x1f\x7f"

HostName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?",
        "a host name of letters, digits, '.', '-' and '_' (ranges as in box[01:03] are not supported: list each host)",
    ),
]
GroupName = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", "a group name of letters, digits, '_' and '-'")]
ServiceName = Annotated[
    str,
    matching(
        r"(?!.*-candidate$)[a-z][a-z0-9-]{0,31}",
        "a service name of at most 32 of a-z, 0-9 and '-', a letter first, without '-candidate' at the end",
    ),
]
Name = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "a name of letters, digits, '.', '-' and '_'")]
User = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}", "a user name of letters, digits, '_', '.' and '-'")]
Address = Annotated[
    str,
    matching(
        rf"[^-{NOT_IN_ADDRESS}][^{NOT_IN_ADDRESS}]{{0,254}}",
        "a host name or an IP address: no spaces, quotes, '@' or shell characters, no '-' at the start",
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]
UserPath = Annotated[
    str, matching(rf"[^{CONTROL}-][^{CONTROL}]*", "a path without control characters or '-' at the start")
]
ControllerPath = Annotated[
    str,
    matching(rf"(/|~/)[^{CONTROL}]+", "a path on this machine that starts with / or ~/, without control characters"),
]
BoxPath = Annotated[
    str,
    matching(rf"/(?!.*(^|/)\.\.(/|$))[^{CONTROL}]+", "an absolute path on the box without '..' or control characters"),
]
FileName = Annotated[str, matching(rf"(?!\.)[^/{CONTROL}]{{1,255}}", "a file name without '/'")]
EnvironmentName = Annotated[
    str,
    matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable: letters, digits and '_'"),
    AfterValidator(_no_secret),
]
# Free text: quotes, spaces, $ and newlines are legal and carried as they are.
EnvironmentValue = Annotated[str, AfterValidator(_no_nul)]
Environment = dict[EnvironmentName, EnvironmentValue]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "a sha256 of 64 lower-case hex digits")]
LockupTimeout = Annotated[
    str, matching(r"-?\d+(,-?\d+){0,3}", "one to four numbers of milliseconds: GFX, compute, SDMA, video")
]
