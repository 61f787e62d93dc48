"""UUIDs that were drawn in this process: proof that a short word is not a literal."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_MOST = 4096
_SIZE = 16
_SHORTEST = 4


class Drawn:
    """The UUIDs of version 4 that were drawn while it watched, the latest of them."""

    def __init__(self) -> None:
        self._hex: deque[str] = deque(maxlen=_MOST)

    def began(self, word: str) -> bool:
        """Whether a word is the beginning or the end of one of them, in hexadecimal digits."""
        return len(word) >= _SHORTEST and any(
            each.startswith(word) or each.endswith(word) for each in self._hex
        )

    def saw(self, raw: bytes) -> None:
        """Remember random bytes, if a UUID was made of them."""
        if len(raw) == _SIZE:
            self._hex.append(uuid.UUID(bytes=raw, version=4).hex)


@contextmanager
def watched(drawn: Drawn) -> Iterator[None]:
    """Watch where ``uuid.uuid4`` takes its bytes from (``os.urandom``, CPython 3.11 to 3.13).

    Args:
        drawn: What to tell.
    """
    draw = os.urandom

    def watching(size: int, /) -> bytes:
        raw = draw(size)
        drawn.saw(raw)
        return raw

    os.urandom = watching
    try:
        yield
    finally:
        # Somebody else may have put a function of theirs over ours.
        if os.urandom is watching:
            os.urandom = draw
