"""The role `rocm` on an embedded box: AMD's repository is one that the test serves, by other data of the role.

AMD's own is not asked. The packages have the names, the dependencies and the kind of versions of the real ones. One
has a library with a name of AMD's, in AMD's folder, that does nothing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from roles.rocm import sources
from strixkit.config.host import Provisioning
from tests.box.aptrepo import SOON, THEN, TOOLS, Keys, Package, Server, serving
from tests.box.lab import Lab

ORIGIN = "repo.radeon.com"
ROCMINFO = Package("rocminfo", "1.0.0.70204-93~24.04")  # lower than any distribution's, as AMD's is
RUNTIME = Package("rocm-hip-runtime-dev", "7.2.4.70204-93~24.04", depends="rocminfo (= 1.0.0.70204-93~24.04), hsa-rocr")
BLAS = Package("rocblas-dev", "5.2.0.70204-93~24.04", depends="hsa-rocr")
PACKAGES = [ROCMINFO, RUNTIME, BLAS, Package("hsa-rocr", "1.18.0.70204-93~24.04")]
LIBRARY = "/opt/rocm/lib/libhsa-runtime64.so.1"
LOADER = "/etc/ld.so.conf.d/strixkit-rocm.conf"
NAMES = ["rocm-hip-runtime-dev", "rocblas-dev", "rocminfo"]
UNIVERSE = Package("rocminfo", "5.7.1-3build1")
FILES = (
    "/etc/apt/keyrings/strixkit-rocm.gpg",
    "/etc/apt/sources.list.d/strixkit-rocm.sources",
    "/etc/apt/preferences.d/strixkit-rocm",
)


@dataclass
class Amd:
    """What the test serves, and the role's data that point there."""

    server: Server
    keys: Keys
    fingerprints: dict[str, str]
    data: Path
    program: Path

    def offer(self, *, at: str = "good", key: str = "amd.asc", suite: str = "noble", fingerprint: str = "") -> None:
        """Let the role take the repository at `at` with the key file `key`."""
        repository = {
            "name": "strixkit-rocm",
            "uri": f"{self.server.url}/{at}",
            "components": ["main"],
            "key_url": f"{self.server.url}/{key}",
            "fingerprint": fingerprint or self.fingerprints["amd"],
            "origin": ORIGIN,
            "replaces": [f"{self.server.url}/"],
        }
        chosen = {"suite": suite, "packages": NAMES, "conflicts": ["rocminfo=5.7.*"]}
        choice = {"repository": repository, "libraries": ["/opt/rocm/lib"], "sets": {"debian-forky": chosen}}
        document = {"default": {}, "choices": {"7.2": choice}}
        self.data.write_text(yaml.safe_dump(document))


@contextmanager
def served(folder: Path) -> Iterator[Amd]:
    """Repositories with each fault that one can have, and a good one."""
    if missing := [tool for tool in (*TOOLS, "gcc") if shutil.which(tool) is None]:
        pytest.skip(f"a repository needs {', '.join(missing)}")
    keys = Keys(folder / "gnupg")
    program, library = compiled(folder / "compiled")
    packages = [replace(item, files={LIBRARY: library}) if item.name == "hsa-rocr" else item for item in PACKAGES]
    with serving(folder / "www") as server, pytest.MonkeyPatch.context() as patch:
        prints = {name: keys.make(name) for name in ("amd", "other")} | {"old": keys.make("old", then=THEN)}
        server.publish("good", "noble", ORIGIN, packages, lambda text: keys.sign("amd", text))
        server.publish("others", "noble", ORIGIN, packages, lambda text: keys.sign("other", text))
        server.publish("expired", "noble", ORIGIN, packages, lambda text: keys.sign("old", text))
        # As an old copy of a key says it that its owner has renewed. (sqv takes what was signed before the end.)
        keys.expire(prints["old"], then=SOON)
        server.publish("unsigned", "noble", ORIGIN, packages, str.encode)
        for name, names in {"amd": ["amd"], "other": ["other"], "old": ["old"], "two": ["amd", "other"]}.items():
            server.put(f"{name}.asc", keys.public(*names))
        server.put("page.asc", b"<html>the key has moved</html>\n")
        amd = Amd(server, keys, prints, folder / "defaults.yaml", program)
        patch.setattr(sources, "DEFAULTS", amd.data)
        amd.offer()
        yield amd
    keys.end()


def compiled(folder: Path) -> tuple[Path, bytes]:
    """A program with the RUNPATH of what strixkit builds, and the library that it needs."""
    folder.mkdir()
    (folder / "library.c").write_text("int hsa_init(void) { return 0; }\n")
    (folder / "main.c").write_text("int hsa_init(void);\nint main(void) { return hsa_init(); }\n")
    name = Path(LIBRARY).name
    for words in (
        ("-shared", "-fPIC", "library.c", "-o", name, f"-Wl,-soname,{name}"),
        ("main.c", name, "-o", "program", "-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN"),
    ):
        subprocess.run(["gcc", *words], cwd=folder, check=True)
    return folder / "program", (folder / name).read_bytes()


def loaded_from(lab: Lab, amd: Amd) -> str:
    """Where the box's dynamic loader finds the library that the program needs; `not found` is one answer."""
    lab.put(amd.program, "/root/program")
    lab.ssh("chmod 755 /root/program")
    line = next(line for line in lab.ssh("ldd /root/program").splitlines() if Path(LIBRARY).name in line)
    return line.partition(" => ")[2].partition(" (")[0]


def wish(lab: Lab, rocm: str | None) -> None:
    """Set strix_rocm of the box."""
    lab.provisioning = Provisioning(rocm=rocm)  # type: ignore[arg-type]


def versions(lab: Lab, *names: str) -> dict[str, str]:
    """Installed versions, by dpkg itself."""
    text = lab.ssh("dpkg-query -W -f='${Package} ${db:Status-Status} ${Version}\\n' " + " ".join(names), check=False)
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def there(lab: Lab) -> list[str]:
    """Which of the repository's files are on the box."""
    return lab.ssh(f"ls -d {' '.join(FILES)} 2>/dev/null", check=False).split()


def install_by_hand(lab: Lab, package: Package, folder: Path) -> None:
    """As somebody has done it before."""
    folder.mkdir(parents=True, exist_ok=True)
    deb = package.build(folder)
    lab.put(deb, f"/root/{deb.name}")
    lab.ssh(f"dpkg -i /root/{deb.name}")
