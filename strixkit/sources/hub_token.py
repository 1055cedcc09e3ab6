"""The token of Hugging Face on this machine, where Hugging Face's own tools have it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from strixkit.config.hub import endpoint
from strixkit.errors import InputError
from strixkit.runtime.tokens import may_have_token
from strixkit.secret import Secret

# A header's value; a token is letters, digits and `_`.
TOKEN = re.compile(r"[\x21-\x7e]{1,512}")


def token() -> Secret | None:
    """HF_TOKEN, else the file that `hf auth login` writes, else None. Raises InputError, which shows no character."""
    if text := os.environ.get("HF_TOKEN", "").strip():
        return _checked(text, "HF_TOKEN")
    path = token_path()
    try:
        text = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text of ASCII"
        raise InputError(f"the token in {path} cannot be read: {why}", hint="hf auth login writes it anew") from error
    return _checked(text, str(path)) if text else None


def token_for(url: str) -> Secret | None:
    """The token, if it may be sent with a request for this URL: to the hub's own host alone. Raises InputError."""
    return token() if may_have_token(endpoint(), url) else None


def token_path() -> Path:
    """Where the file is: HF_TOKEN_PATH, else `token` in HF_HOME, else in the user's cache."""
    if path := os.environ.get("HF_TOKEN_PATH"):
        return Path(path).expanduser()
    home = os.environ.get("HF_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home or f"{cache}/huggingface").expanduser() / "token"


def _checked(text: str, where: str) -> Secret:
    if not TOKEN.fullmatch(text):
        raise InputError(f"{where} holds no token: one word of letters, digits and '_' is wanted")
    return Secret(text)
