"""Entries of apt's source files that name a repository, and the files without them."""

from __future__ import annotations

import pytest

from strixkit.remote.agent.sources import split

AMD = ["https://repo.radeon.com/rocm/apt/"]
ROCM = "deb [arch=amd64 signed-by=/etc/apt/keyrings/rocm.gpg] https://repo.radeon.com/rocm/apt/7.1 noble main"
UBUNTU = "deb http://archive.example/ubuntu noble main"
STANZA = "Types: deb\nURIs: https://repo.radeon.com/rocm/apt/7.2.4/\nSuites: noble\nComponents: main"
OTHER = "Types: deb\nURIs: http://archive.example/debian\nSuites: trixie\nComponents: main"


@pytest.mark.parametrize(
    ("name", "text", "hits", "left"),
    [
        ("x.list", f"{ROCM}\n", [ROCM], ""),
        ("x.list", f"# mine\n{UBUNTU}\n{ROCM}\n", [ROCM], f"# mine\n{UBUNTU}\n"),
        ("x.list", f"#{ROCM}\n{UBUNTU}\n", [], f"#{ROCM}\n{UBUNTU}\n"),
        ("x.list", "deb-src https://repo.radeon.com/rocm/apt/7.2 noble main\n", None, ""),
        # Another folder of the same server is another repository.
        ("x.list", "deb https://repo.radeon.com/graphics/7.2.1/ubuntu noble main\n", [], None),
        ("x.sources", STANZA + "\n", [STANZA], ""),
        ("x.sources", f"{OTHER}\n\n{STANZA}\n", [STANZA], f"{OTHER}\n"),
        ("x.sources", f"{OTHER}\n \n{STANZA.replace('URIs', 'uris')}\n", None, f"{OTHER}\n"),
        ("x.sources", STANZA.replace("URIs: ", "URIs:\n ") + "\n", None, ""),
        ("x.sources", f"Enabled: no\n{STANZA}\n", [], None),
        # Two repositories in one stanza: to split it is its owner's.
        ("x.sources", STANZA.replace("URIs:", "URIs: https://example.org/x") + "\n", [], None),
    ],
)
def test_split(name: str, text: str, hits: list[str] | None, left: str | None) -> None:
    found = split(name, text, AMD)
    assert found[0] == hits if hits is not None else len(found[0]) == 1
    assert found[1] == (text if left is None else left)
