"""What the tests of virtual machines share: the machine as a host of an inventory, and deploys with captured events."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from strixkit.config.host import Host
from strixkit.config.inventory import load_inventory
from strixkit.engine.events import Event
from strixkit.engine.values import Outcome
from strixkit.fleet import verbs
from strixkit.secret import Secret
from tests.vm.machine import LOOPBACK, Machine

NAME = "vm01"
PAGES_OF_GIB = 262144
DROP_IN = "/etc/default/grub.d/zz-strixkit.cfg"
GRUB_CFG = "/boot/grub/grub.cfg"


# Another guide's way: sizes that mean nothing to TTM, a value that the kernel does not know, another limit.
GUIDE = "amdgpu.gttsize=117760 amd_iommu=pt ttm.pages_limit=30146560"
_QUIET = f'GRUB_CMDLINE_LINUX_DEFAULT="quiet {GUIDE}"'
FOLLOW_GUIDE = f"sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/{_QUIET}/' /etc/default/grub"
# `invoke` itself, for which the roles are named first.
INVOKE = "import sys, roles; roles.ORDER = sys.argv.pop(1).split(','); from invoke.main import program; program.run()"


class Abandoned(Exception):
    """Raised out of a running deploy: the controller is gone, its connection closed."""


@dataclass
class Lab:
    """One machine, its variables in the inventory, and what a deploy said of it."""

    machine: Machine
    model: Path
    user: str = "root"
    password: Secret | None = None
    address: str = LOOPBACK
    variables: dict[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()  # more hosts of the inventory, which lead to the same machine
    events: list[Event] = field(default_factory=list)

    def inventory(self) -> Path:
        """The file of an inventory with this machine. Its service is never reached: the roles here end before it."""
        variables = {
            "ansible_host": self.address,
            "ansible_port": self.machine.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.machine.identity),
            "strix_known_hosts": str(self.machine.known_hosts),
            "strix_runtime": "debian",
            "strix_model": "tiny",
            "strix_services": {"main": {"source": {"controller": str(self.model)}}},
            **self.variables,
        }
        path = self.machine.folder / "inventory.yaml"
        hosts = {NAME: variables, **dict.fromkeys(self.others, variables)}
        path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        return path

    def host(self) -> Host:
        """The machine as the inventory has it."""
        return load_inventory(self.inventory()).hosts[NAME]

    def invoke(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line with this inventory and the roles that the test has."""
        import roles

        return subprocess.run(
            [sys.executable, "-c", INVOKE, ",".join(roles.ORDER), *words, "--inventory", str(self.inventory())],
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )

    def deploy(
        self,
        *,
        reboot: bool = False,
        minutes: float = 10,
        hold_at: str = "",
        on_event: Callable[[Event], None] | None = None,
    ) -> Outcome:
        """Deploy; `on_event` may raise Abandoned."""
        self.events.clear()

        def emit(event: Event) -> None:
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        return verbs.deploy(
            self.host(),
            verbs.Access(self.password),
            emit,
            what="test",
            profiles={},
            reboot=reboot,
            reboot_minutes=minutes,
            hold_at=hold_at,
        )

    def at(self, moment: str, prepare: Callable[[], None]) -> None:
        """Go to a moment that is kept; the first to ask for it prepares it, from where the machine is."""
        if not self.machine.kept(moment):
            prepare()
            self.machine.save(moment)
        else:
            self.machine.load(moment)

    def points(self) -> list[str]:
        """Every point that the last deploy's jobs passed."""
        return [event.text for event in self.events if event.kind == "reached"]

    def boot_id(self) -> str:
        """Which boot this is."""
        return self.machine.ssh("cat /proc/sys/kernel/random/boot_id").strip()

    def live(self, name: str) -> list[str]:
        """The values of an argument that the kernel was booted with."""
        return self._values(self.machine.ssh("cat /proc/cmdline"), name)

    def configured(self, name: str) -> list[str]:
        """The values of an argument in the entries of grub.cfg, each once."""
        text = self.machine.ssh(f"cat {GRUB_CFG}")
        return sorted({value for line in text.splitlines() for value in self._values(line, name)})

    @staticmethod
    def _values(text: str, name: str) -> list[str]:
        pairs = (word.partition("=") for word in text.split())
        return [value for found, _, value in pairs if found == name]
