"""What is said when time cannot go on."""

from __future__ import annotations

from collections.abc import Sequence

from qsession._clock._moments import spell
from qsession._model import Micros
from qsession.errors import ClockError


def too_far(horizon: Micros, table: Sequence[str]) -> ClockError:
    """A wait reaches past the horizon."""
    return ClockError(
        "QS401",
        f"The code under test waits past the horizon of the virtual clock, {spell(horizon)} after its start.",
        evidence=table,
        fix="give the wait a timeout, or end what it waits for",
        intended='qsession.VirtualClock(..., horizon="1000d"), outside of a run',
    )


def too_many(most: int, table: Sequence[str]) -> ClockError:
    """A loop that waits without an end."""
    return ClockError(
        "QS402",
        f"The code under test waited {most:,} times: it looks like a loop without an end.",
        evidence=table,
        fix="give the loop a timeout, or wait with job.result() or job.wait_for_final_state(), which leap",
        intended='@pytest.mark.qsession(polls="leap") lets every wait between two polls leap',
    )


def deadlock(seconds: float, table: Sequence[str]) -> ClockError:
    """Everybody waits, nobody can wake anybody."""
    return ClockError(
        "QS403",
        f"Every thread waits without a timeout, and nothing happened for {seconds:.0f} real seconds.",
        evidence=table,
        fix="find out who should have woken whom; give the wait a timeout",
    )


def nothing_ahead(table: Sequence[str]) -> ClockError:
    """A poll of the client waits for something that will never happen."""
    return ClockError(
        "QS404",
        "The client waits for a job without a timeout, and nothing will ever happen to it.",
        evidence=table,
        fix="pass a timeout: job.result(timeout=3600)",
        intended='@pytest.mark.qsession(polls="exact") polls on until the bounds of the clock are reached',
    )


def never_gives_up(table: Sequence[str]) -> ClockError:
    """The client looks at a clock that the test froze to see whether its timeout is over."""
    return ClockError(
        "QS187",
        "The client waits past its timeout: the test froze the time, in which it never strikes.",
        evidence=table,
        fix="leave the wait out of freeze_time(...), or move the run's time instead of freezing it: "
        "qsession_clock.travel_to(...)",
    )
