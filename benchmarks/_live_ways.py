"""Ways in which a replay could go live: ``python -m benchmarks._live_ways WAY CASSETTE REQUESTS``.

With ``QSESSION_BENCH_UNGUARDED`` set the guard is taken away first. Prints as JSON how many requests
were answered from the recording, how many refused
and how many answered by somebody else.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

THREADS = 32
_HEADERS = {"authorization": "Bearer planted", "service-crn": "crn", "ibm-api-version": "2026-04-15"}
_BASE = "https://quantum.cloud.ibm.com/api/v1"
_TURNS = 20


@contextmanager
def _nothing(*_args: Any, **_kwargs: Any) -> Iterator[Any]:
    yield None, lambda: None


def unguard() -> None:
    """Take the guard away, and what answers while modules are imported. No option of the product does."""
    from qsession import _fence
    from qsession._run import _stage
    from qsession._suite import Suite

    _fence.round_tests = _nothing  # type: ignore[assignment]
    _stage.round_run = _nothing  # type: ignore[assignment]
    Suite.importing = _nothing  # type: ignore[assignment,method-assign]


def answers(cassette: Path) -> Mapping[str, frozenset[str]]:
    """What the recording holds for reads of the service proper, by URL."""
    found: dict[str, set[str]] = {}
    for each in yaml.load(cassette.read_text(), Loader=yaml.CSafeLoader)["interactions"]:
        uri, body = each["request"]["uri"], each["response"]["body"]["string"]
        if each["request"]["method"] == "GET" and ("/jobs/" in uri or "/sessions/" in uri or "status" in uri):
            found.setdefault(uri, set()).add(body if isinstance(body, str) else body.decode())
    return {uri: frozenset(bodies) for uri, bodies in found.items() if len(next(iter(bodies))) > 0}


def ask(session: Any, uri: str, right: frozenset[str]) -> str:
    """What became of one request."""
    try:
        answer = session.get(uri, headers=_HEADERS, timeout=20)
    except Exception as problem:  # noqa: BLE001 - by its words it is told what it was
        said = str(problem)
        ours = "qsession" in said or "QS3" in said or "ReplayMismatch" in type(problem).__name__
        return "refused" if ours else f"failed: {type(problem).__name__}"
    return "answered" if answer.text in right else "by somebody else"


def _crowd(recorded: Mapping[str, frozenset[str]], number: int) -> Counter[str]:
    """Ask from many threads, each with a pool of its own that it throws away now and then."""
    told: Counter[str] = Counter()
    lock, start = threading.Lock(), threading.Barrier(THREADS)
    uris = sorted(recorded)

    def work(own: int) -> None:
        mine: Counter[str] = Counter()
        start.wait()
        left = number // THREADS + (own < number % THREADS)
        while left > 0:
            with requests.Session() as session:
                for _ in range(min(_TURNS, left)):
                    uri = uris[(own + left) % len(uris)]
                    mine[ask(session, uri, recorded[uri])] += 1
                    left -= 1
        with lock:
            told.update(mine)

    crowd = [threading.Thread(target=work, args=(own,)) for own in range(THREADS)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return told


def threads(cassette: Path, number: int) -> Counter[str]:
    """Many threads, in a replay of ours."""
    import qsession

    recorded = answers(cassette)
    told: Counter[str] = Counter()
    try:
        with qsession.replay(cassette):
            told += _write_all(cassette)
            told += _crowd(recorded, number)
    except qsession.errors.ReplayMismatch as refusal:
        print(refusal, file=sys.stderr)
    return told


def _write_all(cassette: Path) -> Counter[str]:
    """Send what was recorded to change something, so that every state is a final one."""
    told: Counter[str] = Counter()
    for each in yaml.load(cassette.read_text(), Loader=yaml.CSafeLoader)["interactions"]:
        asked = each["request"]
        if asked["method"] != "GET" and "/api/v1/" in asked["uri"]:
            kind = _HEADERS | {"content-type": "application/json"}
            answer = requests.request(asked["method"], asked["uri"], data=asked["body"], headers=kind)
            told["answered" if answer.ok else "failed: a write"] += 1
    return told


def stock(cassette: Path, number: int) -> Counter[str]:
    """Many threads, in a replay of stock vcrpy, mode none, from a complete cassette of its own."""
    import vcr

    uris = sorted(answers(cassette))
    own = str(cassette.with_suffix(f".{os.getpid()}.stock"))
    with vcr.use_cassette(own, record_mode="all"), requests.Session() as session:
        for uri in uris:
            session.get(uri, headers=_HEADERS, timeout=20)
    print("recorded", flush=True)
    sys.stdin.readline()  # who counts connections begins anew
    with vcr.use_cassette(own, record_mode="none", allow_playback_repeats=True):
        right = frozenset({session.get(uris[0], headers=_HEADERS).text})
        return _crowd(dict.fromkeys(uris, right), number)


def _past_the_client(uri: str) -> str:
    """What became of a request that does not go through the client's HTTP library."""
    try:
        urllib.request.urlopen(uri, timeout=20).close()
    except Exception as problem:  # noqa: BLE001 - as above
        return "refused" if "qsession" in str(problem) or "QS3" in str(problem) else "failed: not trusted"
    return "by somebody else"


def _in_child(uri: str, right: frozenset[str], number: int, told: Any) -> None:
    got: Counter[str] = Counter()
    for _ in range(number):
        with requests.Session() as session:
            got[ask(session, uri, right)] += 1
    got[_past_the_client(uri)] += 1
    told.put(dict(got))


def _children(method: str) -> Callable[[Path, int], Counter[str]]:
    def way(cassette: Path, number: int) -> Counter[str]:
        import qsession

        context = multiprocessing.get_context(method)
        recorded = answers(cassette)
        uri = sorted(recorded)[0]
        told: Any = context.SimpleQueue()
        try:
            with qsession.replay(cassette, allow_unused=True, beyond="model"):
                process = context.Process(target=_in_child, args=(uri, recorded[uri], number, told))
                process.start()
                process.join(120)
        except qsession.errors.ReplayMismatch:
            pass  # what the child was refused, told by the run: the child counts it too
        return Counter(told.get())

    return way


WAYS: Mapping[str, Callable[[Path, int], Counter[str]]] = {
    "threads": threads,
    "stock": stock,
    **{method: _children(method) for method in ("spawn", "fork", "forkserver")},
}


def main(way: str, cassette: str, number: str) -> None:
    """Go one way, and say what came of it."""
    if os.environ.get("QSESSION_BENCH_UNGUARDED"):
        unguard()
    print(json.dumps(dict(WAYS[way](Path(cassette), int(number)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
