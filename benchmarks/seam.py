"""What a request costs at the seam: an in-memory adapter, a do-nothing vcrpy cassette, our stub.

    python benchmarks/seam.py [requests] [rounds]

The three answer the same GET with the same bytes, in turns, in this process. The
figures are medians of the rounds; the ratios are what to compare across machines.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from time import perf_counter

import requests
import vcr.request
from requests.adapters import BaseAdapter
from vcr.cassette import Cassette

from qsession import _wire
from qsession._model import Request, Response

URL = "https://quantum.cloud.ibm.com/api/v1/jobs/d000000000000000000?exclude_params=true"
BODY = b'{"id":"d000000000000000000","state":{"status":"Running"},"status":"Running"}'
HEADERS = {"content-type": "application/json"}


class Adapter(BaseAdapter):
    """Answers above urllib3: no pool, no connection, no retries."""

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.reason, answer.url = 200, "OK", str(request.url)
        answer.headers.update(HEADERS)
        answer.request, answer._content = request, BODY
        return answer

    def close(self) -> None:
        """There is nothing to close."""


class NothingToDo(Cassette):
    """Keeps vcrpy's stubs and patching, and leaves out everything a cassette does."""

    def can_play_response_for(self, request: vcr.request.Request) -> bool:
        return True

    def play_response(self, request: vcr.request.Request) -> dict[str, object]:
        headers = {name: [value] for name, value in HEADERS.items()}
        return {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": BODY}}

    def _load(self) -> None:
        """There is no file."""

    def _save(self, force: bool = False) -> None:
        """There is no file."""


@contextmanager
def adapter() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("https://", Adapter())
        yield session


@contextmanager
def nothing_to_do() -> Iterator[requests.Session]:
    with NothingToDo.use(path="none.yaml", record_mode=vcr.mode.NONE), requests.Session() as session:
        yield session


@contextmanager
def stub() -> Iterator[requests.Session]:
    def handler(_request: Request, _send: _wire.Send) -> Response:
        return Response(200, "OK", HEADERS, BODY)

    with _wire.installed(handler), requests.Session() as session:
        yield session


WAYS: dict[str, Callable[[], object]] = {
    "in-memory requests adapter": adapter,
    "do-nothing vcrpy cassette": nothing_to_do,
    "our stub": stub,
}


def one_round(way: Callable[[], object], count: int) -> float:
    """Seconds for a number of requests over one session."""
    with way() as session:  # type: ignore[attr-defined]
        assert session.get(URL).content == BODY
        began = perf_counter()
        for _ in range(count):
            session.get(URL)
        return perf_counter() - began


def main(count: int = 1000, rounds: int = 5) -> None:
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            times[name].append(one_round(way, count) / count * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    packages = ("vcrpy", "requests", "urllib3")
    print(f"{count} GETs, median of {rounds}, {', '.join(f'{p} {version(p)}' for p in packages)}")
    base = medians["in-memory requests adapter"]
    for name, median in medians.items():
        print(f"  {name:<28} {median:6.3f} ms a request   {median / base:4.2f} x")
    ratio = medians["our stub"] / medians["do-nothing vcrpy cassette"]
    print(f"our stub / do-nothing vcrpy cassette: {ratio:.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
