"""ssh as the user has set it up: aliases, jump hosts, keys, known_hosts, trust; and shells that stand in the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from strixkit.errors import ConnectError, RemoteError
from strixkit.fleet import verbs
from strixkit.secret import Secret
from tests import own_ssh
from tests.box.lab import Lab

pytestmark = pytest.mark.box
ROOT = Path(__file__).parent.parent.parent
FINGERPRINT = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"


@pytest.fixture(scope="module")
def pair(boxes, client: Path, tiny_model: Path) -> tuple[Lab, Lab]:
    near, far = boxes(2)
    return Lab(near, client, tiny_model), Lab(far, client, tiny_model)


@dataclass
class User:
    """Somebody at the controller, with an ssh_config and known_hosts of their own."""

    folder: Path
    near: Lab
    far: Lab
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Path:
        return self.folder / "known_hosts"

    def config(self, text: str, *, key: str = "") -> None:
        """`near` and `far` are aliases of the boxes; `text` comes before them, `key` instead of the boxes' key."""
        self.environment = own_ssh.write(
            self.folder,
            f"{text}\nHost near\n  HostName {self.near.box.address}\nHost far\n  HostName {self.far.box.address}\n"
            f"Host *\n  User root\n  UserKnownHostsFile {self.known}\n"
            f"{key or f'  IdentityFile {self.near.client}/id_ed25519'}\n",
        )

    def knows(self, *labs: Lab) -> None:
        lines = (self.near.client / "known_hosts").read_text().splitlines(keepends=True)
        self.known.write_text("".join(line for line in lines for lab in labs if line.startswith(lab.box.address)))

    def invoke(self, verb: str, host: str, *words: str, stdin: str = "", **variables: str) -> tuple[int, str]:
        """Run a verb for one host; returns exit code and all output."""
        lines = "".join(f"\n      {name}: {value}" for name, value in variables.items())
        inventory = self.folder / "inventory.yaml"
        inventory.write_text(f"all:\n  hosts:\n    {host}:{lines}\n")
        program = str(Path(sys.executable).parent / "invoke")
        done = subprocess.run(
            [program, verb, "--host", host, "--inventory", str(inventory), *words],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    def reaches(self, host: str, **variables: str) -> str:
        """Talk to the agent on the host; fails if that fails."""
        code, output = self.invoke("journal", host, **variables)
        assert code == 0, output
        return output

    def refused(self, host: str, **variables: str) -> str:
        """The error of a host that cannot be talked to."""
        code, output = self.invoke("journal", host, **variables)
        assert code == 1, output
        return output


@pytest.fixture
def user(pair: tuple[Lab, Lab], tmp_path: Path) -> User:
    user = User(tmp_path, *pair)
    user.knows(*pair)
    return user


def _came_from(lab: Lab, count: int = 1) -> list[str]:
    """Where the last logins on a box came from. sshd's line may take a moment to reach the journal."""
    lines = lab.ssh("journalctl --sync; journalctl --no-pager -o cat -t sshd-session -t sshd | grep Accepted")
    # The last one is the connection that asks.
    return [line.split()[5] for line in lines.splitlines()[-1 - count : -1]]


@pytest.fixture
def second_sshd(pair: tuple[Lab, Lab]) -> Iterator[Callable[..., str]]:
    """Starts a second sshd on the near box, on port 2222, with a new host key each time; returns its fingerprint."""
    near = pair[0]
    key, stop = "/run/second_key", "systemctl stop second-sshd.service 2>/dev/null; rm -f /run/second_key*"

    def start(options: str = "") -> str:
        near.ssh(f"{stop}; ssh-keygen -q -t ed25519 -N '' -f {key}")
        near.ssh(f"systemd-run -q --unit second-sshd /usr/sbin/sshd -D -p 2222 -h {key} -o PidFile=none {options}")
        near.ssh("for i in $(seq 50); do ss -Htln 'sport = :2222' | grep -q . && break; sleep 0.1; done")
        return near.ssh(f"ssh-keygen -lf {key}.pub").split()[1]

    yield start
    near.ssh(stop)


def test_alias_of_an_included_file_and_jump_host(user: User) -> None:
    (user.folder / "more").write_text("Host far\n  ProxyJump near\n")
    user.config(f"Include {user.folder}/more")
    user.reaches("far")
    assert _came_from(user.far) == [user.near.box.address]


def test_two_jumps_in_the_order_of_the_list(user: User) -> None:
    user.config(f"Host third\n  HostName {user.near.box.address}\n  ProxyJump near,far")
    user.reaches("third")
    assert _came_from(user.far) == [user.near.box.address]
    assert _came_from(user.near)[-1] == user.far.box.address


def test_jump_none(user: User) -> None:
    user.config("Host far\n  ProxyJump none\nHost *\n  ProxyJump nowhere.invalid")
    user.reaches("far")


def test_proxy_command(user: User) -> None:
    user.config("Host far\n  ProxyCommand ssh -W %h:%p near # with the shell's own rules")
    user.reaches("far")
    assert _came_from(user.far) == [user.near.box.address]
    user.config("Host far\n  ProxyCommand sh -c 'echo no way through >&2'")
    assert "no way through" in user.refused("far")


def test_a_jump_host_that_cannot_reach_the_host(user: User) -> None:
    user.config("Host closed\n  HostName 127.0.0.1\n  Port 9\n  ProxyJump near")
    assert "closed: cannot be reached at 127.0.0.1:9" in user.refused("closed")
    user.config("Host far\n  ProxyJump bad\nHost bad\n  HostName a..b")
    assert "far: jump host bad (a..b): cannot be reached at a..b:22" in user.refused("far")


def test_a_key_that_only_the_agent_has(user: User) -> None:
    agent = user.folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", agent], stdout=subprocess.DEVNULL) as process:
        while not agent.exists():
            pass
        key = user.near.client / "id_ed25519"
        subprocess.run(["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": str(agent)}, check=True)
        user.config("", key=f"  IdentityFile none\n  IdentityAgent {agent}")
        try:
            user.reaches("near")
        finally:
            process.terminate()
    assert "there is no key to offer; it takes publickey" in user.refused("near")


def test_trust_goes_the_way_hop_by_hop(user: User) -> None:
    user.config("Host far\n  ProxyJump near")
    user.known.unlink()
    assert f"the host key of jump host near ({user.near.box.address}) is not in known_hosts" in user.refused("far")
    assert user.invoke("trust", "far", stdin="no\n")[0] == 1
    code, output = user.invoke("trust", "far", stdin="")
    assert code == 1
    assert "nothing was written" in output
    assert not user.known.exists()

    code, output = user.invoke("trust", "far", stdin="yes\nyes\n")
    assert code == 0, output
    assert output.index(user.near.ssh(FINGERPRINT).split()[1]) < output.index(user.far.ssh(FINGERPRINT).split()[1])
    user.reaches("far")
    code, output = user.invoke("trust", "far")
    assert code == 0
    assert "known already" in output


def test_a_changed_key_of_a_jump_host_blames_the_jump_host(user: User) -> None:
    user.config("Host far\n  ProxyJump near")
    user.knows(user.far)
    far = user.known.read_text()
    user.known.write_text(far.replace(user.far.box.address, user.near.box.address) + far)
    assert f"the host key of jump host near ({user.near.box.address}) CHANGED" in user.refused("far")
    code, output = user.invoke("trust", "far", "--replace", stdin="yes\n")
    assert code == 0, output
    assert user.far.ssh(FINGERPRINT).split()[1] in output  # the old one, shown to compare
    user.reaches("far")
    assert far in user.known.read_text()


def test_a_new_key_on_another_port(user: User, second_sshd: Callable[..., str]) -> None:
    user.config("Host near\n  Port 2222\n  HashKnownHosts yes")
    user.knows(user.far)
    before, first = user.known.read_text(), second_sshd()
    code, output = user.invoke("trust", "near", "--yes")
    assert code == 0, output
    assert first in output
    assert user.near.box.address not in user.known.read_text()  # hashed
    user.reaches("near")
    subprocess.run(["ssh", "-o", "BatchMode=yes", "near", "true"], env=user.environment, check=True)

    second = second_sshd()
    assert "CHANGED" in user.refused("near")
    code, output = user.invoke("trust", "near", "--yes")
    assert code == 1
    assert "invoke trust --host near --replace" in output
    code, output = user.invoke("trust", "near", "--replace", stdin="yes\n")
    assert code == 0, output
    assert output.index(second) < output.index(first)
    user.reaches("near")
    assert user.known.read_text().startswith(before)
    assert len(user.known.read_text().splitlines()) == 2


def test_a_server_that_starts_nothing(user: User, second_sshd: Callable[..., str]) -> None:
    user.config("Host near\n  Port 2222")
    second_sshd("-o MaxSessions=0")
    assert user.invoke("trust", "near", "--yes")[0] == 0
    assert "near: it let root in and then started no command" in user.refused("near")


def test_known_hosts_of_the_inventory_is_the_only_one_read(user: User) -> None:
    user.config("")
    own = user.folder / "own"
    own.write_text("@cert-authority * damaged\n\n" + user.known.read_text())
    user.knows(user.far)
    user.known.write_text(user.known.read_text().replace(user.far.box.address, user.near.box.address))
    assert "CHANGED" in user.refused("near")
    user.reaches("near", strix_known_hosts=str(own))
    own.write_text("")
    assert user.invoke("trust", "near", "--yes", strix_known_hosts=str(own))[0] == 0
    assert own.read_text().startswith(f"{user.near.box.address} ssh-ed25519 ")


def test_a_revoked_key(user: User) -> None:
    user.config("")
    kind, key = user.near.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    user.known.write_text(f"@revoked * {kind} {key}\n{user.known.read_text()}")
    assert "marked @revoked" in user.refused("near")
    assert user.invoke("trust", "near", "--yes")[0] == 1


def _talk(lab: Lab, name: str, password: str = "") -> None:
    lab = replace(lab, user=name, password=Secret(password) if password else None)
    verbs.journal(lab.host(), verbs.Access(lab.password), limit=1)


def test_a_login_shell_that_prints(pair: tuple[Lab, Lab]) -> None:
    near = pair[0]
    for name in ("admin", "operator"):
        near.ssh(f"sed -i '1i echo Welcome to the box' /home/{name}/.bashrc")
    try:
        with pytest.raises(RemoteError, match="'Welcome to the box'; the login shell"):
            _talk(near, "admin")
        _talk(near, "operator", "operator")
    finally:
        near.ssh("sed -i 1d /home/admin/.bashrc /home/operator/.bashrc")


def test_a_key_that_is_tied_to_a_command(pair: tuple[Lab, Lab]) -> None:
    near = pair[0]
    keys = "/home/guest/.ssh/authorized_keys"
    near.ssh(f"cp -p {keys} {keys}.kept; sed -i 's/^/command=\"echo backups only\" /' {keys}")
    try:
        with pytest.raises(RemoteError, match=r"'backups only'; .*ForceCommand"):
            _talk(near, "guest")
    finally:
        near.ssh(f"mv {keys}.kept {keys}")


@pytest.mark.parametrize("program", ["python3", "sudo"])
@pytest.mark.parametrize(("name", "password"), [("admin", ""), ("operator", "operator")])
def test_what_is_not_there_is_named(pair: tuple[Lab, Lab], program: str, name: str, password: str) -> None:
    near = pair[0]
    near.ssh(f"mv /usr/bin/{program} /usr/bin/{program}.away")
    try:
        with pytest.raises(ConnectError, match=f"there is no {program} on the box"):
            _talk(near, name, password)
    finally:
        near.ssh(f"mv /usr/bin/{program}.away /usr/bin/{program}")


def test_sudo_in_its_own_words(pair: tuple[Lab, Lab]) -> None:
    near = pair[0]
    _talk(near, "operator", "operator")
    with pytest.raises(ConnectError, match="wrong password"):
        _talk(near, "operator", "wrong")
    with pytest.raises(ConnectError, match="--prompt-sudo-password"):
        _talk(near, "operator")
    with pytest.raises(ConnectError, match="no right to sudo"):
        _talk(near, "guest", "guest")
