"""Keys are offered in ssh's order; a real ssh-agent holds some of them."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strixkit.remote.hop import Hop
from strixkit.remote.login import Agent, Login
from strixkit.remote.ssh_config import hops
from strixkit.remote.target import Target


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 5
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.01)
        yield str(path)
        process.terminate()


@pytest.fixture
def hop(write_config, agent: str, make_key) -> Hop:
    """`held`, `other` and `locked` are in the agent; all but `other` are configured."""
    keys = {name: make_key(name) for name in ("file", "held", "other")}
    keys["locked"] = make_key("locked", passphrase="x y z 1 2")
    for name in ("other", "held"):
        subprocess.run(["ssh-add", "-q", keys[name]], env={"SSH_AUTH_SOCK": agent}, check=True)
    config = "".join(f"IdentityFile {keys[name]}\n" for name in ("file", "locked", "held"))
    write_config(f"IdentityAgent {agent}\n{config}")
    return hops(Target("box", "box"))[0]


def _offered(hop: Hop) -> list[str]:
    agent = Agent(hop.agent)
    try:
        return [Path(name).name for name, _ in Login(hop)._keys(agent)]
    finally:
        agent.close()


def test_the_order_is_that_of_ssh(hop: Hop) -> None:
    assert _offered(hop) == ["held (agent)", "other (agent)", "file"]


def test_identities_only(hop: Hop) -> None:
    assert _offered(dataclasses.replace(hop, identities_only=True)) == ["held (agent)", "file"]


def test_the_key_of_the_inventory_is_first(hop: Hop) -> None:
    assert _offered(dataclasses.replace(hop, explicit=hop.identities[0]))[0] == "file"


def test_a_key_with_a_passphrase_is_named(hop: Hop) -> None:
    login = Login(hop)
    list(login._keys(Agent(None)))
    assert login.left_out == [f"{hop.identities[1]} has a passphrase: ssh-add {hop.identities[1]}"]


def test_a_public_key_as_identity_file_picks_from_the_agent(hop: Hop) -> None:
    public = hop.identities[2].with_suffix(".pub")
    assert _offered(dataclasses.replace(hop, identities=(public,), identities_only=True)) == ["held.pub (agent)"]


def test_an_agent_that_is_gone_is_none(hop: Hop) -> None:
    assert _offered(dataclasses.replace(hop, agent="/nowhere"))[0] == "file"
