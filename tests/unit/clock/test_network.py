"""Requests over real sockets while time is virtual: back-off costs nothing, timeouts of the kernel are real."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from clock_start import START
from ibm_cloud_sdk_core.authenticators import IAMAuthenticator
from ibm_cloud_sdk_core.token_managers.iam_token_manager import IAMTokenManager
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from qsession import VirtualClock


class Handler(BaseHTTPRequestHandler):
    """Gives the answers that were laid out, then 200 for ever."""

    answers: list[tuple[int, dict[str, str]]]
    silent: threading.Event

    def do_GET(self) -> None:
        if self.path == "/silent":
            self.silent.wait()
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Stay quiet."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that was there before the clock."""
    monkeypatch.setenv("no_proxy", "*")
    Handler.answers, Handler.silent = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        Handler.silent.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        retry = Retry(total=5, status_forcelist=[429, 503], backoff_factor=10, backoff_max=1000)
        made.mount("http://", HTTPAdapter(max_retries=retry))
        yield made


def test_request_with_timeouts_is_answered(url: str, clock: VirtualClock) -> None:
    """A quick answer is no timeout, however virtual the clock is, and takes no virtual time."""
    for timeout in (30, (30, 30)):
        assert requests.get(url, timeout=timeout).status_code == 200
    assert (clock.monotonic(), clock.fallbacks) == (0.0, 0)


def test_read_timeout_is_real(url: str, clock: VirtualClock) -> None:
    """A server that says nothing is given up by the machine's clock."""
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{url}/silent", timeout=0.1)
    assert clock.monotonic() == 0.0


def test_backoff_takes_virtual_time(url: str, session: requests.Session, clock: VirtualClock) -> None:
    """Three refusals with a factor of 10: 0, 20 and 40 s, at no real cost."""
    Handler.answers += [(503, {})] * 3
    assert session.get(url, timeout=30).status_code == 200
    assert clock.monotonic() == 60.0


def test_retry_after_in_seconds_is_waited_for(
    url: str, session: requests.Session, clock: VirtualClock
) -> None:
    """The service's own wish, as a number."""
    Handler.answers.append((429, {"Retry-After": "3600"}))
    assert session.get(url, timeout=30).status_code == 200
    assert clock.monotonic() == 3600.0


def test_retry_after_as_date_is_waited_for(url: str, session: requests.Session, clock: VirtualClock) -> None:
    """As a date, which is one of the virtual time."""
    date = email.utils.formatdate(START.timestamp() + 90, usegmt=True)
    Handler.answers.append((429, {"Retry-After": date}))
    assert session.get(url, timeout=30).status_code == 200
    assert clock.monotonic() == 90.0


def test_elapsed_time_of_an_answer_is_virtual(url: str, clock: VirtualClock) -> None:
    """requests measures with the run's clock."""
    assert requests.get(url, timeout=30).elapsed.total_seconds() == 0.0


def test_token_that_was_refused_once_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    """The SDK then waits in steps of half a second for a request that is not under way: 60 s, virtual."""
    tries: list[float] = []
    now = START.timestamp()

    def request(_: IAMTokenManager) -> dict[str, object]:
        tries.append(clock.monotonic())
        if len(tries) == 1:
            raise ConnectionError("refused")
        return {"access_token": "not-a-token", "expires_in": 3600, "expiration": now + 3600}

    def save(self: IAMTokenManager, answer: dict[str, object]) -> None:
        self.access_token = answer["access_token"]
        self.expire_time, self.refresh_time = now + 3600, now + 2880

    monkeypatch.setattr(IAMTokenManager, "request_token", request)
    monkeypatch.setattr(IAMTokenManager, "_save_token_info", save)
    tokens = IAMAuthenticator("not-a-key").token_manager
    with pytest.raises(ConnectionError, match=r"^refused$"):
        tokens.get_token()
    assert tokens.get_token() == "not-a-token"
    assert len(tries) == 2
    assert 60 <= clock.monotonic() <= 61


def test_wait_beside_a_request_of_another_thread(url: str, clock: VirtualClock) -> None:
    """A thread that waits for a silent server is left behind, not waited for."""
    answers: list[int] = []

    def ask() -> None:
        answers.append(requests.get(f"{url}/silent", timeout=60).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(7200)  # noqa: TID251 - the clock under test
    assert (clock.monotonic(), clock.fallbacks, answers) == (7200.0, 1, [])
    Handler.silent.set()
    thread.join()
    assert answers == [200]
