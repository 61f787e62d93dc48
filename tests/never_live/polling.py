"""16 threads that poll, in one of three ways, while every connection is noted.

``python polling.py WAY THREADS ROUNDS CASSETTE`` with one of the ways

* ``sessions``: a fresh ``requests.Session`` for each request, in a replay of qsession;
* ``client``: the client's own objects, each thread with a service of its own, in a replay;
* ``stock``: as ``sessions``, but replayed by stock vcrpy in mode ``none``, from a
  complete cassette that vcrpy records first, from the same server.

Prints what was noted as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

_EVENTS: Counter[str] = Counter()
_WATCHED = frozenset(
    [
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
        "socket.sendto",
        "socket.sendmsg",
    ]
)
_HEADERS = {"authorization": "Bearer planted", "service-crn": "crn", "ibm-api-version": "2026-04-15"}


@contextmanager
def noting() -> Iterator[Counter[str]]:
    """Count connections and look-ups of names; an audit hook stays, but counts no more."""
    watching = [True]

    def note(event: str, _arguments: tuple[object, ...]) -> None:
        if watching and event in _WATCHED:
            _EVENTS[event] += 1

    sys.addaudithook(note)
    yield _EVENTS
    watching.clear()


def _in_threads(threads: int, work: Callable[[int], None]) -> list[str]:
    problems: list[str] = []
    start = threading.Barrier(threads)

    def one(number: int) -> None:
        start.wait()
        try:
            work(number)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the test shows it
            problems.append("".join(traceback.format_exception(problem)[-6:]))

    crowd = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return problems


def _addresses(cassette: Path) -> list[str]:
    """What was read of the service proper, without the two large bodies."""
    interactions = yaml.load(cassette.read_text(), Loader=yaml.CSafeLoader)["interactions"]
    asked = {i["request"]["uri"] for i in interactions if i["request"]["method"] == "GET"}
    return sorted(
        uri for uri in asked if "/api/v1/jobs" in uri or "/sessions/" in uri or uri.endswith("status")
    )


def _poll(addresses: Sequence[str], rounds: int, answers: list[int]) -> Callable[[int], None]:
    import requests

    def work(number: int) -> None:
        for turn in range(rounds):
            with requests.Session() as session:
                address = addresses[(number + turn) % len(addresses)]
                answers.append(session.get(address, headers=_HEADERS, timeout=20).status_code)

    return work


def sessions(threads: int, rounds: int, cassette: Path) -> tuple[list[int], list[str]]:
    import qsession

    answers: list[int] = []
    with qsession.replay(cassette, allow_unused=True):
        problems = _in_threads(threads, _poll(_addresses(cassette), rounds, answers))
    return answers, problems


def client(threads: int, rounds: int, cassette: Path) -> tuple[list[int], list[str]]:
    from qiskit_ibm_runtime import Session

    import qsession

    session_id, job_id = made(cassette)
    answers: list[int] = []
    with qsession.replay(cassette, allow_unused=True) as run:
        # The client makes its file of accounts in the first service, and not safely
        # for threads: others read it half-written.
        run.service()

        def work(_number: int) -> None:
            service = run.service()
            job, session = service.job(job_id), Session.from_id(session_id, service)
            for _ in range(rounds):
                answers.append(200 if job.status() and session.status() else 0)

        problems = _in_threads(threads, work)
    return answers, problems


def stock(threads: int, rounds: int, cassette: Path) -> tuple[list[int], list[str]]:
    import requests
    import vcr

    addresses, own = _addresses(cassette), str(cassette) + ".stock.yaml"
    answers: list[int] = []
    with vcr.use_cassette(own, record_mode="all"):
        for address in addresses:
            requests.get(address, headers=_HEADERS, timeout=20)
    _EVENTS.clear()
    with vcr.use_cassette(own, record_mode="none", allow_playback_repeats=True):
        problems = _in_threads(threads, _poll(addresses, rounds, answers))
    return answers, problems


def made(cassette: Path) -> tuple[str, str]:
    interactions = yaml.load(cassette.read_text(), Loader=yaml.CSafeLoader)["interactions"]
    made = {}
    for each in interactions:
        uri = each["request"]["uri"]
        if each["request"]["method"] == "POST" and uri.endswith(("/sessions", "/jobs")):
            made[uri.rsplit("/", 1)[1]] = json.loads(each["response"]["body"]["string"])["id"]
    return made["sessions"], made["jobs"]


def main(way: str, threads: str, rounds: str, cassette: str) -> None:
    import qiskit_ibm_runtime  # noqa: F401 - importing is not what is watched

    with noting() as events:
        ways = {"sessions": sessions, "client": client, "stock": stock}
        answers, problems = ways[way](int(threads), int(rounds), Path(cassette))
    print(json.dumps({"answers": Counter(answers), "problems": problems, "events": events}))


if __name__ == "__main__":
    main(*sys.argv[1:])
