"""The ways to answer a client without a network: ours, and those beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import requests
import vcr
import yaml
from requests.adapters import BaseAdapter
from vcr.cassette import Cassette

import qsession
from qsession import _wire
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._run import Run
from qsession._store import Store

HOST = "https://quantum.cloud.ibm.com"
HEADERS = {"content-type": "application/json"}
MOMENT = 1_767_225_600_000_000
"""When the made recordings begin: 2026-01-01, in microseconds since the epoch."""

Way = Callable[[], AbstractContextManager[requests.Session]]


def url_of(number: int) -> str:
    """Where one of many jobs is read."""
    return f"{HOST}/api/v1/jobs/d{number:018d}?exclude_params=true"


def body_of(number: int, status: str = "Running") -> bytes:
    """What such a read answers; as long for each job."""
    return f'{{"id":"d{number:018d}","state":{{"status":"{status}"}},"status":"{status}"}}'.encode()


class Adapter(BaseAdapter):
    """Answers above urllib3: no pool, no connection, no retries."""

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.reason, answer.url = 200, "OK", str(request.url)
        answer.headers.update(HEADERS)
        answer.request, answer._content = request, body_of(0)
        return answer

    def close(self) -> None:
        """There is nothing to close."""


class NothingToDo(Cassette):
    """Keeps vcrpy's stubs and patching, and leaves out everything a cassette does."""

    def can_play_response_for(self, request: object) -> bool:
        return True

    def play_response(self, request: object) -> dict[str, object]:
        headers = {name: [value] for name, value in HEADERS.items()}
        return {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": body_of(0)}}

    def _load(self) -> None:
        """There is no file."""

    def _save(self, force: bool = False) -> None:
        """There is no file."""


@contextmanager
def adapter() -> Iterator[requests.Session]:
    """The fastest there can be: an adapter of ``requests`` that answers from memory."""
    with requests.Session() as session:
        session.mount("https://", Adapter())
        yield session


@contextmanager
def nothing_to_do() -> Iterator[requests.Session]:
    """vcrpy without the work of a cassette."""
    with NothingToDo.use(path="none.yaml", record_mode=vcr.mode.NONE), requests.Session() as session:
        yield session


@contextmanager
def stub() -> Iterator[requests.Session]:
    """Our stub alone, without a replay behind it."""

    def handler(_request: Request, _send: _wire.Send) -> Response:
        return Response(200, "OK", HEADERS, body_of(0))

    with _wire.installed(handler), requests.Session() as session:
        yield session


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of jobs, recorded.

    Attributes:
        count: How many.
        distinct: Whether each is of another job; else one job is polled.
    """

    count: int
    distinct: bool = True

    def url(self, number: int) -> str:
        """What the n-th of them asks."""
        return url_of(number if self.distinct else 0)

    def ours(self) -> Way:
        """A replay of ours. The recording is handed over: loading is measured elsewhere."""
        recording = self._recording()

        @contextmanager
        def replaying() -> Iterator[requests.Session]:
            with replay_of(recording), requests.Session() as session:
                yield session

        return replaying

    def stock(self, folder: Path) -> Way:
        """A cassette of stock vcrpy, as it comes."""
        path = folder / f"{self.count}-{self.distinct}.yaml"
        entries = [_entry(self.url(i), body_of(i if self.distinct else 0)) for i in range(self.count)]
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        path.write_text(yaml.dump({"version": 1, "interactions": entries}, Dumper=dumper))

        @contextmanager
        def playing() -> Iterator[requests.Session]:
            with vcr.use_cassette(str(path), record_mode="none"), requests.Session() as session:
                yield session

        return playing

    def _recording(self) -> Recording:
        if self.distinct:
            return recording_of([_read(i, at=i * 1000) for i in range(self.count)])
        # One poll a millisecond, as the replay itself will make them, with room to spare.
        end = self.count * 10_000
        polls = _read(0, at=0, seen=self.count, last=end, status="Queued")
        return recording_of([polls, _read(0, at=end + 1000, status="Completed")])


@contextmanager
def replay_of(recording: Recording) -> Iterator[Run]:
    """A replay of a recording that is no file."""
    with mock.patch.object(Store, "load", return_value=recording), qsession.replay("made.yaml") as run:
        yield run


def recording_of(interactions: Sequence[Interaction]) -> Recording:
    """A recording with nothing but interactions."""
    return Recording(Provenance("emulator", MOMENT), tuple(interactions))


def _read(number: int, *, at: int, seen: int = 1, last: int = 0, status: str = "Running") -> Interaction:
    request = Request("GET", url_of(number), {"ibm-api-version": "2026-04-15"})
    response = Response(200, "OK", HEADERS, body_of(number, status))
    return Interaction("jobs.get", 0, request, response, at, 1000, seen, last or at)


def _entry(url: str, body: bytes) -> dict[str, Any]:
    request = {"method": "GET", "uri": url, "body": None, "headers": {}}
    headers = {name: [value] for name, value in HEADERS.items()}
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": headers,
        "body": {"string": body.decode()},
    }
    return {"request": request, "response": response}
