"""Threads that take no part, or cannot be seen; signals; children."""

from __future__ import annotations

import _thread
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from clock_start import START

from qsession import VirtualClock

# In a list: names in modules follow the clock.
REAL = [time.time]  # noqa: TID251 - compared with what others see


class Outsider:
    """A thread that was there before the clock, and does what it is told."""

    def __init__(self) -> None:
        self._asked: queue.Queue[Callable[[], object] | None] = queue.Queue()
        self._answers: queue.Queue[object] = queue.Queue()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while (asked := self._asked.get()) is not None:
            self._answers.put(asked())

    def begin(self, work: Callable[[], object]) -> None:
        self._asked.put(work)

    def answer(self) -> object:
        return self._answers.get()

    def end(self) -> None:
        self._asked.put(None)
        self._thread.join()


@pytest.fixture
def outsider() -> Iterator[Outsider]:
    thread = Outsider()
    yield thread
    thread.end()


def test_thread_from_before_waits_and_measures_in_real_time(outsider: Outsider) -> None:
    """Its waits take real time, by a monotonic clock that is the machine's, and move nothing."""

    def wait() -> float:
        before = time.monotonic()
        threading.Event().wait(0.05)
        time.sleep(0.01)  # noqa: TID251 - real, in that thread
        return time.monotonic() - before

    with VirtualClock(START) as clock:
        outsider.begin(wait)
        length = outsider.answer()
        assert clock.monotonic() == 0.0
    assert isinstance(length, float)
    assert 0.06 <= length < 5


def test_thread_from_before_sees_the_date_of_the_run(outsider: Outsider) -> None:
    """What it says about dates agrees with what the run says."""
    with VirtualClock(START) as clock:
        clock.advance("1h")
        outsider.begin(lambda: (datetime.now(UTC), time.time()))  # noqa: TID251 - the clock under test
        assert outsider.answer() == (clock.now(), clock.now().timestamp())


def test_thread_from_before_does_not_hold_time(outsider: Outsider) -> None:
    """Time moves on although it is blocked for real, without a fallback."""
    gate = _thread.allocate_lock()
    gate.acquire()
    with VirtualClock(START) as clock:
        outsider.begin(gate.acquire)
        time.sleep(7200)  # noqa: TID251 - the clock under test
        assert (clock.monotonic(), clock.fallbacks) == (7200.0, 0)
        gate.release()
        outsider.answer()


def test_real_time_in_a_thread_from_before_does_not_make_it_take_part(outsider: Outsider) -> None:
    """A block of real time is left as it was entered."""
    with VirtualClock(START) as clock:

        def enter() -> float:
            with clock.real():
                return time.time()  # noqa: TID251 - the way out under test

        outsider.begin(enter)
        assert outsider.answer() == pytest.approx(REAL[0](), abs=60)
        time.sleep(5)  # noqa: TID251 - the clock under test
        assert (clock.monotonic(), clock.fallbacks) == (5.0, 0)


