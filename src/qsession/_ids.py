"""Ids translated on the wire while recording.

Code under test never sees a real id of a session or job that was made in the run:
it sees a pseudonym that follows from what was asked, so the same code sees the
same ids in a replay, and threads do not change them.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from qsession._model import Request, Response

_XID_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


class Ids:
    """Two-way translation between the service's ids and pseudonyms. Thread-safe.

    Args:
        after: Those of the recordings that this one builds on.
        layer: Name of the layer that is recorded, if it is one: what fixtures make that do not build on
            one another a test may have in its hands at once.
    """

    def __init__(self, after: Iterable[Ids] = (), *, layer: str = "") -> None:
        self._layer = layer
        self._lock = threading.Lock()
        self._real: dict[str, str] = {}
        self._pseudonym: dict[str, str] = {}
        self._occurrences: Counter[tuple[str, str]] = Counter()
        self._literal: dict[str, None] = {}
        self._own: list[str] = []
        for each in after:
            self.adopt(each)

    @property
    def literal(self) -> tuple[str, ...]:
        """Ids that first occurred in a request, in the order of sight."""
        return tuple(self._literal)

    def adopt(self, other: Ids) -> None:
        """Know what another recording has made, and count on from there."""
        with self._lock:
            self._real.update(other._real)
            self._pseudonym.update(other._pseudonym)
            # The larger count: two may build on the same third.
            self._occurrences |= other._occurrences

    def own(self) -> tuple[str, ...]:
        """Pseudonyms of what was made in this recording."""
        return tuple(self._own)

    def created(self, kind: str, real: str, meaning: str) -> str:
        """Give a new session or job its pseudonym.

        Args:
            kind: ``session`` or ``job``.
            real: The service's id.
            meaning: What was asked for, in a form that equal requests share.

        Returns:
            The pseudonym, the same for the n-th equal request of every recording that is no layer.
        """
        with self._lock:
            self._occurrences[kind, meaning] += 1
            asked = f"{self._layer}\0{meaning}" if self._layer else meaning
            pseudonym = _pseudonym(kind, asked, self._occurrences[kind, meaning])
            self._real[pseudonym] = real
            self._pseudonym[real] = pseudonym
            self._own.append(pseudonym)
            return pseudonym

    def mentioned(self, ids: Mapping[str, str]) -> None:
        """Note the ids of a request's path; one that is no pseudonym is the author's own."""
        for kind in ("session", "job"):
            value = ids.get(kind)
            if value and value not in self._real:
                self._literal.setdefault(value)

    def outgoing(self, request: Request) -> Request:
        """The request as the service must see it: with real ids."""
        table = dict(self._real)
        return replace(request, url=_swap(request.url, table), body=_swap_bytes(request.body, table))

    def real(self, response: Response) -> Response:
        """A response as the service gave it, from one as the code under test saw it."""
        return replace(response, body=_swap_bytes(response.body, dict(self._real)))

    def incoming(self, response: Response) -> Response:
        """The response as the code under test may see it: with pseudonyms."""
        table = dict(self._pseudonym)
        headers = {name: _swap(value, table) for name, value in response.headers.items()}
        return replace(response, headers=headers, body=_swap_bytes(response.body, table))


def _pseudonym(kind: str, meaning: str, occurrence: int) -> str:
    raw = hashlib.sha256(f"{kind}\0{meaning}\0{occurrence}".encode()).digest()
    if kind == "session":
        text = raw.hex()
        # The shape of the cloud platform's session ids: a UUID of version 4.
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
    return "d" + "".join(_XID_ALPHABET[byte % 32] for byte in raw[:19])


def _swap(text: str, table: Mapping[str, str]) -> str:
    present = [known for known in table if known in text]
    if not present:
        return text
    pattern = "|".join(re.escape(known) for known in sorted(present, key=len, reverse=True))
    # Whole ids only: one may be the beginning of another.
    return re.sub(rf"(?<![A-Za-z0-9_-])(?:{pattern})(?![A-Za-z0-9_-])", lambda m: table[m[0]], text)


def _swap_bytes(body: bytes, table: Mapping[str, str]) -> bytes:
    if not any(known.encode() in body for known in table):
        return body
    # latin-1 maps every byte to one character and back.
    return _swap(body.decode("latin-1"), table).encode("latin-1")
