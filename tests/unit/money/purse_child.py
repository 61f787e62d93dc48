"""A worker of a run, as a process of its own: it says what it sends before it is sent.

Its clock stands still unless it waits, and its service is a fake one. What arrives at the
service is a line in a file, so that it counts however the process ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from money_fakes import Recorder

from qsession._model import Request, Response
from qsession._money import Purse
from qsession.errors import BudgetError


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def last_words(told: object) -> None:
    print(json.dumps(told), flush=True)
    sys.stdin.read()


def arrivals(run: Recorder, path: Path) -> None:
    """Let every job that arrives be noted in a file that all workers write."""
    real = run.service._runtime

    def noted(request: Request, where: str) -> Response:
        if (request.method, where) == ("POST", "/jobs"):
            with path.open("a") as file:
                file.write(f"{json.loads(request.body).get('cost', 0)} {run.clock.now()}\n")
        return real(request, where)

    run.service._runtime = noted


def spend(run: Recorder) -> None:
    """Submit until the budget is used up, and say how that went."""
    ready()
    outcome = []
    try:
        while True:
            outcome.append(run.submit(cost=10))
    except BudgetError as error:
        outcome.append(error.code)
    last_words(outcome)


def pace(run: Recorder) -> None:
    """Ask when three jobs may be submitted."""
    ready()
    last_words([run.guard._purse.claim(run.clock.now()) for _ in range(3)])


def forever(run: Recorder) -> None:
    """Submit until somebody kills this process."""
    ready()
    while True:
        run.submit(cost=1)
        print("sent", flush=True)


def die(run: Recorder) -> None:
    """Leave a session open in which a job runs."""
    job = run.submit(run.open_session())
    run.run_job(job)
    run.clock.advance(2.0)
    run.ask_about(job)
    print("open", flush=True)
    os.kill(os.getpid(), 9)


def finish(run: Recorder) -> None:
    """Run a job to its end, and end."""
    job = run.submit(cost=12)
    run.service.jobs[job].update(
        state={"status": "Completed"}, usage={"qpu_charge_time_seconds": 7, "status": "complete"}
    )
    run.ask_about(job)


HOWS = {each.__name__: each for each in (spend, pace, forever, die, finish)}


def main(folder: str, name: str, how: str, budget: str) -> None:
    purse = Purse(Path(folder), name=name)
    run = Recorder(Path(folder), budget=float(budget), purse=purse)
    if how == "forever":
        purse.claim = lambda at: at
    arrivals(run, Path(folder) / "arrived")
    with run:
        HOWS[how](run)


if __name__ == "__main__":
    main(*sys.argv[1:])
