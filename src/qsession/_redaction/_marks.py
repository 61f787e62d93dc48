"""Secrets known by a salted digest alone: found again without being written down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qsession._redaction import _json
from qsession._redaction._layers import Layers, TooLarge
from qsession._redaction._values import REDACTED


@dataclass(frozen=True, slots=True)
class Mark:
    """A secret that is known by its digest.

    Attributes:
        kind: What it is, for messages.
        length: Its length in bytes.
        salt: Keeps a list of common values from being of use.
        digest: BLAKE2 of the value in lower case, hexadecimal.
    """

    kind: str
    length: int
    salt: str
    digest: str


def mark(kind: str, value: bytes, salt: str) -> Mark:
    """The mark of a value in lower case."""
    return Mark(kind, len(value), salt, _digest(value, salt))


def marked_in(data: bytes, marks: Sequence[Mark]) -> bool:
    """Whether a marked secret stands in bytes, in whichever layer; so does what cannot be looked through."""
    wanted: dict[tuple[int, str], set[str]] = {}
    for each in marks:
        wanted.setdefault((each.length, each.salt), set()).add(each.digest)
    try:
        return any(_in_layer(layer.data.lower(), wanted) for layer in Layers().of(data))
    except TooLarge:
        return True


def cut_out(body: bytes, holds: Callable[[bytes], bool]) -> bytes:
    """A body in which each text that holds a secret is gone as a whole.

    Args:
        body: JSON, or anything else, which then goes altogether.
        holds: Says whether bytes hold one.
    """
    if not holds(body):
        return body
    text = body.decode("utf-8", "replace")
    if not _json.document(text):
        return REDACTED.encode()

    def cut(text: str) -> str:
        return REDACTED if holds(text.encode("utf-8", "surrogatepass")) else text

    return _json.rewrite(text, lambda _, value: cut(value) if isinstance(value, str) else value, cut).encode()


def _in_layer(low: bytes, wanted: dict[tuple[int, str], set[str]]) -> bool:
    return any(
        _digest(low[start : start + length], salt) in digests
        for (length, salt), digests in wanted.items()
        for start in range(len(low) - length + 1)
    )


def _digest(value: bytes, salt: str) -> str:
    return hashlib.blake2b(value, digest_size=16, key=salt.encode()).hexdigest()
