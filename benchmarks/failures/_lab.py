"""What experiments share: a verdict, a server, recordings made by hand, projects of tests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from qsession._model import Interaction, Provenance, Recording, Request, Response

API = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {
    "Authorization": "Bearer planted",
    "Service-CRN": "crn",
    "IBM-API-Version": "2026-04-15",
    "Content-Type": "application/json",
}
JSON = {"content-type": "application/json"}
MOMENT = 1_767_225_600_000_000
"""When recordings that are made by hand begin: 2026-01-01, in microseconds since the epoch."""
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened on one side of an experiment.

    Attributes:
        words: It, in words.
        shows: Whether the failure that the experiment is about showed itself.
    """

    words: str
    shows: bool


@dataclass(frozen=True, slots=True)
class Lab:
    """Where an experiment is done.

    Attributes:
        folder: An empty folder.
        quick: Whether a smaller one will do.
    """

    folder: Path
    quick: bool


Experiment = Callable[[Lab], Seen]
Answer = tuple[int, Mapping[str, str], bytes]


class Site(ThreadingHTTPServer):
    """A server on this machine that counts what it is asked.

    Args:
        answer: Is given path and body of a request and how many came before it. Text is answered as
            status 200; None hangs up.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[str, bytes, int], str | Answer | None] = lambda *_: "ok") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.hits, self.lock = answer, 0, threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Site:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def counted(self) -> int:
        """How many requests came before this one."""
        with self.lock:
            self.hits += 1
            return self.hits - 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told = self.server.answer(self.path, body, self.server.counted())
        if told is None:
            self.close_connection = True
            return
        status, headers, content = (200, {}, told.encode()) if isinstance(told, str) else told
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def read(
    url: str, body: bytes | str, *, at: float = 0, status: int = 200, seen: int = 1, last: float | None = None
) -> Interaction:
    """A recorded GET of the service's API.

    Args:
        url: Below the API's root.
        body: What it answered.
        at: When it was sent, in seconds since the beginning.
        status: Of the answer.
        seen: How often it was answered like this.
        last: When for the last time.
    """
    content = body.encode() if isinstance(body, str) else body
    begun, ended = int(at * SECOND), int((at if last is None else last) * SECOND)
    response = Response(status, "", JSON, content)
    kind = "backends.status" if url.startswith("/backends") else "jobs.get"
    return Interaction(
        kind,
        0,
        Request("GET", API + url, {"ibm-api-version": "2026-04-15"}),
        response,
        begun,
        1000,
        seen,
        ended,
    )


def posted(body: bytes, *, number: int = 0, at: float = 0) -> Interaction:
    """A recorded submission of a job."""
    answer = b'{"id":"d%019d","backend":"ibm_fez"}' % number
    request = Request("POST", f"{API}/jobs", {**JSON, "ibm-api-version": "2026-04-15"}, body)
    begun = int(at * SECOND)
    return Interaction("jobs.create", 0, request, Response(200, "", JSON, answer), begun, 1000, 1, begun)


def recorded(folder: Path, *interactions: Interaction, name: str = "made.yaml") -> Path:
    """A cassette of ours with these interactions, whole and sealed."""
    from qsession._redaction import Redactor
    from qsession._store import Store

    path = folder / name
    made = Recording(Provenance("emulator", MOMENT, api_version="2026-04-15"), interactions)
    Store(folder, folder / ".qsession").save(path, made, Redactor())
    return path


def get(url: str, session: requests.Session | None = None) -> requests.Response:
    """Ask the service's API, as the client does."""
    ask = session.get if session else requests.get
    return ask(API + url, headers=HEADERS, timeout=30)


def post(url: str, body: bytes) -> requests.Response:
    """Send to the service's API, as the client does."""
    return requests.post(API + url, data=body, headers=HEADERS, timeout=30)


def refusal(act: Callable[[], object]) -> str:
    """By which code of ours an act is refused; empty if it is not."""
    from qsession.errors import QSessionError

    try:
        act()
    except QSessionError as refused:
        return refused.code
    return ""


def in_threads(act: Callable[[int], object], *, count: int, threads: int) -> list[str]:
    """Do something that many times in so many threads; the types of what was raised."""
    raised: list[str] = []
    start = threading.Barrier(threads)

    def work(own: int) -> None:
        start.wait()
        for number in range(own, count, threads):
            try:
                act(number)
            except Exception as error:  # noqa: BLE001 - told by its type
                raised.append(type(error).__name__)

    crowd = [threading.Thread(target=work, args=(own,)) for own in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return raised


PLUGINS = {"stock": "pytest_recording.plugin", "ours": "qsession.pytest_plugin"}
RECORD = ("--qsession-record", "--qsession-target=emulator")


def run_pytest(
    folder: Path, side: str, *options: str, environment: Mapping[str, str] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder with no plugin but the one that is looked at.

    Args:
        folder: Where they are.
        side: ``"stock"`` for pytest-recording, ``"ours"``.
        options: Of pytest.
        environment: In the place of this process's own.
        variables: To add.
    """
    if not (folder / "pytest.ini").exists():
        (folder / "pytest.ini").write_text("[pytest]\n")
    plain = ("-q", "-W", "ignore", "-p", "no:cacheprovider", "-p", PLUGINS[side])
    command = [sys.executable, "-m", "pytest", *plain, *options]
    env = outside() if environment is None else dict(environment)
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def outside() -> dict[str, str]:
    """The environment without what would lead pytest or the client somewhere."""
    drop = ("PYTEST_", "QSESSION_", "QISKIT_", "IAM_")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop) and name != "CI"}


def outcome(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of pytest's report, without how long it took."""
    lines = [line for line in done.stdout.splitlines() if " in " in line and line.rstrip().endswith("s")]
    return lines[-1].strip("= ").rpartition(" in ")[0] if lines else done.stdout[-200:] + done.stderr[-200:]


@contextmanager
def trapped(folder: Path) -> Iterator[tuple[dict[str, str], Callable[[], int]]]:
    """An environment in which IBM's names lead to a server of this machine, and how often it was come to."""
    from benchmarks._listening import listener, mapped
    from qsession._loopback._authority import make_authority

    authority = make_authority()
    counting = listener(authority)
    home = folder / "home"
    home.mkdir()
    yield mapped(home, port=counting.port, authority=authority), lambda: counting.accepted


def written(folder: Path) -> bytes:
    """All that lies below a folder, unpacked."""
    import gzip

    files: Sequence[Path] = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files
    )
