"""Two hours of polling: what is kept of it, how long it takes, and when it ends."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from qiskit_ibm_runtime import RuntimeJobV2
from qiskit_ibm_runtime.exceptions import RuntimeJobTimeoutError

from benchmarks._findings import Findings, Row
from benchmarks._jobs import Pace, quiet, record, replay
from qsession._store import Store

TWO_HOURS = 7_200
POLLS = 72_000
MILLISECOND = 1_000


def measure(*, quick: bool) -> Findings:
    """Record each, replay each."""
    quiet()
    with TemporaryDirectory() as name:
        folder = Path(name)
        return Findings((*_two_hours(folder, quick=quick), *_never_ends(folder), *_own_loop(folder)))


def _two_hours(folder: Path, *, quick: bool) -> list[Row]:
    path, polls = folder / "two-hours.yaml", POLLS // 20 if quick else POLLS
    asked = []

    def poll(jobs: list[RuntimeJobV2]) -> None:
        # An answer takes a millisecond on the virtual clock.
        while not jobs[0].in_final_state():
            time.sleep(TWO_HOURS / polls - 0.001)
            asked.append(1)
        jobs[0].result()

    record(path, poll, queue=TWO_HOURS)
    kept = [i for i in Store(folder, folder).load(path).interactions if i.endpoint == "jobs.get"]
    pace = replay(path, lambda jobs: jobs[0].result())
    note = f"polled {len(asked):,} times in the recording, {pace.virtual / 1e6:,.1f} virtual seconds"
    return [
        Row("polling.kept", "polls that are kept of two hours", len(kept), "interactions", bar=10, note=note),
        Row(
            "polling.result", "job.result() after two hours in the queue", pace.real, "s", bar=0.2, note=note
        ),
    ]


def _never_ends(folder: Path) -> list[Row]:
    path = folder / "never.yaml"

    def give_up(jobs: list[RuntimeJobV2]) -> None:
        with suppress(RuntimeJobTimeoutError):
            jobs[0].wait_for_final_state(timeout=TWO_HOURS)
            raise AssertionError("the job ended")

    record(path, give_up, queue=3 * TWO_HOURS)
    pace = replay(path, give_up)
    off = abs(pace.virtual - TWO_HOURS * 1_000_000) / MILLISECOND
    what = "wait_for_final_state(timeout=7200) on a job that stays queued"
    return [
        Row(
            "polling.timeout",
            f"{what}: off the moment it should raise at",
            off,
            "virtual ms",
            bar=1,
            note=f"raised at {pace.virtual / 1e6:,.3f} s",
        ),
        Row("polling.timeout-real", f"{what}: real time", pace.real, "s", bar=0.5),
    ]


def _own_loop(folder: Path) -> list[Row]:
    path = folder / "loop.yaml"

    def loop(_jobs: list[RuntimeJobV2]) -> None:
        for _ in range(600):
            time.sleep(1)

    record(path, loop, queue=TWO_HOURS)
    pace: Pace = replay(path, loop)
    return [
        Row(
            "polling.loop",
            "a user's loop of 600 times time.sleep(1)",
            pace.virtual / 1e6,
            "virtual s",
            bar=600,
            sense="exactly",
            note=f"{pace.real * 1000:.0f} ms of real time",
        )
    ]
