"""JSON edited in place: one text or number at a time, every other byte as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)

Path: TypeAlias = tuple[str | int, ...]
Scalar: TypeAlias = str | int | float

Edit: TypeAlias = Callable[[Path, Scalar], Scalar]
"""Gives what a text or number at a path becomes, itself if it stays."""


@dataclass(slots=True)
class _Place:
    """Where a reader of marks stands: names of objects and positions in lists, outermost first."""

    steps: list[str | int | None] = field(default_factory=list)
    names_next: bool = False

    def path(self) -> Path:
        return tuple("" if step is None else step for step in self.steps)

    def take(self, mark: str) -> None:
        if mark == "{":
            self.steps.append(None)
            self.names_next = True
        elif mark == "[":
            self.steps.append(0)
            self.names_next = False
        elif mark in "}]":
            self.steps.pop()
            self.names_next = False
        elif mark == ",":
            step = self.steps[-1]
            if isinstance(step, int):
                self.steps[-1] = step + 1
            self.names_next = not isinstance(step, int)


def document(text: str) -> bool:
    """Whether a text is JSON that holds more than one plain value."""
    if text.lstrip()[:1] not in {"{", "[", '"'}:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def rewrite(text: str, edit: Edit, rename: Callable[[str], str]) -> str:
    """Edit the texts and numbers of a JSON document.

    Args:
        text: A document, as `document` says.
        edit: Says what each becomes.
        rename: Says what each name of a field becomes.

    Returns:
        The document; the very same text where nothing was changed.
    """
    place, pieces, end = _Place(), list[str](), 0
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark in "{}[],:":
            place.take(mark)
            continue
        new = _edited(mark, place, edit, rename)
        if new != mark:
            pieces += text[end : found.start()], new
            end = found.end()
    return "".join([*pieces, text[end:]]) if pieces else text


def _edited(mark: str, place: _Place, edit: Edit, rename: Callable[[str], str]) -> str:
    if mark in {"true", "false", "null"}:
        return mark
    is_plain = mark[0] == '"' and "\\" not in mark
    value = mark[1:-1] if is_plain else json.loads(mark)
    if place.names_next:
        place.names_next = False
        place.steps[-1] = value
        new: Scalar = rename(value)
    else:
        new = edit(place.path(), value)
    # ASCII: JSON may hold halves of characters, which UTF-8 refuses.
    return mark if new == value else json.dumps(new)
