"""The same state for ansible-core and pyinfra: writes their files and names their commands."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.converge import state

ANSIBLE_CFG = """[defaults]
host_key_checking = True
forks = 10
gathering = explicit
stdout_callback = default
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={client}/known_hosts
"""


def ansible(folder: Path, client: Path, boxes: dict[str, str]) -> list[str]:
    """Write playbook, inventory and configuration; return the command after `ansible-playbook`."""
    tasks: list[dict[str, object]] = [
        {"ansible.builtin.group": {"name": state.GROUP, "system": True}},
        {"ansible.builtin.user": {"name": state.USER, "system": True, "groups": state.GROUP, "append": True}},
    ]
    for path in (state.ROOT, *state.FOLDERS):
        tasks.append({"ansible.builtin.file": {"path": path, "state": "directory", "mode": "0755"}})
    for path, text in state.FILES.items():
        tasks.append({"ansible.builtin.copy": {"dest": path, "content": text, "mode": "0644"}})
    tasks += [{"ansible.builtin.apt": {"name": name}} for name in state.PACKAGES]
    unit = f"/etc/systemd/system/{state.UNIT}"
    tasks.append({"ansible.builtin.copy": {"dest": unit, "content": state.UNIT_TEXT, "mode": "0644"}})
    tasks.append({"ansible.builtin.systemd_service": {"name": state.UNIT, "enabled": True, "state": "started"}})
    play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    hosts = {
        name: {
            "ansible_host": address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(client / "id_ed25519"),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for name, address in boxes.items()
    }
    (folder / "play.json").write_text(json.dumps(play))
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "ansible.cfg").write_text(ANSIBLE_CFG.format(client=client))
    return ["-i", str(folder / "hosts.json"), str(folder / "play.json")]


def pyinfra(folder: Path, client: Path, boxes: dict[str, str]) -> list[str]:
    """Write deploy and inventory; return the command after `pyinfra`."""
    data = {
        "ssh_user": "root",
        "ssh_key": str(client / "id_ed25519"),
        "ssh_known_hosts_file": str(client / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
    }
    rows = ",".join(repr((address, data)) for address in boxes.values())
    (folder / "inventory.py").write_text(f"boxes = [{rows}]\n")
    lines = [
        "from io import StringIO",
        "from pyinfra.operations import apt, files, server, systemd",
        f"server.group(group={state.GROUP!r}, system=True)",
        f"server.user(user={state.USER!r}, system=True, groups=[{state.GROUP!r}], append=True)",
    ]
    lines += [f"files.directory(path={path!r}, mode='755')" for path in (state.ROOT, *state.FOLDERS)]
    lines += [f"files.put(src=StringIO({text!r}), dest={path!r}, mode='644')" for path, text in state.FILES.items()]
    lines += [f"apt.packages(packages=[{name!r}])" for name in state.PACKAGES]
    lines.append(f"files.put(src=StringIO({state.UNIT_TEXT!r}), dest='/etc/systemd/system/{state.UNIT}', mode='644')")
    lines.append(f"systemd.service(service={state.UNIT!r}, running=True, enabled=True)")
    (folder / "deploy.py").write_text("\n".join(lines) + "\n")
    return ["-y", str(folder / "inventory.py"), str(folder / "deploy.py")]
