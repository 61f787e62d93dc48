"""Every kind of wait, and several threads: the same virtual moment each time."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from qiskit_ibm_runtime import RuntimeJobV2

from benchmarks._findings import Findings, Row
from benchmarks._jobs import quiet, record
from benchmarks._jobs import replay as run_again
from qsession._model import Recording
from qsession._redaction import Redactor
from qsession._store import Store

QUEUE = 1_000
ANSWER_TOOK = 250_000
"""Microseconds that a poll of the kinds of wait takes: without a wait, only answers move the clock."""


def measure(*, quick: bool) -> Findings:
    """Record a queue of a thousand seconds, and poll it in every way."""
    quiet()
    with TemporaryDirectory() as name:
        folder = Path(name)
        return Findings((_kinds(folder), *_threads(folder, rounds=2 if quick else 50)))


def by_sleep(jobs: list[RuntimeJobV2]) -> None:
    """``time.sleep``."""
    while not jobs[0].in_final_state():
        time.sleep(0.5)


def by_event(jobs: list[RuntimeJobV2]) -> None:
    """``threading.Event.wait``."""
    never = threading.Event()
    while not jobs[0].in_final_state():
        never.wait(0.5)


def by_queue(jobs: list[RuntimeJobV2]) -> None:
    """``queue.Queue.get``."""
    empty: queue.Queue[None] = queue.Queue()
    while not jobs[0].in_final_state():
        with suppress(queue.Empty):
            empty.get(timeout=0.5)


def by_asyncio(jobs: list[RuntimeJobV2]) -> None:
    """``asyncio.sleep``."""

    async def poll() -> None:
        while not jobs[0].in_final_state():
            await asyncio.sleep(0.5)

    asyncio.run(poll())


def by_nothing(jobs: list[RuntimeJobV2]) -> None:
    """No wait at all."""
    while not jobs[0].in_final_state():
        pass


KINDS = {"sleep": by_sleep, "Event": by_event, "Queue": by_queue, "asyncio": by_asyncio, "none": by_nothing}


def _kinds(folder: Path) -> Row:
    path = folder / "kinds.yaml"
    record(path, by_sleep, queue=QUEUE)
    _make_slow(path)
    ends = {name: run_again(path, use).virtual / 1e6 for name, use in KINDS.items()}
    return Row(
        "waits.kinds",
        "polling loops of five kinds over a queue of 1,000 s: how far their ends lie apart",
        max(ends.values()) - min(ends.values()),
        "virtual s",
        bar=1,
        note=", ".join(f"{name} {end:,.3f} s" for name, end in ends.items()),
    )


def _make_slow(path: Path) -> None:
    """Give polls the time that an answer over a network takes; the emulator's take none."""
    store = Store(path.parent, path.parent)
    recording = store.load(path)
    polls = (replace(i, took=ANSWER_TOOK) if i.endpoint == "jobs.get" else i for i in recording.interactions)
    store.save(path, Recording(recording.provenance, tuple(polls)), Redactor())


def _threads(folder: Path, *, rounds: int) -> list[Row]:
    rows = []
    for count in (2, 4):
        for leaps, poll in ((False, _poll_by_hand), (True, _wait)):
            path = folder / f"{count}-{leaps}.yaml"
            record(path, _in_threads(poll), queue=QUEUE, jobs=count)
            alone = run_again(path, lambda jobs, poll=poll: poll(jobs[-1]), jobs=count).virtual
            ends = [run_again(path, _in_threads(poll), jobs=count).virtual for _ in range(rounds)]
            rows.append(_thread_row(count, leaps=leaps, alone=alone, ends=ends))
    return rows


def _thread_row(count: int, *, leaps: bool, alone: int, ends: list[int]) -> Row:
    seen = ", ".join(f"{end / 1e6:,.3f} s {times} times" for end, times in Counter(ends).most_common(3))
    return Row(
        f"waits.threads-{count}-{'leaps' if leaps else 'exact'}",
        f"{count} polling threads, {'with' if leaps else 'without'} leaps: "
        "as often at the moment of one thread alone",
        ends.count(alone),
        f"of {len(ends)}",
        bar=len(ends),
        sense="exactly",
        note=f"one alone {alone / 1e6:,.3f} s; {seen}",
    )


def _in_threads(poll: Callable[[RuntimeJobV2], object]) -> Callable[[list[RuntimeJobV2]], None]:
    def all_at_once(jobs: list[RuntimeJobV2]) -> None:
        done: list[object] = []
        threads = [threading.Thread(target=lambda job=job: done.append(poll(job))) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == len(jobs), "a thread ended early"

    return all_at_once


def _poll_by_hand(job: RuntimeJobV2) -> None:
    while not job.in_final_state():
        time.sleep(4)


def _wait(job: RuntimeJobV2) -> None:
    job.wait_for_final_state()
