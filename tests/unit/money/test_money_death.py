"""Real processes that die in every way, and a real server that counts what arrives."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from money_fakes import CRN, KEY, TOKEN

from qsession._money import _notes, leftovers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

GENEROUS = 60.0  # seconds; nothing here takes that long unless it is broken

CHILD = """
import http.client, json, os, signal, sys, threading
from pathlib import Path
from urllib.parse import urlsplit
from qsession._clock import SystemClock
from qsession._endpoints import identify
from qsession._model import Request, Response
from qsession._money import MoneyGuard

base, folder, how, secrets = sys.argv[1], Path(sys.argv[2]), sys.argv[3], json.loads(sys.stdin.readline())

def send(request):
    if how == "offline" and request.method == "DELETE":
        raise OSError("no route")
    if how == "second-ctrl-c" and request.method == "DELETE":
        raise KeyboardInterrupt
    parts = urlsplit(request.url)
    line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    line.request(request.method, parts.path, request.body, dict(request.headers))
    answer = line.getresponse()
    return Response(answer.status, answer.reason, {}, answer.read())

def ask(method, path, body=b"", **headers):
    request = Request(method, base + path, headers, body)
    call, clock = identify(request), SystemClock()
    guard.before(call, request, clock.now())
    answer = send(request)
    guard.after(call, request, answer, clock.now())

def pause():
    print(json.dumps({"watcher": guard._watcher.pid}), flush=True)
    threading.Event().wait()

if how == "handled":
    signal.signal(signal.SIGTERM, lambda number, frame: os.write(1, b"handled\\n") and os._exit(7))

guard = MoneyGuard(budget_seconds=60.0, folder=folder, clock=SystemClock(), send=send)
with guard:
    ask("POST", "/identity/token", b"grant_type=urn:ibm&apikey=" + secrets["key"].encode())
    headers = {"authorization": "Bearer " + secrets["token"], "service-crn": secrets["crn"]}
    headers["ibm-api-version"] = "2026-04-15"
    ask("POST", "/api/v1/sessions", b'{"mode": "dedicated", "backend": "ibm_fez"}', **headers)
    if how == "raise":
        raise RuntimeError("the test failed")
    if how == "fork":
        if os.fork() == 0:
            signal.alarm(120)
            threading.Event().wait()
    if how == "forked-child-terminated":
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(3)
        print(json.dumps({"child": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}), flush=True)
        sys.stdin.readline()
    if how in {"pause", "handled", "fork"}:
        pause()
