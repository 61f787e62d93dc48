"""What becomes of connections that code keeps from one replay into what comes after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

import qsession
from qsession.errors import ReplayMismatch

_STATUS = "https://quantum.cloud.ibm.com/api/v1/backends/ibm_fez/status"


class _Here(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def here() -> Iterator[str]:
    """The address of a server of the test's own on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Here) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def own() -> Iterator[requests.Session]:
    """A session that the code keeps, with its pool of connections."""
    with requests.Session() as session:
        yield session


def test_connection_kept_from_a_replay_is_refused_every_time(own: requests.Session, recorded: Path) -> None:
    """Between two replays nothing answers for IBM, at the first try as at the third."""
    with qsession.replay(recorded, allow_unused=True):
        assert own.get(_STATUS, timeout=5).status_code == 200
    for _ in range(3):
        with pytest.raises(
            ReplayMismatch, match=r"came after its run had ended. Nothing was sent. \[QS307\]"
        ):
            own.get(_STATUS, timeout=5)


def test_connection_kept_from_a_replay_is_answered_by_the_next(own: requests.Session, recorded: Path) -> None:
    """A service that lives longer than a test works in the next one."""
    for _ in range(2):
        with qsession.replay(recorded, allow_unused=True) as run:
            assert own.get(_STATUS, timeout=5).status_code == 200
        assert run.requests == 1


def test_connection_to_this_machine_kept_from_a_replay_still_works(
    own: requests.Session, recorded: Path, here: str
) -> None:
    """What the replay let pass is none of its business afterwards either."""
    with qsession.replay(recorded, allow_unused=True):
        assert own.get(here, timeout=5).text == "here"
    assert own.get(here, timeout=5).text == "here"
