"""Pure, shared with the agent: the kernel's command line as words, and the names in it.

As the kernel reads it (lib/cmdline.c: next_arg; kernel/params.c: parameq): words are split at blanks outside double
quotes, `-` and `_` in a name are the same, and of several words with one name the last one wins.
"""

from __future__ import annotations

from collections.abc import Iterable


def words(text: str) -> list[str]:
    """The words of a command line, quotes kept."""
    found: list[str] = []
    word, quoted = "", False
    for character in text:
        if character == '"':
            quoted = not quoted
        if character.isspace() and not quoted:
            if word:
                found.append(word)
            word = ""
        else:
            word += character
    return [*found, word] if word else found


def plain(name: str) -> str:
    """The name by which names are compared."""
    return name.replace("-", "_")


def split(word: str) -> tuple[str, str]:
    """Name (as compared) and value of a word; a word without `=` has an empty value."""
    name, _, value = word.partition("=")
    return plain(name), value


def values(text: str, name: str) -> list[str]:
    """Every value that a name has on a command line, in order; the last one is in effect."""
    return [value for found, value in map(split, words(text)) if found == plain(name)]


def without(text: str, names: Iterable[str]) -> str:
    """The command line without all words of these names."""
    gone = {plain(name) for name in names}
    return " ".join(word for word in words(text) if split(word)[0] not in gone)
