"""A tiny `qwen35` model with an MTP head that says something known: what an embedded box serves.

Its architecture, chat template and drafting are those of the real model, and it is 12 MB. It thinks
`EXPECTED_REASONING`, answers `EXPECTED_CONTENT` and stops, whatever it is asked.
"""

from __future__ import annotations

from pathlib import Path

from strixkit.errors import InputError
from strixkit.sandbox.tinymodel.vocabulary import EXPECTED_CONTENT, EXPECTED_REASONING

__all__ = ["EXPECTED_CONTENT", "EXPECTED_REASONING", "write_tiny_model"]


def write_tiny_model(
    path: Path,
    *,
    seed: int = 1,
    draft_noise: float = 0.0,
    temperature: float = 1.0,
    context_length: int = 262144,
    name: str = "tiny",
) -> Path:
    """Write the model to `path` (atomically; the same arguments give the same bytes) and return `path`.

    `draft_noise` is the noise in the MTP head relative to its signal; the text stays the same. Measured with
    llama.cpp 0.7.0, seed 1 and `--spec-draft-n-max 3`, the same on CPU and Vulkan: 0.0 to 1.5 accepts 21 of
    21 drafted tokens, 2.0 accepts 19 of 24, 3.0 accepts 17 of 30, 4.0 accepts 16 of 33. (Where a turn ends
    inside a draft, as it does without thinking, the server counts that draft as refused: 9 of 12.)
    `temperature` divides every logit. At 1.0 the model is sure of each token beyond what any comparison of models can
    measure (llama-perplexity keeps 16 nats); at 32 it gives the next letter nine tenths, and a quantised copy differs.
    `context_length` in tokens is what the header says the model was trained for.
    Raises InputError if the `gguf` package is not installed or if the folder of `path` does not exist.
    """
    try:
        from strixkit.sandbox.tinymodel.writer import write
    except ModuleNotFoundError as error:
        if error.name not in ("gguf", "numpy"):
            raise
        raise InputError(
            f"the Python package {error.name} is not installed; the demo's model is written with it",
            hint="pip install 'strixkit[demo]'",
        ) from error
    if not path.parent.is_dir():
        raise InputError(f"no such directory: {path.parent}; the model was to be written there")
    write(path, seed=seed, draft_noise=draft_noise, temperature=temperature, context_length=context_length, name=name)
    return path
