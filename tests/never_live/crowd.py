"""16 threads with 20 requests each: what each was asked to do, and what it was answered."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Mapping

import requests

THREADS, REQUESTS = 16, 20
BASE = "https://quantum.cloud.ibm.com/api/v1"
_HEADERS = {
    "authorization": "Bearer planted-token-of-a-test",
    "service-crn": "crn:v1:bluemix:public:quantum-computing:us-east:a/" + "1" * 32 + ":1::",
    "ibm-api-version": "2026-04-15",
    "content-type": "application/json",
}


def work_in_a_crowd(*, order: int | None = None) -> Mapping[int, list[object]]:
    """What each thread was answered, by its number.

    Args:
        order: Seed of the order in which the threads start; all at once when None.
    """
    answers: dict[int, list[object]] = {}
    start = threading.Barrier(THREADS)

    def one(number: int) -> None:
        start.wait()
        answers[number] = _work(number)

    crowd = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    if order is not None:
        random.Random(order).shuffle(crowd)
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return answers


def _work(number: int) -> list[object]:
    """A session of its own, looked at again and again, one that all ask for alike, and both closed."""
    with requests.Session() as own:
        own.headers.update(_HEADERS)
        mine = _send(
            own, "POST", "/sessions", {"backend": "ibm_fez", "mode": "batch", "max_ttl": 100 + number}
        )
        same = _send(own, "POST", "/sessions", {"backend": "ibm_fez", "mode": "batch", "max_ttl": 99})
        seen: list[object] = [mine["id"], mine["max_ttl"], same["id"]]
        for _ in range(REQUESTS - 4):
            told = _send(own, "GET", f"/sessions/{mine['id']}")
            seen.append((told["id"], told["max_ttl"], told["state"]))
        for made in (mine, same):
            _send(own, "PATCH", f"/sessions/{made['id']}", {"accepting_jobs": False})
        return seen


def _send(own: requests.Session, method: str, path: str, body: object = None) -> dict[str, object]:
    answer = own.request(method, BASE + path, data=None if body is None else json.dumps(body), timeout=30)
    assert answer.status_code in {200, 204}, answer.text
    return answer.json() if answer.content else {}
