"""Pools of processes: they work in real time, and who waits for them gets what they made."""

from __future__ import annotations

import asyncio
import multiprocessing
import operator
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed, wait

import pytest

from qsession import VirtualClock

MINUTE = 60


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """Made before the clock, and warm."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as made:
        made.submit(int).result()
        yield made


async def _awaited(pool: Executor) -> object:
    work = asyncio.get_running_loop().run_in_executor(pool, operator.add, 1, 2)
    return await asyncio.wait_for(work, MINUTE)


@pytest.mark.parametrize(
    "asked",
    [
        lambda pool: pool.submit(operator.add, 1, 2).result(MINUTE),
        lambda pool: next(iter(wait([pool.submit(operator.add, 1, 2)], MINUTE).done)).result(),
        lambda pool: next(as_completed([pool.submit(operator.add, 1, 2)], MINUTE)).result(),
        lambda pool: next(pool.map(operator.add, [1], [2], timeout=MINUTE)),
        lambda pool: asyncio.run(_awaited(pool)),
    ],
    ids=["result", "wait", "as_completed", "map", "asyncio"],
)
def test_wait_for_another_process_does_not_end_before_it(
    clock: VirtualClock, pool: Executor, asked: Callable[[Executor], object]
) -> None:
    """A minute of the clock is no time, and the work takes some."""
    began = clock.now()
    assert asked(pool) == 3
    assert (clock.now() - began).total_seconds() < MINUTE


def test_wait_for_another_process_that_takes_too_long_ends(clock: VirtualClock, pool: Executor) -> None:
    """In real time."""
    late = pool.submit(time.sleep, 0.5)  # noqa: TID251 - in the other process
    with pytest.raises(TimeoutError):
        late.result(0.05)
    assert late.result(MINUTE) is None
