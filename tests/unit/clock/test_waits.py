"""Each kind of wait moves the clock by exactly what was asked, and takes no real time."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from qsession import VirtualClock


def never() -> concurrent.futures.Future[None]:
    return concurrent.futures.Future()


def expect_timeout(kind: type[BaseException], wait: Callable[[], object]) -> None:
    with pytest.raises(kind):
        wait()


def join_for(seconds: float) -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    thread.join(seconds)
    assert thread.is_alive()
    gate.set()
    thread.join()


def acquire_rlock_condition(seconds: float) -> None:
    condition = threading.Condition()
    with condition:
        assert not condition.wait(seconds)


def wait_barrier(seconds: float) -> None:
    expect_timeout(threading.BrokenBarrierError, lambda: threading.Barrier(2).wait(seconds))


def run_timer(seconds: float) -> None:
    rung = threading.Event()
    timer = threading.Timer(seconds, rung.set)
    timer.start()
    assert rung.wait()
    timer.join()


def fill_queue(seconds: float) -> None:
    full: queue.Queue[int] = queue.Queue(1)
    full.put(1)
    expect_timeout(queue.Full, lambda: full.put(2, timeout=seconds))


def wait_for_condition(seconds: float) -> None:
    condition = threading.Condition()
    with condition:
        assert not condition.wait_for(lambda: False, seconds)


WAITS: dict[str, Callable[[float], object]] = {
    "time.sleep": lambda s: time.sleep(s),  # noqa: TID251, PLW0108 - looked up at the call
    "Event.wait": lambda s: threading.Event().wait(s),
    "Condition.wait": acquire_rlock_condition,
    "Condition.wait_for": wait_for_condition,
    "Queue.get": lambda s: expect_timeout(queue.Empty, lambda: queue.Queue().get(timeout=s)),
    "Queue.put": fill_queue,
    "LifoQueue.get": lambda s: expect_timeout(queue.Empty, lambda: queue.LifoQueue().get(timeout=s)),
    "SimpleQueue.get": lambda s: expect_timeout(queue.Empty, lambda: queue.SimpleQueue().get(timeout=s)),
    "Semaphore.acquire": lambda s: threading.Semaphore(0).acquire(timeout=s),
    "Barrier.wait": wait_barrier,
    "Thread.join": join_for,
    "Timer": run_timer,
    "future.result": lambda s: expect_timeout(TimeoutError, lambda: never().result(s)),
    "future.exception": lambda s: expect_timeout(TimeoutError, lambda: never().exception(s)),
    "futures.wait": lambda s: concurrent.futures.wait([never()], timeout=s),
}


@pytest.mark.parametrize("seconds", [7200, 0.5, 0.000_001, 1234.567_891])
@pytest.mark.parametrize("kind", WAITS)
def test_wait_of_each_kind_moves_exactly_what_was_asked(
    clock: VirtualClock, kind: str, seconds: float
) -> None:
    """The clock moves by the timeout, to the microsecond, and nothing was left behind."""
    before = clock.now()
    WAITS[kind](seconds)
    assert (clock.now() - before).total_seconds() == seconds
    assert clock.fallbacks == 0


@pytest.mark.parametrize(
    ("asked", "moved"),
    [
        (0, 0.0),
        (3, 3.0),
        (True, 1.0),
        (0.25, 0.25),
        (1e-7, 1e-6),
        (np.float64(1.5), 1.5),
        (np.int64(2), 2.0),
        (np.int8(2), 2.0),
    ],
)
def test_sleep_of_each_number_moves_as_much(clock: VirtualClock, asked: float, moved: float) -> None:
    """Whatever the real sleep takes is slept; what is more than nothing is at least a microsecond."""
    time.sleep(asked)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == moved


@pytest.mark.parametrize(
    "asked", [-1, -1e-9, float("nan"), "1", None, np.float32(1), float("inf"), np.int64(-1)]
)
def test_sleep_of_what_is_no_length_is_refused_as_by_the_real_one(asked: object) -> None:
    """The same exceptions, and for the usual mistakes the same words."""
    sleep = time.sleep  # noqa: TID251 - refuses before it sleeps
    with pytest.raises((ValueError, TypeError, OverflowError)) as real:
        sleep(asked)  # type: ignore[arg-type]
    with VirtualClock() as clock, pytest.raises(real.type) as virtual:
        time.sleep(asked)  # type: ignore[arg-type]  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 0.0
    if real.type is not OverflowError:
        assert str(virtual.value) == str(real.value)


def test_ten_thousand_small_sleeps_do_not_drift(clock: VirtualClock) -> None:
    """Time is counted in whole microseconds."""
    for _ in range(10_000):
        time.sleep(0.1)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 1000.0


def test_clocks_move_together(clock: VirtualClock) -> None:
    """All functions that measure lengths, and those that tell the moment, moved by the wait."""
    names = ("time", "monotonic", "perf_counter")
    before = {name: getattr(time, name)() for name in names}
    before_ns = {name: getattr(time, f"{name}_ns")() for name in names}
    time.sleep(1.5)  # noqa: TID251 - the clock under test
    assert {name: getattr(time, name)() - before[name] for name in names} == dict.fromkeys(names, 1.5)
    moved = {name: getattr(time, f"{name}_ns")() - before_ns[name] for name in names}
    assert moved == dict.fromkeys(names, 1_500_000_000)


def test_wait_that_is_ended_takes_only_until_then(clock: VirtualClock) -> None:
    """An event that another thread sets after 2 s ends a wait of 10 s after 2 s."""
    event = threading.Event()
    timer = threading.Timer(2, event.set)
    timer.start()
    assert event.wait(10)
    assert clock.monotonic() == 2.0
    timer.join()


def test_timer_that_is_cancelled_takes_no_time(clock: VirtualClock) -> None:
    """Cancelling a timer ends its thread at once."""
    timer = threading.Timer(100, lambda: None)
    timer.start()
    timer.cancel()
    timer.join()
    assert clock.monotonic() == 0.0


def test_wait_on_unowned_condition_is_refused_as_by_the_real_one(clock: VirtualClock) -> None:
    """The stand-in keeps the rule that a condition is entered before it is waited for."""
    with pytest.raises(RuntimeError, match=r"^cannot wait on un-acquired lock$"):
        threading.Condition().wait(1)


def test_notify_before_the_wait_is_not_remembered(clock: VirtualClock) -> None:
    """A notification without a waiter is lost, as with a real condition."""
    condition = threading.Condition()
    with condition:
        condition.notify()
        assert not condition.wait(3)
    assert clock.monotonic() == 3.0


def test_condition_counts_each_notification_once(clock: VirtualClock) -> None:
    """Of three waiters one notification ends one wait; the others run out."""
    condition = threading.Condition()
    ended: list[bool] = []

    def wait() -> None:
        with condition:
            ended.append(condition.wait(5))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(1)  # noqa: TID251 - the clock under test
    with condition:
        condition.notify()
    for thread in threads:
        thread.join()
    assert ended == [True, False, False]
    assert clock.monotonic() == 5.0


def test_future_of_a_pool_ends_when_its_work_does(clock: VirtualClock) -> None:
    """A worker that sleeps 30 s gives its result after 30 s, before the timeout."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        work = pool.submit(lambda: time.sleep(30) or 7)  # type: ignore[func-returns-value]  # noqa: TID251
        assert work.result(timeout=60) == 7
    assert clock.monotonic() == 30.0
    assert clock.fallbacks == 0


