"""The watcher process: cancels the sessions of a process that is gone.

Started as ``python -m qsession._money._reaper PID``. It learns over its standard input
what is open, and acts when that closes or when the process is no longer its parent (a
forked child may hold the pipe open). It never raises a hand while its parent lives.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import requests

from qsession._clock import Clock, SystemClock
from qsession._model import SECOND, Request, Response
from qsession._money import _notes
from qsession._money._access import Send, Target, cancel_session
from qsession._money._pipe import State, decode
from qsession._money._watcher import READY

PATIENCE = 60 * SECOND
_PAUSES = (1, 2, 4, 8)  # seconds; the last one repeats
_LOOK_SECONDS = 1.0
_TIMEOUT = (5.0, 15.0)  # seconds: connect, read
_CHUNK = 65_536


class Ear:
    """Listens to the pipe in a thread; the last whole line is what counts."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._line = b""
        self.closed = threading.Event()

    def listen(self) -> None:
        """Read until the pipe closes."""
        rest = b""
        while chunk := os.read(self._descriptor, _CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            self._line = lines[-1] if lines else self._line
        self.closed.set()

    def last(self) -> State | None:
        """What was open at the last word."""
        return decode(self._line) if self._line else None


def outlive(ear: Ear, parent: int) -> None:
    """Wait until the parent is gone or has closed the pipe."""
    threading.Thread(target=ear.listen, daemon=True).start()
    while not ear.closed.wait(_LOOK_SECONDS):
        if os.name == "posix" and os.getppid() != parent:
            # Its last words may still stand in the pipe.
            ear.closed.wait(_LOOK_SECONDS)
            return


def reap(state: State, send: Send, clock: Clock) -> tuple[str, ...]:
    """Cancel what is open, again and again for about a minute.

    Args:
        state: What is open.
        send: Sends a request to the service.
        clock: For the pauses between the attempts.

    Returns:
        The ids of the sessions that may still be open.
    """
    until, pauses, left = clock.now() + PATIENCE, list(_PAUSES), state.targets
    while left := tuple(again for target in left if (again := _cancel(state, target, send))):
        pause = (pauses.pop(0) if len(pauses) > 1 else pauses[0]) * SECOND
        if clock.now() + pause > until:
            break
        clock.wait(pause)
    return tuple(target.id for target in left)


def _cancel(state: State, target: Target, send: Send) -> Target | None:
    problem, target = cancel_session(target, send)
    if problem:
        return target
    # A note that stays costs the doctor one question, while an error would leave the other sessions open.
    with suppress(OSError):
        _notes.forget(state.folder, target.id)
    return None


def send_plainly(request: Request) -> Response:
    """Send a request with the proxies and certificates of the environment."""
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    verify = next((os.environ[name] for name in bundles if os.environ.get(name)), True)
    answer = requests.request(
        request.method,
        request.url,
        headers=dict(request.headers),
        data=request.body or None,
        timeout=_TIMEOUT,
        verify=verify,
        allow_redirects=False,
        # Without a word on authentication, a .netrc would replace our header.
        auth=lambda prepared: prepared,
    )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status_code, answer.reason or "", headers, answer.content)


def main(arguments: Sequence[str]) -> int:
    """Watch a process; exit status 1 if a session may still be open."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        # What ends a whole group or machine must not end the one who cleans up.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.write(1, READY)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    ear = Ear(0)
    outlive(ear, int(arguments[0]))
    state = ear.last()
    return 1 if state is not None and reap(state, send_plainly, SystemClock()) else 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # The listening thread may be blocked in a read that nobody ends.
    os._exit(status)
