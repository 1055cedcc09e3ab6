"""The undo lines of docs/changes.md, on a box: after all of them, from the last to the first, nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from strixkit.engine.events import ignore
from strixkit.fleet import verbs
from strixkit.resources.packages import Packages
from tests.box.lab import Lab

pytestmark = pytest.mark.box
# Files (not their content), accounts, units, packages: all that a deploy may add and a person would look for.
STATE = (
    "find /etc /usr/local /opt /srv /var/lib/strixkit -printf '%p %y %m %u %g %l\n' 2>/dev/null; "
    "getent passwd; getent group; systemctl list-unit-files --no-legend; dpkg-query -W -f '${Package} ${Status}\n'"
)


@pytest.fixture(scope="module")
def lab(boxes, client: Path, tiny_model: Path) -> Lab:
    [box] = boxes(1)
    return Lab(box, client, tiny_model)


def test_every_line_works_and_nothing_is_left(lab: Lab) -> None:
    # The image has the packages already; here they come with the deploy.
    planned = verbs.plan(lab.host(), verbs.Access(), ignore, profiles={})
    names = [name for item in planned.shown["resources"] if isinstance(item, Packages) for name in item.names]
    lab.ssh(f"dpkg --remove --force-depends {' '.join(names)}")
    before = lab.ssh(STATE).splitlines()
    outcome = lab.deploy()
    assert outcome.ok, (outcome.error, outcome.log)
    changed = {change.resource for change in outcome.changes}
    lines = [resource.undo() for resource in planned.shown["resources"] if resource.id in changed]
    assert len(lines) > 12
    for line in reversed(lines):
        if not line.startswith("("):
            # apt asks. Journal and backups are left to the page's very last line.
            lab.ssh(line, stdin="y\n", check=line != "rmdir /var/lib/strixkit")
    assert "journal.jsonl" in lab.ssh("ls /var/lib/strixkit")
    lab.ssh("rm -r /var/lib/strixkit /var/cache/strixkit")
    assert "strixkit" not in lab.ssh("ls /var/cache")
    after = lab.ssh(STATE).splitlines()
    assert sorted(set(after) ^ set(before)) == []
