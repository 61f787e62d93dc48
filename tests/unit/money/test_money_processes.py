"""Several processes spend from one purse: never more than was agreed to, whoever dies when."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from money_fakes import START, Recorder

from qsession._model import SECOND
from qsession._money import Purse, _shares
from qsession._money._lives import Life, this_life
from qsession._money._pace import Pace
from qsession._money._purse import _is_left

_CHILD = Path(__file__).parent / "purse_child.py"
_GENEROUS = 120.0  # seconds; nothing here takes that long unless it is broken


class Workers:
    """The workers of one run of pytest, and the purse of its controller."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.controller = Purse(folder, pace=Pace())
        self.name = self.controller.share()
        self.children: list[subprocess.Popen[str]] = []

    def start(self, how: str, *, budget: float = 60.0) -> subprocess.Popen[str]:
        command = [sys.executable, str(_CHILD), str(self.folder), self.name, how, str(budget)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(command, text=True, **pipes)
        self.children.append(child)
        return child

    def race(self, how: str, *, number: int, budget: float = 60.0) -> list[str]:
        """Start some, let them go at once, and wait for their last words."""
        started = [self.start(how, budget=budget) for _ in range(number)]
        for child in started:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n", child.communicate()[1]
        for child in started:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        # None ends before all have spoken: what a dead process did not submit is given to others.
        said = [child.stdout.readline() for child in started]
        ends = [child.communicate(timeout=_GENEROUS) for child in started]
        assert [child.returncode for child in started] == [0] * number, ends
        return said

    def arrived(self) -> list[list[int]]:
        """Cost and moment of every job that reached the service."""
        path = self.folder / "arrived"
        lines = path.read_text().splitlines() if path.exists() else []
        return [[int(each) for each in line.split()] for line in lines]

    def here(self, *, budget: float = 60.0, **more: object) -> Recorder:
        """One more worker, in this process."""
        purse = Purse(self.folder, name=self.name, pace=Pace())
        return Recorder(self.folder, budget=budget, purse=purse, **more)

    def shares(self) -> list[_shares.Share]:
        return list(_shares.read_all(self.folder / "purse" / self.name, but=()).values())


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    yield made
    for child in made.children:
        child.kill()
        child.communicate()


def test_eight_workers_that_race_for_the_last_seconds_get_no_more_than_there_are(workers: Workers) -> None:
    """Three jobs of 10 s fit into 35 s, whoever submits them; each worker is told the rest."""
    said = workers.race("spend", number=8, budget=35.0)
    outcomes = [json.loads(out) for out in said]
    assert len(workers.arrived()) == 3
    assert sum(len(outcome) - 1 for outcome in outcomes) == 3
    assert {outcome[-1] for outcome in outcomes} == {"QS602"}


def test_eight_workers_that_race_to_submit_keep_to_five_a_minute(workers: Workers) -> None:
    """Of 24 submissions no six fall into a minute, and none waits for longer than it must."""
    said = workers.race("pace", number=8)
    moments = sorted(moment for out in said for moment in json.loads(out))
    assert moments == [START + (number // 5) * 61 * SECOND for number in range(24)]


@pytest.mark.parametrize("seed", range(6))
def test_worker_killed_at_any_moment_is_counted_with_all_that_it_sent(workers: Workers, seed: int) -> None:
    """Its share is whole, the next turn is free, and the bound covers what arrived."""
    chance = random.Random(seed)
    child = workers.start("forever", budget=1e6)
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("go\n")
    child.stdin.flush()
    for _ in range(chance.randrange(1, 25)):
        assert child.stdout.readline() == "sent\n"
    for _ in range(chance.randrange(20_000)):
        pass  # somewhere between two submissions
    child.kill()
    child.communicate()
    sent = len(workers.arrived())
    with workers.here(budget=1e6) as run:
        assert run.total() >= sent
        run.submit(cost=1)
        assert run.total() <= sent + 2  # one may have been reserved and not sent


def test_worker_that_ended_stays_counted(workers: Workers) -> None:
    """What it used is gone, whether its process lives or not."""
    child = workers.start("finish")
    _, trouble = child.communicate(timeout=_GENEROUS)
    assert child.returncode == 0, trouble
    with workers.here() as run:
        assert run.guard.ledger(START) == (
            "budget 60 s, counted 7.0 s",
            f"7.0 s  process {child.pid}: a worker that ended",
        )


def died(workers: Workers) -> int:
    child = workers.start("die")
    _, trouble = child.communicate(timeout=_GENEROUS)
    assert child.returncode == -9, trouble
    return child.pid


def dead_life(workers: Workers) -> Life:
    return replace(this_life(), pid=workers.children[0].pid)


def test_worker_that_died_is_counted_on_until_it_is_known_to_be_over(workers: Workers) -> None:
    """Its session may run on: each second costs one, and the message says whose it is."""
    pid = died(workers)
    with workers.here() as run:
        run.clock.advance(30.0)
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 30.0 s",
            f"30.0 s  process {pid}: a worker that died; what it left may go on",
        )
        run.service.broken["GET /sessions/session-1"] = 503
        run.guard.look()
        run.clock.advance(31.0)
        with pytest.raises(Exception, match="QS603") as caught:
            run.submit(cost=1)
        assert caught.value.evidence == (
            "budget 60 s, counted 61.0 s",
            "61.0 s  session session-1 (ibm_fez): left by a worker that died; "
            "wall clock, not running at 2026-01-01T00:00:00.000Z",
        )
        assert run.service.deletes() == []


def test_what_a_dead_worker_left_is_asked_about_until_it_is_settled(workers: Workers) -> None:
    """The others have the same account: they find out what it came to, and count that."""
    died(workers)
    run = workers.here()
    service = run.service
    service.sessions["session-1"] = {"id": "session-1", "state": "closed", "elapsed_time": 3.5}
    service.jobs["job-1"] = {"id": "job-1", "state": {"status": "Completed"}, "session_id": "session-1"}
    with run:
        run.clock.advance(30.0)
        run.guard.look()
        assert service.asked == []  # nobody here knows a token yet
        run.submit(cost=0)
        usage = {"qpu_charge_time_seconds": 0, "status": "complete"}
        service.jobs["job-2"].update(state={"status": "Cancelled"}, usage=usage)
        for _ in range(3):
            run.clock.advance(11.0)
            run.guard.look()
        assert run.total() == 3.5
        run.clock.advance(3600.0)
        assert run.total() == 3.5
        assert not any(_is_left(share) for share in workers.shares())
        assert service.deletes() == []  # its watcher cancels, with its own credentials


def test_heir_that_dies_leaves_what_it_inherited(workers: Workers) -> None:
    """Nothing of it gets lost on the way from one to the next."""
    died(workers)
    with workers.here() as run:
        run.clock.advance(5.0)
        run.guard.look()
        (share,) = workers.shares()
        assert share.life.pid == os.getpid()
        assert share.spent(run.clock.now()) == 5.0
        assert set(share.places) == {"session-1", "job-1"}


def test_run_that_ended_leaves_nothing(workers: Workers) -> None:
    """The controller clears up; the moments of submissions stay for who comes next."""
    workers.start("finish").communicate(timeout=_GENEROUS)
    workers.controller.clear()
    left = sorted(path.name for path in (workers.folder / "purse").iterdir())
    assert left == ["pace.json", "turn.lock"]


def test_run_whose_processes_are_dead_is_swept_up_by_the_next(workers: Workers) -> None:
    """But not while one of them, or its controller, lives."""
    died(workers)
    Purse(workers.folder, pace=Pace()).claim(START)
    assert (workers.folder / "purse" / workers.name).exists()
    # The controller is dead, and one of its workers is not.
    here = workers.folder / "purse" / _shares.name_of(replace(dead_life(workers), born="2"))
    _shares.write(here / "worker.json", _shares.Share(this_life()))
    Purse(workers.folder, pace=Pace()).claim(START)
    assert (here / "worker.json").exists()
    gone = workers.folder / "purse" / f"{workers.children[0].pid}-1-{workers.name.rpartition('-')[2]}"
    (workers.folder / "purse" / workers.name).rename(gone)
    Purse(workers.folder, pace=Pace()).claim(START)
    assert not gone.exists()
