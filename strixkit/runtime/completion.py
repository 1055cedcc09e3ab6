"""A chat completion of llama-server: its texts and its timings. The server's answer is untrusted."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from strixkit.errors import RemoteError


class Timings(BaseModel):
    """Of one completion; `draft_*` are there only if a token was drafted."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    cache_n: int = 0
    prompt_n: int = 0
    prompt_per_second: float = 0.0
    predicted_n: int = 0
    predicted_per_second: float = 0.0
    draft_n: int = 0
    draft_n_accepted: int = 0

    @property
    def acceptance(self) -> float | None:
        """Accepted share of drafted tokens, 0 to 1; None when nothing was drafted."""
        return self.draft_n_accepted / self.draft_n if self.draft_n else None


class Completion(BaseModel):
    """Texts and timings."""

    model_config = ConfigDict(frozen=True)

    content: str
    reasoning: str
    timings: Timings


def parse(answer: dict[str, Any]) -> Completion:
    """Read the JSON of /v1/chat/completions. Raises RemoteError."""
    try:
        message = answer["choices"][0]["message"]
        return Completion(
            content=message.get("content") or "",
            reasoning=message.get("reasoning_content") or "",
            timings=Timings.model_validate(answer.get("timings") or {}),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValidationError) as error:
        raise RemoteError(f"not a chat completion: {error!r}") from error
