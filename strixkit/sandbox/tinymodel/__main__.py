"""`python -m strixkit.sandbox.tinymodel OUT.gguf`: writes the tiny model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from strixkit.errors import StrixError
from strixkit.sandbox.tinymodel import write_tiny_model


def main() -> int:
    """Read the arguments and write the file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m strixkit.sandbox.tinymodel", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.gguf")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draft-noise", type=float, default=0.0, help="0 accepts every draft (default)")
    parser.add_argument("--temperature", type=float, default=1.0, help="divides every logit; 32: not sure of a token")
    arguments = parser.parse_args()
    try:
        path = write_tiny_model(
            arguments.out,
            seed=arguments.seed,
            draft_noise=arguments.draft_noise,
            temperature=arguments.temperature,
        )
    except StrixError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{path}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
