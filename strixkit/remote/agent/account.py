"""The users without any rights as whom the agent fetches, builds, makes and judges."""

from __future__ import annotations

import pwd
from typing import NamedTuple, Type


class Account(NamedTuple):
    """Who a file or a process belongs to."""

    uid: int
    gid: int


def account(user: str, purpose: str, root: str, fault: "Type[Exception]") -> Account:
    """Raises `fault` when there is no such user, as whom `purpose`, or when it is root: then `root` is said."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise fault("there is no user %s on the box, as whom %s" % (user, purpose)) from None
    if entry.pw_uid == 0:
        raise fault("the user %s is root; %s" % (user, root))
    return Account(entry.pw_uid, entry.pw_gid)
