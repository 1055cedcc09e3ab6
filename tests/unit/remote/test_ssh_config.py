"""The way to a host: what the real `ssh -G` says of an ssh_config, as hops in ssh's order."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from strixkit.errors import ConnectError
from strixkit.remote.hop import Hop
from strixkit.remote.ssh_config import hops
from strixkit.remote.target import Target

HOME = pwd.getpwuid(os.getuid()).pw_dir
Write = Callable[[str], None]


def _way(address: str, **extra) -> list[Hop]:
    return hops(Target("box", address, **extra))


def _names(address: str) -> list[str]:
    return [hop.asked for hop in _way(address)]


def test_one_process_for_a_host_without_jump(write_config: Write, tmp_path: Path) -> None:
    write_config("")
    [hop] = _way("198.18.0.11")
    assert (hop.hostname, hop.port, hop.jump, hop.proxy_command) == ("198.18.0.11", 22, False, None)
    assert len((tmp_path / "ssh_calls").read_text().splitlines()) == 1


def test_include_and_alias(write_config: Write, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host far\n  HostName 10.0.0.9\n  Port 2222\n  User bob\n  ConnectTimeout 7\n")
    write_config(f"Include {tmp_path}/more\n")
    [hop] = _way("far")
    assert (hop.hostname, hop.port, hop.user, hop.timeout) == ("10.0.0.9", 2222, "bob", 7)
    assert hop.known_name == "[10.0.0.9]:2222"


def test_the_inventory_wins(write_config: Write, make_key) -> None:
    key = make_key("mine")
    write_config("Host far\n  Port 2222\n  User bob\n  IdentityFile /configured\n")
    [hop] = _way("far", user="root", port=22, identity_file=str(key), known_hosts="~/boxes")
    assert (hop.port, hop.user) == (22, "root")
    assert hop.identities == (key, Path("/configured"))
    assert hop.explicit == key
    assert hop.known_hosts == (Path("~/boxes").expanduser(),)


def test_a_missing_key_of_the_inventory_is_named(write_config: Write) -> None:
    write_config("")
    with pytest.raises(ConnectError, match="no private key file /nowhere"):
        _way("far", identity_file="/nowhere")


def test_jumps_are_dialled_in_the_order_of_the_list(write_config: Write) -> None:
    write_config("Host far\n  ProxyJump one,bob@two:2222,three\nHost two\n  User other\n  Port 9\n")
    way = _way("far", known_hosts="/boxes")
    assert [hop.asked for hop in way] == ["one", "two", "three", "far"]
    assert [hop.jump for hop in way] == [True, True, True, False]
    assert (way[1].user, way[1].port) == ("bob", 2222)
    # What the inventory says is for the host itself.
    assert way[0].known_hosts[0] == Path(HOME, ".ssh/known_hosts")
    assert str(way[1]) == "jump host two ([two]:2222)"


def test_only_the_first_of_a_list_has_jumps_of_its_own(write_config: Write) -> None:
    write_config("Host far\n  ProxyJump one,two\nHost one\n  ProxyJump zero\nHost two\n  ProxyJump never\n")
    assert _names("far") == ["zero", "one", "two", "far"]


def test_jump_none(write_config: Write) -> None:
    write_config("Host far bastion\n  ProxyJump none\nHost *\n  ProxyJump bastion\n")
    assert _names("far") == ["far"]
    assert _names("near") == ["bastion", "near"]


def test_a_jump_host_that_jumps_through_itself(write_config: Write) -> None:
    write_config("Host *\n  ProxyJump bastion\n")
    with pytest.raises(ConnectError, match=r"jumphost loop(.|\n)*ProxyJump none"):
        _way("far")


def test_jumps_in_a_circle_end(write_config: Write) -> None:
    write_config("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(ConnectError, match="ProxyJump goes on through more than 16 hosts"):
        _way("a")


@pytest.mark.parametrize("address", ["10.0.0.1", "[2001:db8::1]", "bastion"])
def test_addresses_of_jump_hosts(write_config: Write, address: str) -> None:
    write_config(f"Host far\n  ProxyJump root@{address}:2222\n")
    hop = _way("far")[0]
    assert (hop.asked, hop.hostname, hop.port) == (address.strip("[]"), address.strip("[]"), 2222)


def test_files_and_tokens(write_config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIX_TEST", "/env")
    write_config(
        "Host far\n  HostName Far.Lab\n  User bob\n  IdentitiesOnly yes\n  HostKeyAlias Name\n  Port 2222\n"
        '  IdentityFile ~/.ssh/%h-%r\n  IdentityFile ${STRIX_TEST}/key\n  IdentityFile "/a b/100%%"\n'
        '  UserKnownHostsFile ~/one "/a b/%k" /three\n  GlobalKnownHostsFile none\n  ProxyCommand nc %h %p # %%\n'
    )
    [hop] = _way("far")
    assert hop.identities == (Path(HOME, ".ssh/far.lab-bob"), Path("/env/key"), Path("/a b/100%"))
    assert hop.known_hosts == (Path(HOME, "one"), Path("/a b/name"), Path("/three"))
    assert hop.known_name == "name"
    assert hop.identities_only
    assert hop.proxy_command == "nc far.lab 2222 # %"


@pytest.mark.parametrize(
    ("value", "agent"),
    [("", "/env/agent"), ("none", None), ("SSH_AUTH_SOCK", "/env/agent"), ("$OTHER", "/other"), ("/a/%r", "/a/bob")],
)
def test_identity_agent(write_config: Write, monkeypatch: pytest.MonkeyPatch, value: str, agent: str | None) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/env/agent")
    monkeypatch.setenv("OTHER", "/other")
    write_config(f"User bob\nForwardAgent $OTHER\n{'IdentityAgent ' + value if value else ''}\n")
    assert _way("far")[0].agent == agent


def test_a_damaged_ssh_config_is_shown_in_the_words_of_ssh(write_config: Write) -> None:
    write_config("Hots far\n")
    with pytest.raises(ConnectError, match=r"box: ssh -G far: .*line 1: Bad configuration option: hots"):
        _way("far")


def test_no_ssh_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectError, match="apt-get install openssh-client"):
        _way("far")