"""


class Server(ThreadingHTTPServer):
    """Gives out one session; an old token is refused once a test says so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cancelled: queue.Queue[tuple[str, str]] = queue.Queue()
        self.expired = False

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/identity/token":
            token = "renewed-token-0003" if self.server.expired else TOKEN
            self.answer(200, {"access_token": token})
        else:
            self.answer(200, {"id": "session-1", "state": "open"})

    def do_DELETE(self) -> None:
        token = self.headers.get("authorization", "")
        if self.server.expired and TOKEN in token:
            self.answer(401)
            return
        self.answer(204)
        self.server.cancelled.put((self.path, token))

    def answer(self, status: int, body: object = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for child in started:
        child.kill()
        child.communicate()


def start(
    children: list[subprocess.Popen[str]], server: Server, folder: Path, how: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, server.base, str(folder), how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
    children.append(child)
    assert child.stdin is not None
    child.stdin.write(json.dumps({"token": TOKEN, "crn": CRN, "key": KEY}) + "\n")
    child.stdin.flush()
    return child


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, child.stderr and child.stderr.read()
    return line


def wait_for_end(pid: int) -> None:
    """Wait for a process that is not our child, without sleeping."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], GENEROUS)[0], "the process goes on"
    finally:
        os.close(handle)


def expect_cancelled(server: Server) -> str:
    path, token = server.cancelled.get(timeout=GENEROUS)
    assert path == "/api/v1/sessions/session-1/close"
    return token


@pytest.mark.parametrize(("how", "status"), [("exit", 0), ("raise", 1)])
def test_process_that_ends_by_itself_cancels(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path, how: str, status: int
) -> None:
    """One request, from the process itself, and no note."""
    child = start(children, server, tmp_path, how)
    child.communicate(timeout=GENEROUS)
    assert child.returncode == status
    expect_cancelled(server)
    assert server.cancelled.empty()
    assert _notes.read(tmp_path) == ()


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_process_that_is_killed_leaves_no_session(
    server: Server,
    children: list[subprocess.Popen[str]],
    tmp_path: Path,
    number: signal.Signals,
    status: int,
) -> None:
    """The signal goes to the whole process group, as the terminal sends it."""
    child = start(children, server, tmp_path, "pause")
    watcher = json.loads(line_of(child))["watcher"]
    assert [note.pid for note in _notes.read(tmp_path)] == [child.pid]
    os.killpg(child.pid, number)
    child.communicate(timeout=GENEROUS)
    assert child.returncode == status
    expect_cancelled(server)
    wait_for_end(watcher)
    assert server.cancelled.empty()
    assert _notes.read(tmp_path) == ()


def test_process_with_an_older_handler_cancels_before_it(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """What the user installed for SIGTERM still happens, after the cancelling."""
    child = start(children, server, tmp_path, "handled")
    line_of(child)
    child.terminate()
    assert line_of(child) == "handled\n"
    assert not server.cancelled.empty()
    child.communicate(timeout=GENEROUS)
    assert child.returncode == 7


def test_process_killed_after_its_token_expired_leaves_no_session(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The watcher fetches a token of its own."""
    child = start(children, server, tmp_path, "pause")
    line_of(child)
    server.expired = True
    child.kill()
    assert expect_cancelled(server) == "Bearer renewed-token-0003"


def test_process_killed_with_a_forked_child_alive_leaves_no_session(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """A child that inherited the pipe does not keep the watcher waiting."""
    child = start(children, server, tmp_path, "fork")
    line_of(child)
    child.kill()
    expect_cancelled(server)
    os.killpg(child.pid, signal.SIGKILL)


def test_forked_child_that_is_terminated_cancels_nothing(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The handler is inherited, the sessions are not."""
    child = start(children, server, tmp_path, "forked-child-terminated")
    assert json.loads(line_of(child)) == {"child": -signal.SIGTERM}
    assert server.cancelled.empty()
    child.communicate("\n", timeout=GENEROUS)
    expect_cancelled(server)


@pytest.mark.parametrize("how", ["offline", "second-ctrl-c"])
def test_process_that_fails_to_cancel_leaves_it_to_the_watcher(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path, how: str
) -> None:
    """What this process cannot do at its end is done after it."""
    child = start(children, server, tmp_path, how)
    child.communicate(timeout=GENEROUS)
    assert child.returncode not in {0, None}
    expect_cancelled(server)


def test_watcher_shows_no_secret_to_other_processes(
    server: Server,
    children: list[subprocess.Popen[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither arguments, environment nor any file holds key, token, CRN or account."""
    monkeypatch.setenv("QISKIT_IBM_TOKEN", KEY)
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", CRN)
    child = start(children, server, tmp_path, "pause")
    watcher = Path("/proc") / str(json.loads(line_of(child))["watcher"])
    shown = (watcher / "cmdline").read_bytes() + (watcher / "environ").read_bytes()
    assert b"qsession._money._reaper" in shown
    shown += b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"session-1" in shown
    secrets = (TOKEN, KEY, CRN, "plantedaccount0001")
    assert [secret for secret in secrets if secret.encode() in shown] == []
    child.kill()
    expect_cancelled(server)


def test_session_of_a_killed_process_is_a_leftover_while_it_is_open(
    server: Server, children: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Where the watcher was killed too, the note is what remains."""
    child = start(children, server, tmp_path, "pause")
    watcher = json.loads(line_of(child))["watcher"]
    os.kill(watcher, signal.SIGKILL)
    child.kill()
    child.communicate(timeout=GENEROUS)
    wait_for_end(watcher)
    assert [note.id for note in leftovers(tmp_path)] == ["session-1"]
    assert server.cancelled.empty()
