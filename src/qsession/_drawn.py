"""What a test draws at random: UUIDs are watched, numbers begin where they began when it was recorded."""

from __future__ import annotations

import os
import random
import sys
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

_MOST = 4096
_SIZE = 16
_SHORTEST = 4
_TRANSPILER_SEED = "QISKIT_TRANSPILER_SEED"


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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let numbers that nobody seeds begin from a seed: a replay draws what the recording drew.

    Those of ``random`` and ``numpy.random`` as modules, of numpy's generators that are made
    without a seed, and of qiskit's transpiler. A generator that was given one, ``random.Random()``,
    UUIDs and ``secrets`` go their own way. What is drawn later, by others, is as it would have been.

    Args:
        seed: Below 2**32.
    """
    former = random.getstate()
    with ExitStack() as undo:
        undo.callback(random.setstate, former)
        undo.enter_context(_transpiler_seeded(seed))
        if "numpy.random" in sys.modules:
            undo.enter_context(_numpy_put_back(seed))
        begin_numbers(seed)
        yield


def begin_numbers(seed: int) -> None:
    """Begin again from a seed: others, such as pytest-randomly, begin from theirs at each test."""
    random.seed(seed)
    if "numpy.random" in sys.modules:
        import numpy as np

        np.random.seed(seed)


@contextmanager
def _transpiler_seeded(seed: int) -> Iterator[None]:
    """Its own way to be told a seed (read in qiskit 2.6.2): it draws outside of Python."""
    if _TRANSPILER_SEED in os.environ or _seeded_by_settings():
        yield
        return
    os.environ[_TRANSPILER_SEED] = told = str(seed)
    try:
        yield
    finally:
        if os.environ.get(_TRANSPILER_SEED) == told:
            del os.environ[_TRANSPILER_SEED]


def _seeded_by_settings() -> bool:
    if "qiskit.user_config" not in sys.modules:
        return False
    from qiskit import user_config

    return "transpiler_seed" in user_config.get_config()


@contextmanager
def _numpy_put_back(seed: int) -> Iterator[None]:
    import numpy as np
    from numpy.random import bit_generator

    state = np.random.get_state(legacy=False)
    with ExitStack() as undo:
        undo.callback(np.random.set_state, state)
        # Where numpy takes its entropy from (tried with numpy 2.4); elsewhere such generators differ.
        if hasattr(bit_generator, "randbits"):
            # Not the global one: how often either is asked must not change the other.
            undo.enter_context(mock.patch.object(bit_generator, "randbits", random.Random(seed).getrandbits))  # noqa: S311
        yield
