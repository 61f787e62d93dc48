"""YAML as plain data, within bounds. What a cassette may be made of, and nothing else of YAML.

A file can be small and stand for something huge (aliases), say one thing to a reader and another to
a program (the same key twice), name classes (tags), or be nested until the reader falls over.
None of that is in a file that qsession wrote, so it is refused here, event by event: the tree
of nodes, from which PyYAML builds, would take a hundred times the memory of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_CHARACTERS = 128 * 2**20
"""Longest text that is read."""

_MOST_PARTS = 1_000_000
_DEEPEST = 32
# A whole number of thousands of digits takes seconds to read; none of ours has more than 20.
_LONGEST_NUMBER = 64
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_TAGS = frozenset({_TEXT, *(f"{_TAG}{name}" for name in ("int", "float", "bool", "null", "binary"))})
_COLLECTIONS = frozenset({None, "!", f"{_TAG}map", f"{_TAG}seq"})
_UNSET = object()


class Unfit(ValueError):
    """A text is no YAML, or holds something that a cassette never does.

    Attributes:
        line: In which line, counted from 1; 0 where that is not known.
    """

    def __init__(self, why: str, line: int = 0) -> None:
        self.line = line
        super().__init__(why)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end was not seen yet."""

    value: Any
    key: Any = field(default_factory=lambda: _UNSET)

    def take(self, item: Any, line: int) -> None:
        if isinstance(self.value, list):
            self.value.append(item)
        elif self.key is _UNSET:
            if not isinstance(item, str):
                raise Unfit("a key is no text", line)
            if item in self.value:
                raise Unfit(f"the key {item[:80]!r} stands twice in one mapping", line)
            self.key = item
        else:
            self.value[self.key] = item
            self.key = _UNSET


def read(text: str) -> Any:
    """What a YAML text stands for: texts, bytes, numbers, booleans, None, lists and mappings.

    Args:
        text: The text, at most `MOST_CHARACTERS` long.

    Raises:
        Unfit: If it is no YAML; holds aliases, tags, several documents, keys twice or keys that are no
            texts, numbers of absurd length; or is longer, deeper or of more parts than is read.
    """
    if len(text) > MOST_CHARACTERS:
        raise Unfit(f"it is longer than {MOST_CHARACTERS} characters")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        return _document(loader)
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        problem = str(getattr(broken, "problem", None) or broken).partition("\n")[0]
        raise Unfit(f"it is not YAML: {problem}", mark.line + 1 if mark is not None else 0) from broken
    finally:
        loader.dispose()


def _document(loader: Any) -> Any:
    top = _Open([])
    stack, parts = [top], 0
    while True:
        event = loader.get_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            stack[-1].take(_scalar(event, loader), _line(event))
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            _check_collection(event, len(stack))
            opened = _Open({} if kind is yaml.MappingStartEvent else [])
            stack[-1].take(opened.value, _line(event))
            stack.append(opened)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            stack.pop()
            continue
        elif kind is yaml.StreamEndEvent:
            return top.value[0] if top.value else None
        elif kind is yaml.AliasEvent:
            raise Unfit("it uses an alias (*name), which a cassette never does", _line(event))
        elif kind is yaml.DocumentStartEvent and top.value:
            raise Unfit("it holds more than one document", _line(event))
        parts += 1
        if parts > _MOST_PARTS:
            raise Unfit(f"it holds more than {_MOST_PARTS} parts", _line(event))


def _check_collection(event: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise Unfit(f"it is nested deeper than {_DEEPEST} levels", _line(event))
    if event.tag not in _COLLECTIONS:
        raise Unfit(f"it uses the tag {event.tag[:80]!r}", _line(event))


def _scalar(event: Any, loader: Any) -> Any:
    tag = event.tag
    if tag in (None, "!"):
        if event.implicit[1] and not event.implicit[0]:  # quoted
            return event.value
        tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag == _TEXT:
        return event.value
    if tag not in _TAGS:
        raise Unfit(f"it holds a value of the kind {tag.removeprefix(_TAG)[:80]!r}", _line(event))
    if not tag.endswith(":binary") and len(event.value) > _LONGEST_NUMBER:
        raise Unfit(f"a number or word of {len(event.value)} characters", _line(event))
    try:
        return loader.construct_object(yaml.ScalarNode(tag, event.value, event.start_mark))
    except (ValueError, yaml.YAMLError) as broken:
        raise Unfit(f"it holds a value that cannot be read: {broken}", _line(event)) from broken


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark is not None else 0
