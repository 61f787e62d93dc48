"""A served emulator in a process of its own, which says what was submitted.

``python -m benchmarks._platform FILE`` prints the environment that leads a client to it,
as one line of JSON, and writes the first tag of every job that it takes to the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qsession._endpoints import identify
from qsession._model import Instant, Request, Response
from qsession.emulator import Emulator, EmulatorServer


class Counting(Emulator):
    """An emulator that writes down which jobs it took."""

    def __init__(self, log: Path) -> None:
        super().__init__(backends=("ibm_fez",), queue_seconds=0.15, run_seconds=0.15)
        self._log, self._lock = log, threading.Lock()

    def answer(self, request: Request, at: Instant) -> Response:
        """As an emulator does."""
        response = super().answer(request, at)
        call = identify(request)
        if call is not None and call.endpoint.name == "jobs.create" and response.status < 300:
            with self._lock, self._log.open("a") as log:
                log.write(json.loads(request.body)["tags"][0] + "\n")
        return response


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """A served emulator for the length of a block; gives the environment that leads to it."""
    command = [sys.executable, "-m", "benchmarks._platform", str(folder / "submitted")]
    here = Path(__file__).parents[1]
    process = subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def submitted(folder: Path) -> Counter[str]:
    """How often each job was taken, by its first tag."""
    log = folder / "submitted"
    return Counter(log.read_text().split() if log.exists() else ())


def main(log: Path) -> None:
    """Serve until standard input ends."""
    with EmulatorServer(Counting(log)) as server:
        print(json.dumps(server.environment()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
