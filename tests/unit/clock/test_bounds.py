"""Time that cannot go on is an error with a table of who waits for what, never a hang."""

from __future__ import annotations

import datetime
import threading
import time
from datetime import timedelta

import pytest
from clock_start import START

from qsession import VirtualClock
from qsession._clock import begin, end, from_datetime, leaping
from qsession.errors import ClockError, UsageError


def line_of_this(text: str) -> str:
    """File and line of a marked line of this file, as messages name it."""
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 - one read
        number = next(
            n for n, line in enumerate(file, 1) if f"# {text}" in line and "line_of_this" not in line
        )
    return f"test_bounds.py:{number}"


def test_wait_past_the_horizon_is_an_error() -> None:
    """A sleep that would end after the horizon says how far it may go and who waits."""
    with VirtualClock(START, horizon="10s") as clock, pytest.raises(ClockError) as caught:
        time.sleep(10.000_001)  # the long sleep  # noqa: TID251
    assert str(caught.value) == (
        "The code under test waits past the horizon of the virtual clock, 10.000 s after its start. [QS401]\n"
        f"  MainThread: time.sleep until 10.000 s, in {line_of_this('the long sleep')}\n"
        "To fix: give the wait a timeout, or end what it waits for\n"
        'If this is intended: qsession.VirtualClock(..., horizon="1000d"), outside of a run'
    )
    assert clock.monotonic() == 0.0


def test_wait_up_to_the_horizon_is_fine() -> None:
    """The bound itself may be reached."""
    with VirtualClock(START, horizon=timedelta(seconds=10)) as clock:
        time.sleep(10)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 10.0


def test_ticker_without_an_end_meets_the_horizon() -> None:
    """A background thread that ticks for ever drives the clock only so far; the test hears of it."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(60):  # the tick
            pass

    with VirtualClock(START, horizon="1h"):
        ticker = threading.Thread(target=tick, name="ticker", daemon=True)
        with pytest.MonkeyPatch.context() as patch:
            failures: list[threading.ExceptHookArgs] = []
            patch.setattr(threading, "excepthook", failures.append)
            ticker.start()
            ticker.join()  # the end of the ticker
    assert [failure.exc_type for failure in failures] == [ClockError]
    assert str(failures[0].exc_value) == (
        "The code under test waits past the horizon of the virtual clock, 1 h 0 min 0.000 s after its start."
        " [QS401]\n"
        f"  MainThread: the end of ticker without an end, in {line_of_this('the end of the ticker')}\n"
        f"  ticker: a wait for another thread until 1 h 1 min 0.000 s, in {line_of_this('the tick')}\n"
        "To fix: give the wait a timeout, or end what it waits for\n"
        'If this is intended: qsession.VirtualClock(..., horizon="1000d"), outside of a run'
    )


def test_too_many_waits_are_an_error() -> None:
    """A loop that waits without an end is stopped at the bound."""
    with VirtualClock(START, max_waits=1000) as clock, pytest.raises(ClockError) as caught:
        while True:
            time.sleep(0.5)  # the endless loop  # noqa: TID251
    assert str(caught.value) == (
        "The code under test waited 1,000 times: it looks like a loop without an end. [QS402]\n"
        f"  MainThread: running, in {line_of_this('the endless loop')}\n"
        "To fix: give the loop a timeout, or wait with job.result() or job.wait_for_final_state(), which leap\n"
        'If this is intended: @pytest.mark.qsession(polls="leap") lets every wait between two polls leap'
    )
    assert clock.monotonic() == 500.0


def test_code_that_swallows_the_bound_is_not_stopped_at_each_wait() -> None:
    """After the error the count begins anew, so that a cleanup with waits in it can end."""
    with VirtualClock(START, max_waits=10) as clock:
        with pytest.raises(ClockError):
            for _ in range(11):
                time.sleep(1)  # noqa: TID251 - the clock under test
        time.sleep(1)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 11.0


def test_deadlock_is_an_error_in_the_thread_that_came_first() -> None:
    """Two threads that wait for each other: the test hears of it, with both in the table."""
    gate = threading.Event()

    def wait_for_ever() -> None:
        gate.wait()  # the other wait

    thread = threading.Thread(target=wait_for_ever, name="other")
    with VirtualClock(START, watchdog=0.2), pytest.raises(ClockError) as caught:
        thread.start()
        thread.join()  # the join
    gate.set()
    thread.join()
    assert str(caught.value) == (
        "Every thread waits without a timeout, and nothing happened for 0 real seconds. [QS403]\n"
        f"  MainThread: the end of other without an end, in {line_of_this('the join')}\n"
        f"  other: a wait for another thread without an end, in {line_of_this('the other wait')}\n"
        "To fix: find out who should have woken whom; give the wait a timeout"
    )


def test_wait_for_a_thread_outside_is_no_deadlock_when_it_comes() -> None:
    """A thread that takes no part may end the wait in its own, real time."""
    begun, done = threading.Event(), threading.Event()
    outsider = threading.Thread(target=lambda: (begun.wait(), done.set()))
    outsider.start()
    with VirtualClock(START, watchdog=30) as clock:
        begun.set()
        assert done.wait()
        assert clock.monotonic() == 0.0
    outsider.join()


def test_leap_to_nowhere_is_an_error() -> None:
    """The client's own wait without a timeout, for something that will never happen."""
    clock = VirtualClock(START)
    schedule = begin(clock, from_datetime(START))
    schedule.foresight = lambda _: (None, 0)
    try:
        with pytest.raises(ClockError) as caught, leaping(None):
            time.sleep(0.1)  # the poll  # noqa: TID251
    finally:
        end(clock)
    assert str(caught.value) == (
        "The client waits for a job without a timeout, and nothing will ever happen to it. [QS404]\n"
        f"  MainThread: time.sleep without an end, in {line_of_this('the poll')}\n"
        "To fix: pass a timeout: job.result(timeout=3600)\n"
        'If this is intended: @pytest.mark.qsession(polls="exact") polls on until the bounds of the clock are'
        " reached"
    )