def test_as_completed_gives_what_is_done_before_its_timeout(clock: VirtualClock) -> None:
    """The timeout strikes at its moment although another future was done before."""
    done: concurrent.futures.Future[None] = never()
    timer = threading.Timer(0.25, done.set_result, [None])
    timer.start()
    finished: list[float] = []
    with pytest.raises(TimeoutError):
        for _ in concurrent.futures.as_completed([never(), done], timeout=0.5):
            finished.append(clock.monotonic())
    assert (finished, clock.monotonic()) == ([0.25], 0.500_001)
    timer.join()


@pytest.mark.parametrize("seconds", [7200, 0.5, 1234.567_891])
def test_as_completed_times_out_a_microsecond_after_its_moment(clock: VirtualClock, seconds: float) -> None:
    """It asks whether the moment is in the past, and at the moment itself it is not yet."""
    with pytest.raises(TimeoutError):
        list(concurrent.futures.as_completed([never()], timeout=seconds))
    assert clock.monotonic() == pytest.approx(seconds + 1e-6, abs=1e-7)


def test_hundred_waits_of_no_length_take_no_time(clock: VirtualClock) -> None:
    """``sleep(0)`` lets others run and moves nothing."""
    for _ in range(100):
        time.sleep(0)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 0.0


@pytest.mark.parametrize("look", [lambda event: time.sleep(0), lambda event: event.wait(0)])  # noqa: TID251
def test_loop_of_waits_without_length_ends(
    clock: VirtualClock, look: Callable[[threading.Event], object]
) -> None:
    """Looking again and again whether a thread is done comes to an end, soon after it is."""
    done = threading.Event()
    timer = threading.Timer(5, done.set)
    timer.start()
    while not done.is_set():
        look(done)
    assert 5 <= clock.monotonic() <= 5.002
    timer.join()


def test_name_taken_from_the_module_before_the_clock_is_followed() -> None:
    """A module that did ``from time import sleep`` long ago sleeps on the clock."""
    with VirtualClock() as clock:
        ALIAS(5)
    assert clock.monotonic() == 5.0


ALIAS = time.sleep  # noqa: TID251 - an alias is what this is about