def test_thread_blocked_on_a_raw_lock_does_not_hold_time_for_ever(clock: VirtualClock) -> None:
    """It is left behind after some looks, which is counted, and comes back when it waits again."""
    gate = _thread.allocate_lock()
    gate.acquire()
    moments: list[float] = []

    def run() -> None:
        gate.acquire()
        time.sleep(10)  # noqa: TID251 - the clock under test
        moments.append(clock.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(60)  # noqa: TID251 - the clock under test
    assert (clock.monotonic(), clock.fallbacks) == (60.0, 1)
    gate.release()
    thread.join()
    assert moments == [70.0]


def test_thread_in_a_child_process_does_not_hold_time_for_ever(clock: VirtualClock) -> None:
    """The clock goes on without a thread that waits for another program."""
    program = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as child:
        thread = threading.Thread(target=child.wait)
        thread.start()
        time.sleep(60)  # noqa: TID251 - the clock under test
        assert (clock.monotonic(), clock.fallbacks) == (60.0, 1)
        assert child.stdin is not None
        child.stdin.close()
        thread.join()
    assert child.returncode == 0


def test_thread_that_outlives_the_clock_goes_on_in_real_time() -> None:
    """Who waits for a moment goes on at the end; who waits for somebody still does."""
    gate = threading.Event()
    seen: list[float] = []

    def sleep() -> None:
        time.sleep(3600)  # noqa: TID251 - the clock under test
        seen.append(time.time())  # noqa: TID251 - the machine's by now

    def wait() -> None:
        gate.wait()
        seen.append(time.time())  # noqa: TID251 - the machine's by now

    threads = [threading.Thread(target=sleep), threading.Thread(target=wait)]
    with VirtualClock(START):
        for thread in threads:
            thread.start()
        time.sleep(1)  # both wait by now  # noqa: TID251
    threads[0].join()
    assert len(seen) == 1
    gate.set()
    threads[1].join()
    assert seen == pytest.approx([REAL[0]()] * 2, abs=60)


def test_thread_that_outlives_one_clock_takes_no_part_in_the_next() -> None:
    """It belongs to a run that is over."""
    gate = threading.Event()
    with VirtualClock(START):
        thread = threading.Thread(target=gate.wait)
        thread.start()
        time.sleep(1)  # it waits by now  # noqa: TID251
    with VirtualClock(START) as clock:
        time.sleep(5)  # noqa: TID251 - the clock under test
        assert (clock.monotonic(), clock.fallbacks) == (5.0, 0)
        gate.set()
        thread.join()


def test_interrupt_ends_a_wait_and_puts_everything_back() -> None:
    """Ctrl-C while all threads wait for a thread outside."""
    sleep, patched = time.sleep, threading.Condition.wait  # noqa: TID251 - compared only
    gate = threading.Event()
    begun = threading.Event()

    def interrupt() -> None:
        begun.wait()
        signal.raise_signal(signal.SIGINT)

    outside = threading.Thread(target=interrupt)
    outside.start()
    with pytest.raises(KeyboardInterrupt), VirtualClock(START):
        begun.set()
        gate.wait()
    outside.join()
    assert (time.sleep, threading.Condition.wait) == (sleep, patched)  # noqa: TID251 - compared only


def test_signal_handler_may_wake_the_thread_that_it_interrupts(clock: VirtualClock) -> None:
    """A handler that sets an event runs in the thread that waits for it."""
    done = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: done.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert done.wait()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert clock.monotonic() == 0.0


def test_waits_go_on_after_an_interrupt_that_was_caught(clock: VirtualClock) -> None:
    """The thread takes part as before."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            threading.Event().wait()
    finally:
        signal.signal(signal.SIGALRM, before)
    thread = threading.Thread(target=time.sleep, args=[3])  # noqa: TID251 - the clock under test
    thread.start()
    time.sleep(5)  # noqa: TID251 - the clock under test
    thread.join()
    assert (clock.monotonic(), clock.fallbacks) == (5.0, 0)


def test_block_of_real_time_reads_and_waits_for_real(clock: VirtualClock) -> None:
    """Inside of it all clocks are the machine's; after it, the run's again."""
    with clock.real():
        before = time.monotonic()
        time.sleep(0.02)  # noqa: TID251 - real, in this block
        assert 0.02 <= time.monotonic() - before < 5
        now = REAL[0]()
        seen = [time.time(), time.time_ns() / 1e9, datetime.now(UTC).timestamp()]  # noqa: TID251
        seen += [datetime.now().timestamp(), time.mktime(time.localtime())]  # noqa: TID251, DTZ005
    assert seen == pytest.approx([now] * 5, abs=5)
    assert (datetime.now(UTC), time.time()) == (START, START.timestamp())  # noqa: TID251


def test_other_threads_do_not_wait_for_one_in_real_time(clock: VirtualClock) -> None:
    """A timer strikes on the virtual clock while this thread waits for real."""
    rung, seen = _thread.allocate_lock(), []
    rung.acquire()
    timer = threading.Timer(7200, lambda: (seen.append(clock.monotonic()), rung.release()))
    timer.start()
    with clock.real():
        assert rung.acquire(timeout=30)
    timer.join()
    assert (seen, clock.fallbacks) == ([7200.0], 0)


CHILD_SEES = "import time, datetime; print(time.time(), datetime.datetime.now().timestamp())"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_lives_in_real_time(clock: VirtualClock) -> None:
    """All of its clocks are the machine's, and its waits are real."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            before = time.monotonic()
            time.sleep(0.01)  # noqa: TID251 - real, in the child
            length = time.monotonic() - before
            moments = (time.time(), datetime.now(UTC).timestamp(), datetime.now().timestamp())  # noqa: TID251, DTZ005
            os.write(there, repr((length, *moments)).encode())
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here) as pipe:
        length, *moments = (float(part) for part in pipe.read().strip("()").split(","))
    os.waitpid(child, 0)
    assert 0.01 <= length < 5
    with clock.real():
        assert moments == pytest.approx([time.time()] * 3, abs=60)  # noqa: TID251 - the machine's


def test_spawned_child_lives_in_real_time(clock: VirtualClock) -> None:
    """multiprocessing waits for real, and what it starts sees the machine's clock."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        moment = pool.apply_async(time.time).get(timeout=60)  # noqa: TID251 - in the child
    with clock.real():
        assert moment == pytest.approx(time.time(), abs=60)  # noqa: TID251 - the machine's


def test_program_is_given_its_real_time(clock: VirtualClock) -> None:
    """A timeout of a subprocess is real: no false alarm for one that is quick, and none comes late."""
    done = subprocess.run([sys.executable, "-c", CHILD_SEES], timeout=30, capture_output=True, check=True)
    with clock.real():
        now = time.time()  # noqa: TID251 - the machine's
    assert [float(part) for part in done.stdout.split()] == pytest.approx([now] * 2, abs=60)
    assert clock.monotonic() == 0.0


@pytest.mark.parametrize("piped", [False, True])
def test_program_that_takes_too_long_times_out_in_real_time(clock: VirtualClock, piped: bool) -> None:
    """The timeout is honoured with and without pipes, and moves nothing."""
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(program, timeout=0.2, capture_output=piped, check=True)
    assert clock.monotonic() == 0.0


def test_communicate_with_a_timeout_is_honoured(clock: VirtualClock) -> None:
    """Reading from a program that says nothing ends when it should."""
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.communicate(timeout=0.2)
        child.kill()
    assert clock.monotonic() == 0.0


def test_wait_in_the_kernel_is_real(clock: VirtualClock) -> None:
    """``select`` and sockets time out by the machine's clock, and move nothing."""
    here, there = socket.socketpair()
    with here, there:
        with clock.real():
            before = time.monotonic()
        assert select.select([here], [], [], 0.05) == ([], [], [])
        here.settimeout(0.05)
        with pytest.raises(TimeoutError):
            here.recv(1)
        with clock.real():
            assert 0.1 <= time.monotonic() - before < 30
    assert clock.monotonic() == 0.0
