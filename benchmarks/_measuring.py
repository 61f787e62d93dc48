"""Time that is measured: the machine's, in turns, as medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


class Real:
    """The machine's clock.

    In a class, because tools that freeze time replace the names of modules, and a
    benchmark must see through them.
    """

    now = staticmethod(time.perf_counter)


class Stopwatch:
    """How long a ``with`` block took, in seconds."""

    seconds = 0.0


@contextmanager
def stopped() -> Iterator[Stopwatch]:
    """Measure a block."""
    watch = Stopwatch()
    began = Real.now()
    try:
        yield watch
    finally:
        watch.seconds = Real.now() - began


def seconds(act: Callable[[], object]) -> float:
    """How long a call takes."""
    began = Real.now()
    act()
    return Real.now() - began


def in_turns(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure several ways one after the other, and that several times.

    What slows the machine down for a while slows all of them. The order alternates.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            found[name].append(ways[name]())
    return found


def medians(found: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in found.items()}
