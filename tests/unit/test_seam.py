"""The seam against a real server: connections that were there before, that end, and what they carry."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import vcr
from requests.adapters import HTTPAdapter
from urllib3 import Retry

import qsession
from qsession import _wire
from qsession._model import Response
from qsession._store import Store
from qsession.emulator import Emulator

TEXT = b'{"jobs":[]}'


class Server(ThreadingHTTPServer):
    """Answers in gzip, hangs up after each answer without having said so, and counts."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hits, self.hung_up = 0, threading.Semaphore(0)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self.hung_up.release()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.hits += 1
        packed = gzip.compress(TEXT)
        self.send_response(200)
        for name, value in {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(packed)
        self.close_connection = True

    do_GET = do_POST  # noqa: N815 - the name is http.server's

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_session_that_was_used_before_is_led_to_the_handler(server):
    """A connection that a pool kept from before does not answer in the place of the handler."""
    with requests.Session() as session:
        session.get(server.url)
        with _wire.installed(lambda *_: Response(200, body=b"ours")):
            assert session.get(server.url).content == b"ours"
    assert server.hits == 1


def test_connection_that_the_server_closed_is_opened_again(server):
    """Code that looks rarely finds its connection gone, and records on; submissions too, which nobody repeats."""
    with _wire.installed(lambda request, send: send(request)), requests.Session() as session:
        for _ in range(3):
            assert session.post(server.url, data=b"job").status_code == 200
            assert server.hung_up.acquire(timeout=10)
    assert server.hits == 3


def test_compressed_answer_is_seen_as_the_text_that_it_is(server):
    """What is recorded can be read and redacted, and says of itself nothing that is no longer so."""
    seen = []

    def note(request, send):
        seen.append(send(request))
        return seen[-1]

    with _wire.installed(note), requests.Session() as session:
        assert session.get(server.url).content == TEXT
    assert seen[0].body == TEXT
    assert "content-encoding" not in seen[0].headers


class Dropping(Emulator):
    """Hangs up on the first request of a job list."""

    dropped = 0

    def answer(self, request, at):
        if request.url.endswith("/jobs") and not self.dropped:
            self.dropped += 1
            raise ConnectionResetError("hung up")
        return super().answer(request, at)


def test_connection_that_broke_is_not_recorded(tmp_path):
    """The recording has the answer to the client's next try; a replay gives it at once. limitations.md says so."""
    path, emulator = tmp_path / "a.yaml", Dropping()
    headers = {"Service-CRN": "crn", "IBM-API-Version": "2026-04-15", "Authorization": "Bearer a.b.c"}
    for run in (qsession.record(path, target="emulator", emulator=emulator), qsession.replay(path)):
        with run, requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=Retry(2, backoff_factor=0)))
            assert session.get("https://quantum.cloud.ibm.com/api/v1/jobs", headers=headers).ok
    assert emulator.dropped == 1
    (kept,) = Store(tmp_path, tmp_path / ".other").load(path).interactions
    assert (kept.response.status, kept.seen) == (200, 1)


def test_cassette_of_vcrpy_answers_what_is_not_the_service_s(tmp_path):
    """Whether it was opened before the seam was or after it, over a pool that had a stub already."""
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(
        "interactions:\n- request: {body: null, headers: {}, method: GET, uri: 'https://example.org/x'}\n"
        "  response: {body: {string: theirs}, headers: {}, status: {code: 200, message: OK}}\nversion: 1\n"
    )
    asked = []

    def answer(request, _send):
        asked.append(request.url)
        return Response(200, "OK", {}, b"ours")

    def use():
        return vcr.use_cassette(str(theirs), record_mode="none", allow_playback_repeats=True)

    ibm, other = "https://quantum.cloud.ibm.com/api/v1/backends", "https://example.org/x"
    with _wire.installed(answer), requests.Session() as session:
        assert [session.get(url).text for url in (ibm, other)] == ["ours", "ours"]
        with use():
            assert [session.get(url).text for url in (ibm, other)] == ["ours", "theirs"]
        assert session.get(other).text == "ours"
    with use(), _wire.installed(answer), requests.Session() as session:
        assert [session.get(url).text for url in (ibm, other)] == ["ours", "theirs"]
    assert asked == [ibm, other, ibm, other, ibm]
