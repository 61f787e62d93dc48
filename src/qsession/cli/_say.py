"""What commands print: a recording can neither draw on the terminal nor give orders to a CI runner."""

from __future__ import annotations

from qsession._escaped import as_json, one_line

_MOST = 2000


def say(text: str, *, most: int = _MOST) -> None:
    """Print a text as one line, cut where it is longer than that."""
    print(one_line(text, most=most))


def say_json(document: object) -> None:
    """Print a document as one line of JSON."""
    print(as_json(document))
