"""Workers that record into one folder at once: is everything there, once, and whole?

    python -m benchmarks.workers             # 8 workers x 200 recordings, pytest-xdist in each mode, a suite
    python -m benchmarks.workers --quick     # 4 x 20, one mode, a small suite

The suite has fixtures of every scope and 1,600 tests: 8 workers record it, and replay it 20 times in random
order. The other recordings share one large body, which all workers write at once. Stock vcrpy is given one
cassette that its workers share, since it has no other way to share anything. Exit status 1 if something of
ours is lost, written twice or damaged.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks._workers_suite import judge
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._redaction import Redactor
from qsession._store import Store
from qsession.errors import CassetteError

MODES = ("load", "loadscope", "loadfile", "worksteal", "no")
_BACKENDS = "https://quantum.cloud.ibm.com/api/v1/backends"
_FILES, _TESTS = 4, 4


def recording(number: int) -> Recording:
    """A recording of its own, with the properties of a device that all share."""
    shared = json.dumps({"qubits": [{"t1": n / 7, "name": str(n)} for n in range(4000)]}).encode()
    exchanges = (
        Interaction(
            "backends.properties",
            0,
            Request("GET", f"{_BACKENDS}/a/properties"),
            Response(200, body=shared),
            0,
            1,
        ),
        Interaction(
            "backends.status",
            0,
            Request("GET", f"{_BACKENDS}/a/status"),
            Response(200, body=f'{{"length_queue":{number}}}'.encode()),
            5,
            1,
            last=5,
        ),
    )
    return Recording(Provenance("emulator", 0), exchanges)


def work(folder: Path, worker: int, number: int) -> None:
    """Write that many recordings."""
    store = Store(folder, folder.parent / ".qsession")
    for each in range(number):
        store.save(_path(folder, worker, each), recording(worker * number + each), Redactor())


def _path(folder: Path, worker: int, number: int) -> Path:
    return folder / f"test_{number % 5}" / f"test_{worker}_{number}.yaml"


def ours(folder: Path, workers: int, number: int) -> Sequence[str]:
    """Let the workers write, and look.

    Returns:
        What is lost, damaged or left over.
    """
    context = get_context("spawn")
    processes = [context.Process(target=work, args=(folder, n, number)) for n in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = [f"a worker ended with {p.exitcode}" for p in processes if p.exitcode]
    store = Store(folder, folder.parent / ".other")
    for worker in range(workers):
        for each in range(number):
            path = _path(folder, worker, each)
            try:
                if store.load(path) != recording(worker * number + each):
                    found.append(f"{path.name} holds something else")
            except CassetteError as trouble:
                found.append(f"{path.name}: {trouble.what}")
    files = [path for path in folder.rglob("*") if path.is_file()]
    expected = workers * number + 2  # the shared body, .gitattributes
    if len(files) != expected:
        found.append(f"{len(files)} files instead of {expected}")
    return found


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _their_work(path: str, url: str, worker: int, number: int) -> None:
    import requests
    import vcr

    for each in range(number):
        with vcr.use_cassette(path, record_mode="new_episodes"):
            requests.get(f"{url}/{worker}/{each}", timeout=30)


def theirs(folder: Path, workers: int, number: int) -> int:
    """How many of the interactions that stock vcrpy recorded into one cassette are there at the end."""
    import yaml

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path, url = folder / "shared.yaml", f"http://127.0.0.1:{server.server_port}"
    context = get_context("spawn")
    processes = [
        context.Process(target=_their_work, args=(str(path), url, n, number)) for n in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    server.shutdown()
    try:
        return len(yaml.safe_load(path.read_text())["interactions"])
    except (OSError, yaml.YAMLError, TypeError):
        return 0


_PROGRAM = """
def test_{n}(qsession_backend):
    assert qsession_backend.num_qubits
"""


def distributed(folder: Path, mode: str) -> Sequence[str]:
    """Record a project with pytest-xdist in a mode, then replay it; what is wrong with it."""
    for file in range(_FILES):
        program = "".join(_PROGRAM.format(n=n) for n in range(_TESTS))
        (folder / f"test_{file}.py").write_text(program)
    (folder / "pytest.ini").write_text("[pytest]\n")
    found = []
    for more in (["--qsession-record", "--qsession-target=emulator"], []):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-n",
            "2",
            "--dist",
            mode,
            *more,
        ]
        done = subprocess.run(
            command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            found.append(f"{mode}: pytest ended with {done.returncode}: {done.stdout[-500:]}")
    there = len(list((folder / "cassettes").rglob("*.yaml")))
    expected = _FILES * _TESTS + 1  # and the layer of what all tests read
    if there != expected:
        found.append(f"{mode}: {there} cassettes instead of {expected}")
    command = [sys.executable, "-m", "qsession.cli", "lint", "cassettes"]
    linted = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    return [*found, *([f"{mode}: {linted.stdout}"] if linted.returncode else [])]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Let them work, print what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workers", description="Workers on one folder."
    )
    parser.add_argument("--quick", action="store_true", help="fewer workers, recordings and modes")
    quick = parser.parse_args(arguments).quick
    workers, number = (4, 20) if quick else (8, 200)
    began = perf_counter()
    with TemporaryDirectory() as name:
        found = list(ours(Path(name) / "cassettes", workers, number))
    lost = sum(1 for each in found if ".yaml" in each)
    total = workers * number
    took = perf_counter() - began
    print(f"{workers} workers x {number} recordings: {total - lost} of {total} there, {took:.0f} s")
    with TemporaryDirectory() as name:
        kept = theirs(Path(name), 4, 15)
    print(f"stock vcrpy, 4 workers x 15 requests into one cassette: {kept} of 60 there")
    for mode in MODES[:1] if quick else MODES:
        with TemporaryDirectory() as name:
            wrong = distributed(Path(name), mode)
        print(f"pytest-xdist --dist {mode}: {wrong or 'nothing lost, nothing twice'}")
        found += wrong
    with TemporaryDirectory() as name:
        size = (
            {"files": 2, "number": 5, "replays": 1} if quick else {"files": 40, "number": 40, "replays": 20}
        )
        found += judge(Path(name), workers=2 if quick else 8, **size)
    print(f"findings: {len(found)}")
    for finding in found[:20]:
        print(f"  {finding}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
