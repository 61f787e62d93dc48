"""What it costs to turn the virtual clock on and off, in a process as full as a real one.

Beside it plain freezegun, which searches all modules each time, and time-machine,
which replaces functions in C. Ours goes first: freezegun imports modules as it looks.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from statistics import median

import freezegun

from benchmarks._findings import Findings, Row
from benchmarks._measuring import Real, in_turns, medians
from qsession._clock import VirtualClock

MODULES = 2_600
START = datetime(2026, 1, 1, tzinfo=UTC)
Maker = Callable[[], AbstractContextManager[object]]


def measure(*, quick: bool) -> Findings:
    """Start and stop each in turns; the first start of each is told apart."""
    _fill()
    loaded = len(sys.modules)
    makers: dict[str, Maker] = {
        "qsession": lambda: VirtualClock(START),
        "plain freezegun": lambda: freezegun.freeze_time(START),
    }
    skipped = [] if find_spec("time_machine") else ["time-machine is not installed: pip install time-machine"]
    if not skipped:
        makers["time-machine"] = _time_machine
    first = {name: _both(maker) for name, maker in makers.items()}
    starts: dict[str, list[float]] = {name: [] for name in makers}
    turns = {name: partial(_stop, maker, starts[name]) for name, maker in makers.items()}
    stops = medians(in_turns(turns, 10 if quick else 40))
    alone = [_both(makers["qsession"]) for _ in range(10 if quick else 40)]
    own = {"start": median(start for start, _ in alone), "stop": median(stop for _, stop in alone)}
    rows = [_scan(first, loaded)]
    for what, found in (("start", medians(starts)), ("stop", stops)):
        rows += _compared(what, found, f"one after the other, without the peers between, {own[what]:.3g} ms")
    return Findings(tuple(rows), skipped=tuple(skipped))


def _fill() -> None:
    import qiskit_aer  # noqa: F401
    import qiskit_ibm_runtime.fake_provider  # noqa: F401
    import scipy

    # What a project of this kind has loaded besides.
    names = (
        module.name for module in pkgutil.walk_packages(scipy.__path__, "scipy.") if _is_code(module.name)
    )
    while len(sys.modules) < MODULES and (name := next(names, "")):
        importlib.import_module(name)


def _is_code(name: str) -> bool:
    return not any(part.startswith(("_", "test", "conftest")) for part in name.split("."))


def _time_machine() -> AbstractContextManager[object]:
    import time_machine

    travelling: AbstractContextManager[object] = time_machine.travel(START, tick=False)
    return travelling


def _both(maker: Maker) -> tuple[float, float]:
    """Milliseconds of one start and of one stop."""
    freezing = maker()
    began = Real.now()
    freezing.__enter__()
    started = Real.now()
    freezing.__exit__(None, None, None)
    return (started - began) * 1000, (Real.now() - started) * 1000


def _stop(maker: Maker, starts: list[float]) -> float:
    start, stop = _both(maker)
    starts.append(start)
    return stop


def _scan(first: dict[str, tuple[float, float]], loaded: int) -> Row:
    ours, theirs = first["qsession"][0], first["plain freezegun"][0]
    return Row(
        "clock.scan",
        "first start of the clock: the scan of the modules",
        ours,
        "ms",
        ratio=theirs / ours,
        beside=f"faster than plain freezegun's first ({theirs:.0f} ms)",
        note=f"{loaded:,} modules loaded",
    )


def _compared(what: str, found: dict[str, float], alone: str) -> list[Row]:
    ours, theirs = found["qsession"], found["plain freezegun"]
    others = ", ".join(f"{name} {ms:.3g} ms" for name, ms in found.items() if name != "qsession")
    return [
        Row(
            f"clock.{what}",
            f"a {what} of the virtual clock after that",
            ours,
            "ms",
            ratio=theirs / ours,
            beside="faster than plain freezegun",
            bar=1,
            note=f"{others}; {alone}",
        )
    ]
