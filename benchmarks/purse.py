"""Workers that share a budget, killed at random: ``python -m benchmarks.purse`` (it needs fork).

In each round four workers submit jobs of 1 s each from a purse of 40 s, as fast as they can, and up to
three of them are killed at random moments. A job has arrived when it stands in a file, so that it counts
however its worker ends. Whatever happens, no more arrive than were agreed to, who comes next counts all that
arrived, and gets what is left. The clock of the workers stands still and nobody keeps to a pace, so that all
of it is work on the purse.

Before that, what a request costs that goes through the guard: alone, and as one of eight workers. ``--quick``
does fewer rounds. Exit status 1 on a finding.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._measuring import Real
from qsession._clock import SystemClock
from qsession._endpoints import identify
from qsession._model import SECOND, Instant, Micros, Request, Response
from qsession._money import MoneyGuard, Purse, _shares
from qsession._money._ledger import Job, Ledger
from qsession._money._lives import Life
from qsession._money._pace import Pace
from qsession.errors import BudgetError

BASE, BUDGET, WORKERS, SEED = "https://quantum.cloud.ibm.com/api/v1", 40, 4, 7
_HEADERS = {"authorization": "Bearer none", "service-crn": "crn:none"}


class Still:
    """A clock that stands."""

    def now(self) -> Instant:
        return 1_767_225_600 * SECOND

    def wait(self, length: Micros) -> None:
        """Nothing passes."""


class Never(Pace):
    """Five a minute are not what is looked at here."""

    def claim(self, now: Instant, **_: object) -> Instant:
        return now


@dataclass(slots=True)
class Tally:
    """What the rounds came to."""

    kills: int = 0
    arrived: int = 0
    lost: int = 0
    findings: int = 0


def guard_of(folder: Path, purse: Purse, clock: SystemClock | Still) -> MoneyGuard:
    def send(_request: Request) -> Response:
        return Response(404)

    return MoneyGuard(
        budget_seconds=BUDGET if isinstance(clock, Still) else 1e9,
        folder=folder,
        clock=clock,
        send=send,
        reaper=False,
        look_seconds=3600.0,
        purse=purse,
        pace=Never(),
    )


def exchange(guard: MoneyGuard, at: Instant, method: str, path: str, *, arrivals: Path | None = None) -> None:
    """One request through the guard; what arrives stands in a file."""
    body = json.dumps({"backend": "ibm_fez", "cost": 1}).encode() if method == "POST" else b""
    request = Request(method, BASE + path, _HEADERS, body)
    call = identify(request)
    assert call is not None
    guard.before(call, request, at)
    if arrivals is not None:
        with arrivals.open("a") as file:
            file.write("1\n")
    answer = {"id": f"job-{os.getpid()}-{Real.now()}", "state": {"status": "Queued"}}
    guard.after(call, request, Response(200, body=json.dumps(answer).encode()), at)


def worker(folder: Path, name: str) -> None:
    """Submit until the budget is used up, or somebody kills this process."""
    clock = Still()
    with guard_of(folder, Purse(folder, name=name), clock) as guard:
        try:
            while True:
                exchange(guard, clock.now(), "POST", "/jobs", arrivals=folder / "arrived")
        except BudgetError:
            return


def one_round(folder: Path, chance: random.Random, tally: Tally) -> None:
    purse = Purse(folder)
    name, children = purse.share(), []
    for _ in range(WORKERS):
        if (child := os.fork()) == 0:
            worker(folder, name)
            os._exit(0)
        children.append(child)
    for child in chance.sample(children, chance.randint(1, WORKERS - 1)):
        time.sleep(chance.random() * 0.02)
        os.kill(child, signal.SIGKILL)
    killed = sum(os.WIFSIGNALED(os.waitpid(child, 0)[1]) for child in children)
    path, clock = folder / "arrived", Still()
    before = len(path.read_text().splitlines()) if path.exists() else 0
    with guard_of(folder, Purse(folder, name=name), clock) as guard:
        counted = guard._count.total(clock.now())
    worker(folder, name)
    arrived = len(path.read_text().splitlines()) if path.exists() else 0
    tally.kills, tally.arrived = tally.kills + killed, tally.arrived + arrived
    # A worker that dies between its reservation and the service leaves what it reserved counted.
    tally.lost += BUDGET - arrived
    if arrived > BUDGET or counted < before or BUDGET - arrived > killed:
        tally.findings += 1
        print(
            f"  arrived {before}, counted {counted:g}, then {arrived} of {BUDGET}, {killed} killed",
            flush=True,
        )
    purse.clear()
    if [each.name for each in (folder / "purse").iterdir()] not in ([], ["turn.lock"]):
        tally.findings += 1
        print(f"  left behind: {sorted(each.name for each in (folder / 'purse').iterdir())}", flush=True)


def costs(folder: Path, purse: Purse) -> tuple[float, float]:
    """Milliseconds for a submission and for a poll, medians."""
    clock = SystemClock()
    found: dict[str, list[float]] = {"POST": [], "GET": []}
    with guard_of(folder, purse, clock) as guard:
        for number in range(1020):
            method = "POST" if number % 50 == 0 else "GET"
            began = Real.now()
            exchange(guard, clock.now(), method, "/jobs" if method == "POST" else "/jobs/job-1")
            found[method].append((Real.now() - began) * 1000)
    return statistics.median(found["POST"]), statistics.median(found["GET"])


def among_eight(folder: Path) -> Purse:
    """A purse that seven others spend from, with three jobs each."""
    purse = Purse(folder, name=Purse(folder).share())
    at, ledger = SystemClock().now(), Ledger()
    for number in range(3):
        ledger = ledger.with_job(Job(f"job-{number}", "ibm_fez", "", at, at, cost=1, finished=at, usage=1.0))
    for pid in range(7):
        share = _shares.Share(Life(pid + 2, "1", "elsewhere"), 3.0, (ledger,))
        _shares.write(folder / "purse" / purse._name / f"{pid}.json", share)
    return purse


def main(arguments: list[str]) -> int:
    """Measure, kill, and say what came of it."""
    rounds, chance, tally = 20 if "--quick" in arguments else 300, random.Random(SEED), Tally()
    with TemporaryDirectory() as name:
        for what, purse in (
            ("alone", Purse(Path(name))),
            ("one of eight workers", among_eight(Path(name))),
        ):
            submission, poll = costs(Path(name), purse)
            print(f"{what}: submission {submission:.2f} ms, poll {poll:.3f} ms", flush=True)
    for _ in range(rounds):
        with TemporaryDirectory() as name:
            one_round(Path(name), chance, tally)
    print(
        f"{rounds} rounds, {tally.kills} workers killed: {tally.arrived} jobs arrived of {rounds * BUDGET}, "
        f"{tally.lost} reserved by who died; findings: {tally.findings}"
    )
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
