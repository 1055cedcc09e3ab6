"""Reader of the project's YAML files: safe, strict, and able to say where each key stands."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from strixkit.config.document import Document, Key, Position, shown
from strixkit.errors import InputError

STANDARD = "tag:yaml.org,2002:"
MAX_DEPTH = 64
MAX_NODES = 100_000  # aliases counted each time they are used: a small file cannot grow without bound
# YAML 1.1, chapter 5.1: what may stand in a file.
NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def load(path: Path | str) -> Document:
    """The mapping in a YAML file.

    Raises InputError with file, line and column for a missing or unreadable file, text that is not UTF-8, a
    tab in the indentation, other syntax errors, duplicate keys, keys that are not text, tags, merge keys, and
    a document that is not a mapping.
    """
    path = Path(path)
    text = _text(path)
    loader = yaml.CSafeLoader(text)
    try:
        _refuse_deep_nesting(path, text)
        node = loader.get_single_node()
        if node is None:
            raise InputError(f"{shown(path)}:1:1: the file is empty, wanted a mapping")
        if not isinstance(node, yaml.MappingNode):
            raise _at(path, node.start_mark, f"found {_noun(node)}, wanted a mapping at the top of the file")
        reader = _Reader(path, loader)
        values = reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        raise _syntax(path, text, error) from error
    finally:
        loader.dispose()
    return Document(path, values, reader.positions)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{shown(path)}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shown(path)}: cannot be read: {reason}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"byte 0x{data[error.start]:02x} is not UTF-8, wanted a text file in UTF-8"
        raise InputError(f"{shown(path)}:{line}:{column}: {message}") from error
    if wrong := NOT_PRINTABLE.search(text):
        before_text = text[: wrong.start()]
        line, column = before_text.count("\n") + 1, wrong.start() - before_text.rfind("\n")
        raise InputError(f"{shown(path)}:{line}:{column}: control character U+{ord(wrong.group()):04X} in the text")
    return text


def _refuse_deep_nesting(path: Path, text: str) -> None:
    """Before composing, which recurses in C and would end the process."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _at(path, event.start_mark, f"nested more than {MAX_DEPTH} levels deep")


def _syntax(path: Path, text: str, error: yaml.MarkedYAMLError) -> InputError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return InputError(f"{shown(path)}: {error}")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation:
        column = indentation.index("\t") + 1
        return InputError(f"{shown(path)}:{mark.line + 1}:{column}: found a tab, wanted spaces: YAML forbids tabs here")
    return _at(path, mark, ", ".join(part for part in (error.context, error.problem) if part))


def _at(path: Path, mark: Any, message: str) -> InputError:
    return InputError(f"{shown(path)}:{mark.line + 1}:{mark.column + 1}: {message}")


def _noun(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


class _Reader:
    """From composed nodes to plain values; no tag is ever looked up, so no file can make an object."""

    def __init__(self, path: Path, loader: yaml.CSafeLoader) -> None:
        self.path = path
        self.loader = loader
        self.positions: dict[Key, Position] = {}
        self.nodes = 0

    def value(self, node: yaml.Node, key: Key) -> Any:
        self.nodes += 1
        if len(key) > MAX_DEPTH or self.nodes > MAX_NODES:
            raise self._error(node, "an alias that holds itself, or grows without bound")
        kind = self._tag(node)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._item(child, (*key, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind not in ("map", "seq"):
            return self._scalar(node, kind)
        raise self._error(node, f"the tag {node.tag!r} does not fit {_noun(node)}")

    def _tag(self, node: yaml.Node) -> str:
        known = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value"}
        tag = str(node.tag)
        kind = tag.removeprefix(STANDARD)
        if kind == "merge":
            raise self._error(node, "merge keys (<<) are not supported: write the keys out, or use `extends`")
        if not tag.startswith(STANDARD) or kind not in known:
            written = f"!!{kind}" if tag.startswith(STANDARD) else tag
            raise self._error(
                node, f"the tag {written} is not allowed: values are plain text, numbers, lists and mappings"
            )
        return kind

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = self._name(name_node)
            if name in result:
                first = self.positions[*key, name]
                raise self._error(name_node, f"duplicate key {name!r}, already given in line {first.line}")
            self._place(name_node, (*key, name))
            result[name] = self.value(value_node, (*key, name))
        return result

    def _name(self, node: yaml.Node) -> str:
        kind = self._tag(node)
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, f"a key is {_noun(node)}, wanted text (a value with {{ or [ needs quotes)")
        if kind != "str":
            raise self._error(node, f"the key {node.value!r} is read as a YAML {kind}, wanted text: put it in quotes")
        return str(node.value)

    def _item(self, node: yaml.Node, key: Key) -> Any:
        self._place(node, key)
        return self.value(node, key)

    def _place(self, node: yaml.Node, key: Key) -> None:
        self.positions[key] = Position(self.path, node.start_mark.line + 1, node.start_mark.column + 1)

    def _scalar(self, node: yaml.ScalarNode, kind: str) -> str | int | float | bool | None:
        if kind not in ("int", "float", "bool", "null"):
            return str(node.value)  # a date too: nothing here wants one
        try:
            value: int | float | bool | None = getattr(self.loader, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError) as error:
            raise self._error(node, f"{node.value[:40]!r} is not a YAML {kind}") from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error(node, f"found {node.value}, wanted a finite number")
        return value

    def _error(self, node: yaml.Node, message: str) -> InputError:
        return _at(self.path, node.start_mark, message)
