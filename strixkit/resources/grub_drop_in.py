"""Pure: the file in /etc/default/grub.d that gives the kernel its arguments.

grub-mkconfig of Debian and Ubuntu sources /etc/default/grub, then /etc/default/grub.d/*.cfg in order, with /bin/sh and
`set -e`. A file that sorts last can therefore filter what all others have said: arguments of other guides are gone
without an edit of theirs, and are back when this file is removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from strixkit.resources.command_line import plain

PATH = "/etc/default/grub.d/zz-strixkit.cfg"
_SET = re.compile(r"^strixkit_set='([^']*)'$", re.MULTILINE)
_OWNED = re.compile(r"^# owned: (.*)$", re.MULTILINE)

_HEAD = """\
# Written by strixkit; a change here is undone by the next deploy.
# Take it back: rm {path} && update-grub
"""

# Quotes count: a word inside of them is no argument, and one that opens them ends where they close.
_BODY = """\
# owned: {owned}
strixkit_set='{set}'

strixkit_without_owned() (
    set -f
    IFS=' \t
'
    kept= quoted= dropped=
    for word in $1; do
        if [ -z "$quoted" ]; then
            case "$word" in
                {patterns}) dropped=1 ;;
                *) dropped= ;;
            esac
        fi
        rest=$word
        while :; do
            case "$rest" in
                *'"'*) rest=${{rest#*'"'}}; if [ -n "$quoted" ]; then quoted=; else quoted=1; fi ;;
                *) break ;;
            esac
        done
        [ -n "$dropped" ] || kept="$kept${{kept:+ }}$word"
    done
    printf '%s' "$kept"
)

GRUB_CMDLINE_LINUX=$(strixkit_without_owned "${{GRUB_CMDLINE_LINUX-}}")
GRUB_CMDLINE_LINUX_DEFAULT=$(strixkit_without_owned "${{GRUB_CMDLINE_LINUX_DEFAULT-}}")
GRUB_CMDLINE_LINUX_DEFAULT="${{GRUB_CMDLINE_LINUX_DEFAULT:+$GRUB_CMDLINE_LINUX_DEFAULT }}$strixkit_set"
"""


def render(wanted: Mapping[str, str], banned: Sequence[str], reasons: Sequence[str]) -> str | None:
    """The file's text; None when nothing is wanted. Names and values are of harmless characters (Argument)."""
    owned = [*wanted, *banned]
    if not owned:
        return None
    head = _HEAD.format(path=PATH) + "".join(f"# {line}\n" for line in reasons)
    words = " ".join(f"{name}={value}" if value else name for name, value in wanted.items())
    patterns = "|".join(f"{name}|{name}=*" for name in map(_pattern, owned))
    return head + _BODY.format(owned=" ".join(owned), set=words, patterns=patterns)


def _pattern(name: str) -> str:
    return plain(name).replace("_", "[-_]")


def set_by(text: str | None) -> dict[str, str]:
    """Names and values that such a file sets."""
    found = _SET.search(text or "")
    pairs = (word.partition("=") for word in found.group(1).split()) if found else ()
    return {plain(name): value for name, _, value in pairs}


def owned_by(text: str | None) -> list[str]:
    """Names that such a file sets or filters out."""
    found = _OWNED.search(text or "")
    return [plain(name) for name in found.group(1).split()] if found else []