def test_thread_that_computes_for_ever_does_not_hold_time() -> None:
    """After the watchdog's time the clock goes on without a thread that spins, and counts it."""
    over = threading.Event()
    with VirtualClock(START, watchdog=0.2) as clock:

        def spin() -> None:
            while not over.is_set():
                pass

        spinner = threading.Thread(target=spin)
        spinner.start()
        time.sleep(60)  # noqa: TID251 - the clock under test
        assert (clock.monotonic(), clock.fallbacks) == (60.0, 1)
        over.set()
        spinner.join()


@pytest.mark.parametrize(
    "length", ["1h 30", "soon", -1, "-1s", float("nan"), float("inf"), None, timedelta(-1)]
)
def test_advance_by_what_is_no_length_is_refused(clock: VirtualClock, length: object) -> None:
    """The message shows what was given and the three ways to say a length."""
    with pytest.raises(UsageError) as caught:
        clock.advance(length)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "This is no length of time by which a clock can be moved on. [QS128]\n"
        f"  {length!r}\n"
        'To fix: advance("1h 30m"), advance(90) for seconds, or advance(timedelta(minutes=90))'
    )


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        ("1h 30m", 5400),
        ("7h59m", 28740),
        ("2d", 172800),
        ("250ms", 0.25),
        (90, 90),
        (timedelta(1), 86400),
        (0, 0),
    ],
)
def test_advance_moves_by_exactly_the_length(
    clock: VirtualClock, length: float | str, seconds: float
) -> None:
    """All ways to say a length move the clock by it."""
    clock.advance(length)
    assert (clock.now() - START).total_seconds() == seconds


def test_advance_lets_happen_what_is_due_on_the_way(clock: VirtualClock) -> None:
    """Threads that wait for a moment that is passed wake at theirs, not after."""
    moments: list[float] = []

    def tick() -> None:
        for _ in range(3):
            time.sleep(1)  # noqa: TID251 - the clock under test
            moments.append(clock.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    clock.advance("1h")
    thread.join()
    assert (moments, clock.monotonic()) == ([1.0, 2.0, 3.0], 3600.0)


def test_travel_moves_to_the_moment(clock: VirtualClock) -> None:
    """Any zone will do."""
    zone = datetime.timezone(timedelta(hours=5, minutes=45))
    clock.travel_to(datetime.datetime(2026, 1, 5, 20, 45, tzinfo=zone))
    assert clock.monotonic() == 3 * 3600


def test_travel_back_is_refused(clock: VirtualClock) -> None:
    """Time never goes back."""
    clock.advance(1)
    with pytest.raises(UsageError) as caught:
        clock.travel_to(START)
    assert str(caught.value) == (
        "The clock does not go back. [QS128]\n"
        "  it is 2026-01-05T12:00:01+00:00, asked for 2026-01-05T12:00:00+00:00\n"
        "To fix: travel to a later moment, or begin another run"
    )


def test_moment_without_a_zone_is_refused() -> None:
    """A naive start has no place in time."""
    with pytest.raises(UsageError) as caught:
        VirtualClock(START.replace(tzinfo=None))
    assert str(caught.value) == (
        "A moment needs a time zone. [QS128]\n"
        "  datetime.datetime(2026, 1, 5, 12, 0)\n"
        "To fix: datetime(2026, 1, 5, 12, tzinfo=UTC)"
    )


def test_clock_that_is_off_cannot_be_moved() -> None:
    """Neither before it was on nor after."""
    clock = VirtualClock(START)
    with pytest.raises(UsageError) as before:
        clock.advance(1)
    with clock:
        clock.advance(2)
    with pytest.raises(UsageError) as after:
        clock.advance(1)
    assert str(before.value) == str(after.value)
    assert str(after.value).splitlines()[0] == "The virtual clock is off: it cannot be moved. [QS129]"
    assert clock.monotonic() == 2.0


def test_clock_inside_of_a_clock_is_refused(clock: VirtualClock) -> None:
    """One at a time in a process; the one that is on goes on."""
    with pytest.raises(UsageError) as caught, VirtualClock(START):
        pass
    assert str(caught.value) == (
        "A virtual clock is on already: one at a time in a process. [QS126]\n"
        "To fix: use the one that is on: in a test it is the fixture qsession_clock, in a run run.clock"
    )
    clock.advance(5)
    assert clock.monotonic() == 5.0


def test_clock_can_be_used_again() -> None:
    """Each use begins at the start."""
    clock = VirtualClock(START)
    for _ in range(2):
        with clock:
            assert clock.now() == START
            time.sleep(3)  # noqa: TID251 - the clock under test
        assert clock.monotonic() == 3.0
