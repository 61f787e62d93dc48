"""One order of events on every machine: threads that poll, hand over, and a reference that says what is right."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from clock_start import START
from hypothesis import given, settings
from hypothesis import strategies as st

from qsession import VirtualClock

Log: TypeAlias = list[tuple[float, str]]


def polling(threads: int, times: int, every: float) -> tuple[Log, float, int]:
    log: Log = []
    with VirtualClock(START) as clock:

        def poll(name: str) -> None:
            for turn in range(times):
                time.sleep(every)  # noqa: TID251 - the clock under test
                log.append((clock.monotonic(), f"{name}.{turn}"))

        pollers = [threading.Thread(target=poll, args=[str(n)]) for n in range(threads)]
        for poller in pollers:
            poller.start()
        for poller in pollers:
            poller.join()
        return log, clock.monotonic(), clock.fallbacks


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_polling_threads_give_the_same_log_fifty_times(threads: int) -> None:
    """The virtual time is exact and the order of events the same, 50 times out of 50."""
    runs = [polling(threads, 20, 0.1) for _ in range(50)]
    expected = [(round(0.1 * (turn + 1), 6), f"{n}.{turn}") for turn in range(20) for n in range(threads)]
    assert all(run == (expected, 2.0, 0) for run in runs)


def test_pool_of_threads_gives_the_exact_time() -> None:
    """Three workers do nine pieces of work of 30 s in 90 s."""
    with VirtualClock(START) as clock:
        with ThreadPoolExecutor(3) as pool:
            moments = list(pool.map(lambda _: (time.sleep(30), clock.monotonic())[1], range(9)))  # noqa: TID251
        assert (moments, clock.fallbacks) == ([30.0] * 3 + [60.0] * 3 + [90.0] * 3, 0)


def handing_over() -> Log:
    log: Log = []
    with VirtualClock(START) as clock:
        lane: queue.Queue[str | None] = queue.Queue(2)

        def produce(name: str, every: float) -> None:
            for turn in range(5):
                time.sleep(every)  # noqa: TID251 - the clock under test
                lane.put(f"{name}{turn}")

        def consume(name: str) -> None:
            while (item := lane.get()) is not None:
                log.append((clock.monotonic(), f"{name}<{item}"))
                time.sleep(2)  # noqa: TID251 - the clock under test

        producers = [threading.Thread(target=produce, args=a) for a in (("a", 1.0), ("b", 0.5), ("c", 1.0))]
        consumers = [threading.Thread(target=consume, args=[n]) for n in ("X", "Y")]
        for thread in producers + consumers:
            thread.start()
        for thread in producers:
            thread.join()
        for _ in consumers:
            lane.put(None)
        for thread in consumers:
            thread.join()
        assert clock.fallbacks == 0
    return log


def test_producers_and_consumers_hand_over_in_one_order() -> None:
    """Queues with a bound, filled and emptied by threads, have the same history 50 times out of 50."""
    first = handing_over()
    assert len(first) == 15
    assert all(handing_over() == first for _ in range(49))


def test_clocks_read_by_threads_never_go_back(clock: VirtualClock) -> None:
    """Whoever looks at any clock sees it stand or move on."""
    seen: list[tuple[float, float, int]] = []

    def look(every: float) -> None:
        for _ in range(50):
            seen.append((time.time(), time.monotonic(), time.perf_counter_ns()))  # noqa: TID251
            time.sleep(every)  # noqa: TID251 - the clock under test

    threads = [threading.Thread(target=look, args=[every]) for every in (0.1, 0.3, 0.7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(seen[i][k] <= seen[i + 1][k] for i in range(len(seen) - 1) for k in range(3))


# A program is a list of steps for each thread: ("sleep", µs), ("set", event), ("wait", event, µs),
# ("put", queue), ("get", queue, µs). All lengths are whole microseconds.
Step: TypeAlias = tuple[str, int, int]

LENGTHS = st.integers(0, 4).map(lambda n: n * 250_000)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("sleep"), st.just(0), LENGTHS),
    st.tuples(st.just("set"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 1), LENGTHS),
    st.tuples(st.just("put"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("get"), st.integers(0, 1), LENGTHS),
)
PROGRAMS = st.lists(st.lists(STEPS, max_size=8), min_size=1, max_size=5)


@dataclass
class Reference:
    """What should happen, said a second time: no threads, only a heap of moments and a line of who is ready."""

    now: int = 0
    log: list[tuple[int, int, str]] = field(default_factory=list)
    flags: list[bool] = field(default_factory=lambda: [False, False])
    stock: list[int] = field(default_factory=lambda: [0, 0])
    at_flag: list[list[int]] = field(default_factory=lambda: [[], []])
    at_stock: list[list[int]] = field(default_factory=lambda: [[], []])

    def run(self, programs: list[list[Step]]) -> list[tuple[int, int, str]]:
        order = itertools.count()
        due: list[tuple[int, int, int, int]] = []
        ready: deque[int] = deque()
        turn = [0] * len(programs)
        self.until = [0] * len(programs)
        bodies = [self.thread(n, program) for n, program in enumerate(programs)]

        def step(who: int) -> None:
            turn[who] += 1
            try:
                deadline = next(bodies[who])
            except StopIteration:
                return
            heapq.heappush(due, (deadline, next(order), who, turn[who]))

        self.wake = lambda who: (ready.append(who), turn.__setitem__(who, turn[who] + 1))
        for who in range(len(programs)):
            step(who)
        while ready or due:
            if ready:
                step(ready.popleft())
                continue
            deadline, _, who, its_turn = heapq.heappop(due)
            if its_turn == turn[who]:
                self.now = max(self.now, deadline)
                step(who)
        return self.log

    def thread(self, who: int, program: list[Step]):  # type: ignore[no-untyped-def]
        yield 0  # its first turn
        for number, (kind, place, length) in enumerate(program):
            outcome = kind
            if kind == "sleep":
                yield self.now + length
            elif kind == "set":
                self.flags[place] = True
                self.wake_all(self.at_flag[place])
            elif kind == "wait" and not self.flags[place]:
                self.at_flag[place].append(who)
                yield self.now + length
                outcome = "waited" if who not in self.at_flag[place] else "gave up"
                self.drop(self.at_flag[place], who)
            elif kind == "put":
                self.stock[place] += 1
                self.wake_all(self.at_stock[place][:1], self.at_stock[place])
            elif kind == "get":
                outcome = yield from self.get(who, place, self.now + length)
            self.log.append((self.now, who, f"{number} {outcome}"))

    def get(self, who: int, place: int, deadline: int):  # type: ignore[no-untyped-def]
        while not self.stock[place]:
            if deadline <= self.now:
                return "empty"
            self.at_stock[place].append(who)
            yield deadline
            self.drop(self.at_stock[place], who)
        self.stock[place] -= 1
        return "got"

    def wake_all(self, waiting: list[int], line: list[int] | None = None) -> None:
        for who in list(waiting):
            self.wake(who)
            self.drop(waiting if line is None else line, who)

    @staticmethod
    def drop(line: list[int], who: int) -> None:
        if who in line:
            line.remove(who)


def on_the_clock(programs: list[list[Step]]) -> list[tuple[int, int, str]]:  # noqa: C901 - a small language
    log: list[tuple[int, int, str]] = []
    with VirtualClock(START) as clock:
        flags = [threading.Event(), threading.Event()]
        lanes: list[queue.Queue[int]] = [queue.Queue(), queue.Queue()]

        def do(kind: str, place: int, seconds: float) -> str:
            if kind == "sleep":
                time.sleep(seconds)  # noqa: TID251 - the clock under test
            elif kind == "set":
                flags[place].set()
            elif kind == "put":
                lanes[place].put(1)
            elif kind == "wait":
                if not flags[place].is_set():
                    return "waited" if flags[place].wait(seconds) else "gave up"
            else:
                try:
                    lanes[place].get(timeout=seconds)
                except queue.Empty:
                    return "empty"
                return "got"
            return kind

        def run(who: int, program: list[Step]) -> None:
            for number, (kind, place, length) in enumerate(program):
                before = clock.now()
                outcome = do(kind, place, length / 1_000_000)
                assert clock.now() >= before
                log.append((round(clock.monotonic() * 1_000_000), who, f"{number} {outcome}"))

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(programs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert clock.fallbacks == 0
    return log


@settings(max_examples=150, deadline=None)
@given(PROGRAMS)
def test_any_program_of_threads_does_what_a_small_simulation_says(programs: list[list[Step]]) -> None:
    """Who wakes, when and in which order agrees with a reference that knows no threads."""
    assert on_the_clock(programs) == Reference().run(programs)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 10**9), max_size=6), min_size=1, max_size=5))
def test_each_sleeper_wakes_exactly_at_its_deadline(programs: list[list[int]]) -> None:
    """Whatever the others do, a thread wakes when the sum of its sleeps has passed."""
    seen: dict[int, list[int]] = {n: [] for n in range(len(programs))}
    with VirtualClock(START) as clock:

        def run(who: int, lengths: list[int]) -> None:
            for length in lengths:
                time.sleep(length / 1_000_000)  # noqa: TID251 - the clock under test
                seen[who].append(round(clock.monotonic() * 1_000_000))

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(programs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {n: list(itertools.accumulate(lengths)) for n, lengths in enumerate(programs)}


def test_threads_that_begin_threads_all_take_part(clock: VirtualClock) -> None:
    """A thread counts as running from before its start, also one that a thread begins."""
    moments: list[float] = []

    def branch(depth: int) -> None:
        below: list[Callable[[], None]] = []
        if depth:
            for _ in range(2):
                thread = threading.Thread(target=branch, args=[depth - 1])
                thread.start()
                below.append(thread.join)
        time.sleep(10)  # noqa: TID251 - the clock under test
        for join in below:
            join()
        moments.append(clock.monotonic())

    branch(3)
    assert (moments, clock.fallbacks) == ([10.0] * 15, 0)
