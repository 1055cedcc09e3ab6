"""Which releases can be provisioned, and what is said of others."""

from __future__ import annotations

import pytest

from strixkit.config.distributions import distribution_of, load_distributions
from strixkit.errors import InputError
from strixkit.planner.facts import Os

KNOWN = load_distributions()


@pytest.mark.parametrize(
    ("found", "key"),
    [
        (Os(id="ubuntu", version_id="24.04", codename="noble"), "ubuntu-24.04"),
        (Os(id="ubuntu", version_id="26.04", codename="resolute"), "ubuntu-26.04"),
        (Os(id="debian", version_id="13", codename="trixie"), "debian-13"),
        (Os(id="debian", codename="forky"), "debian-forky"),
        # Once it is released it has a version, and is still the one that was tested.
        (Os(id="debian", version_id="14", codename="forky"), "debian-forky"),
        (Os(id="fedora", version_id="43"), "fedora-43"),
        (Os(id="fedora", version_id="44"), "fedora-44"),
    ],
)
def test_known(found: Os, key: str) -> None:
    assert distribution_of(found, KNOWN).key == key


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Os(id="debian", version_id="12", codename="bookworm"), "found Debian 12, known are Ubuntu 24.04, "),
        (Os(id="ubuntu", version_id="25.10", codename="questing"), "found Ubuntu 25.10, "),
        # Its own version is not Ubuntu's, whatever it is built on.
        (Os(id="linuxmint", version_id="24.04", codename="noble"), "found Linuxmint 24.04, "),
        (Os(id="arch"), "found Arch of an unknown release, "),
        (Os(id="debian"), "found Debian of an unknown release, "),
        (Os(id="unknown"), "found Unknown of an unknown release, "),
    ],
)
def test_unknown_says_which_are_known_and_how_to_go_without(found: Os, words: str) -> None:
    with pytest.raises(InputError) as caught:
        distribution_of(found, KNOWN)
    assert caught.value.message.startswith(words)
    assert caught.value.message.endswith("; nothing was done")
    assert "strix_provision: false" in str(caught.value.hint)
