"""asyncio on the clock: its timers take virtual time, and what comes from other threads wakes it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from qsession import VirtualClock


async def cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def wait_for(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def timeout(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()


async def wait(seconds: float) -> None:
    future = asyncio.get_running_loop().create_future()
    assert await asyncio.wait([future], timeout=seconds) == (set(), {future})


async def gather(seconds: float) -> None:
    await asyncio.gather(*(asyncio.sleep(seconds * share) for share in (0, 0.25, 0.5, 1)))


async def call_later(seconds: float) -> None:
    called = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, called.set)
    await called.wait()


async def to_thread(seconds: float) -> None:
    await asyncio.to_thread(lambda: time.sleep(seconds))  # noqa: TID251 - the clock under test


async def in_executor(seconds: float) -> None:
    await asyncio.get_running_loop().run_in_executor(None, threading.Event().wait, seconds)


WAYS: list[Callable[[float], Awaitable[None]]] = [
    sleep,
    wait_for,
    timeout,
    wait,
    gather,
    call_later,
    to_thread,
    in_executor,
]


@pytest.mark.parametrize("seconds", [7200, 0.5, 0.001])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_asyncio_wait_of_each_kind_moves_exactly_what_was_asked(
    clock: VirtualClock, way: Callable[[float], Awaitable[None]], seconds: float
) -> None:
    """Timers of a loop are due at their virtual moment, to the microsecond."""
    asyncio.run(way(seconds))  # type: ignore[arg-type]
    assert clock.monotonic() == pytest.approx(seconds, abs=1.5e-6)
    assert clock.fallbacks == 0


def test_loop_made_before_the_clock_follows_it() -> None:
    """A loop does not keep the clock that it was born with."""
    loop = asyncio.new_event_loop()
    try:
        with VirtualClock() as clock:
            before = loop.time()
            loop.run_until_complete(asyncio.sleep(7200))
            assert loop.time() - before == pytest.approx(7200)
            assert clock.monotonic() == pytest.approx(7200, abs=1.5e-6)
    finally:
        loop.close()


def test_loop_made_under_the_clock_works_after_it() -> None:
    """Back in real time a loop goes on with real timers."""
    with VirtualClock():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.sleep(3))
    try:
        assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
        assert loop.time() == pytest.approx(time.monotonic(), abs=5)
    finally:
        loop.close()


def test_two_loops_in_two_threads_share_one_clock(clock: VirtualClock) -> None:
    """Loops wait beside each other, not one after the other."""
    threads = [threading.Thread(target=lambda: asyncio.run(sleep(60))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == pytest.approx(60, abs=3e-6)
    assert clock.fallbacks == 0


def test_coroutine_from_another_thread_wakes_the_loop(clock: VirtualClock) -> None:
    """``run_coroutine_threadsafe`` gives its result at the moment at which the coroutine ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    result = asyncio.run_coroutine_threadsafe(asyncio.sleep(90, "slept"), loop).result(timeout=100)
    moment = clock.monotonic()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert (result, moment) == ("slept", pytest.approx(90, abs=1.5e-6))
    assert clock.fallbacks == 0


def test_coroutine_from_another_thread_times_out(clock: VirtualClock) -> None:
    """The caller's timeout is virtual, too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    future = asyncio.run_coroutine_threadsafe(asyncio.sleep(90), loop)
    with pytest.raises(TimeoutError):
        future.result(timeout=10)
    assert clock.monotonic() == 10.0
    asyncio.run_coroutine_threadsafe(cancel_others(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_event_set_by_a_thread_ends_the_wait_of_a_loop(clock: VirtualClock) -> None:
    """A thread that sleeps 5 s wakes a loop that would wait for 100 s."""

    async def main() -> None:
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        timer = threading.Timer(5, lambda: loop.call_soon_threadsafe(event.set))
        timer.start()
        await asyncio.wait_for(event.wait(), 100)

    asyncio.run(main())
    assert clock.monotonic() == pytest.approx(5, abs=1.5e-6)


def test_loop_that_never_waits_lets_threads_run(clock: VirtualClock) -> None:
    """A coroutine that looks again and again sees what a thread did that was ready to run."""
    done: list[bool] = []

    async def main() -> None:
        thread = threading.Thread(target=done.append, args=[True])
        thread.start()
        while not done:
            await asyncio.sleep(0)
        thread.join()

    asyncio.run(main())
    assert (clock.monotonic(), clock.fallbacks) == (0.0, 0)


def test_ticker_of_a_loop_ticks_as_often_as_it_should(clock: VirtualClock) -> None:
    """A loop that counts its turns counts what it would have counted."""

    async def main() -> int:
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(1)
                turns += 1

        ticker = asyncio.create_task(tick())
        await asyncio.sleep(600.5)
        ticker.cancel()
        return turns

    assert asyncio.run(main()) == 600
    assert clock.fallbacks == 0


def test_sockets_of_a_loop_are_read(clock: VirtualClock) -> None:
    """What comes from outside arrives, although the timers of the loop are virtual."""

    async def main() -> bytes:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        there.sendall(b"hello\n")
        line = await asyncio.wait_for(reader.readline(), 30)
        writer.close()
        await writer.wait_closed()
        there.close()
        return line

    assert asyncio.run(main()) == b"hello\n"
    assert clock.monotonic() == 0.0


def test_debug_mode_of_a_loop_measures_no_slow_callback(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A wait in one task is no slow callback of another."""
    asyncio.run(gather(7200), debug=True)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_timer_of_a_loop_that_lives_on_keeps_its_distance() -> None:
    """What was to come in a second still does, when time becomes virtual and when it is real again."""
    loop = asyncio.new_event_loop()
    try:
        timer = loop.call_later(1000, print)
        with VirtualClock() as clock:
            loop.run_until_complete(asyncio.sleep(400))
            assert clock.monotonic() == pytest.approx(400, abs=0.01)
            assert timer.when() - loop.time() == pytest.approx(600, abs=0.5)
            clock.advance("1h")
            late = loop.call_later(50, print)
        assert timer.when() - loop.time() == pytest.approx(600 - 3600, abs=0.5)
        assert late.when() - loop.time() == pytest.approx(50, abs=0.5)
    finally:
        loop.close()


def test_timer_of_a_loop_that_runs_in_another_thread_keeps_its_distance() -> None:
    """It is moved by that thread itself."""
    loop = asyncio.new_event_loop()
    with VirtualClock():
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(7200), loop).result()
        timer = asyncio.run_coroutine_threadsafe(_later(100), loop).result()
    distance = asyncio.run_coroutine_threadsafe(_distance(timer), loop).result(10)
    assert distance == pytest.approx(100, abs=5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def _later(seconds: float) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, print)


async def _distance(timer: asyncio.TimerHandle) -> float:
    return timer.when() - asyncio.get_running_loop().time()
