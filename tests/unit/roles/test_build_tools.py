"""What a build waits for must be among the packages that the agent looks at: else it would wait for ever."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from roles.runtime import source
from roles.tools import role as tools
from strixkit.config.validate import validate
from strixkit.config.yaml import load
from strixkit.remote.agent.software import DEBIAN, FEDORA

LOOKED_AT = {"apt": DEBIAN, "dnf": FEDORA}


@pytest.mark.parametrize("manager", ["apt", "dnf"])
def test_the_agent_looks_at_every_tool(manager: str) -> None:
    sets = validate(load(source.DEFAULTS), source.Defaults).packages[manager]
    names = {name for packages in sets.values() for name in packages}
    names |= set(validate(load(tools.DEFAULTS), tools.Defaults).packages[manager])
    unseen = {name for name in names if not any(fnmatchcase(name, pattern) for pattern in LOOKED_AT[manager])}
    assert unseen == set()
