"""Lines of a journal: JSON behind a digest over the line and all before it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_DIGITS = 32
_BYTES = "base64"

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is whole.

    Attributes:
        number: From 1.
        record: What it says.
        chain: The digest up to and with it.
        end: Where the next line begins, in bytes.
    """

    number: int
    record: Record
    chain: str
    end: int


class Damaged(Exception):
    """A line of a journal is not what was written.

    Args:
        number: Which line, from 1.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def line(record: Record, chain: str) -> tuple[bytes, str]:
    """The bytes of a line, and the digest for the next one.

    Args:
        record: What it says.
        chain: The digest of the line before; empty for the first.
    """
    text = json.dumps(record, separators=(",", ":"), default=_spelled).encode()
    digest = _digest(chain, text)
    return digest.encode() + b" " + text + b"\n", digest


def lines(data: bytes) -> Iterator[Line]:
    """The whole lines of a journal, in their order.

    A last line that is torn (its process was killed, or the machine stopped, while it
    was written) is left out: whatever was about to be said had not been answered yet.

    Args:
        data: The file's content.

    Raises:
        Damaged: If a line that has an end does not fit its digest.
    """
    chain, end = "", 0
    # Lines are only ever added, so what a kill leaves of one has no end.
    for index, piece in enumerate(data.split(b"\n")[:-1]):
        digest, _, text = piece.partition(b" ")
        record = _record(text) if digest == _digest(chain, text).encode() else None
        if record is None:
            raise Damaged(index + 1)
        chain, end = digest.decode(), end + len(piece) + 1
        yield Line(index + 1, record, chain, end)


def _digest(chain: str, text: bytes) -> str:
    return hashlib.sha256(chain.encode() + text).hexdigest()[:_DIGITS]


def _spelled(value: object) -> object:
    """What JSON has no way to write: bytes that are no text."""
    if not isinstance(value, bytes):
        raise TypeError(f"a journal holds no {type(value).__name__}")
    return {_BYTES: base64.b64encode(value).decode()}


def _understood(value: dict[str, object]) -> object:
    coded = value.get(_BYTES) if len(value) == 1 else None
    return base64.b64decode(coded, validate=True) if isinstance(coded, str) else value


def _record(text: bytes) -> Record | None:
    try:
        record = json.loads(text, object_hook=_understood)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
