"""The guard's end of the pipe: starts the watcher process and keeps it told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from qsession._money import _messages
from qsession._money._pipe import State, encode

READY = b"ready\n"

# Everything else stays out of the watcher's environment: credentials, and what makes
# pytest, coverage or the client do things of their own in a child process.
_PASSED_ON = """
    path pythonpath pythonhome virtual_env home userprofile lang lc_all tmpdir temp tmp
    systemroot windir comspec ld_library_path dyld_library_path
    requests_ca_bundle curl_ca_bundle ssl_cert_file ssl_cert_dir
    http_proxy https_proxy all_proxy no_proxy
""".split()  # noqa: SIM905 - one a line would be longer than all the rest
_GOODBYE_SECONDS = 10.0


class Watcher:
    """The process that cancels the open sessions when this one is gone.

    It is told everything that is open at every change. When the pipe closes, for
    whatever reason, it cancels what the last line named; so there is no goodbye that
    could be forgotten, and a guard that could not cancel a session only has to leave.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._last: State | None = None

    @property
    def pid(self) -> int | None:
        """Process id, None when it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, unless it runs.

        Raises:
            BudgetError: QS605 if it does not come up.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._abandon()
        try:
            process = _spawn()
        except OSError as error:
            raise _messages.no_watcher(f"{sys.executable}: {error.strerror}") from error
        assert process.stdout is not None
        with process.stdout as answers:
            first = answers.readline()
            if first != READY:
                lines = (first + answers.read()).decode(errors="replace").strip().splitlines()
                _close(process)
                process.wait()
                raise _messages.no_watcher(lines[-1] if lines else f"exit status {process.returncode}")
        self._process = process

    def tell(self, state: State) -> None:
        """Say what is open now; start a new watcher when the old one was killed.

        Raises:
            BudgetError: QS605 if a new one is needed and does not come up.
        """
        if self._process is None or state == self._last:
            return
        try:
            _write(self._process, encode(state))
        except OSError:
            self.start()
            _write(self._process, encode(state))
        self._last = state

    def leave(self) -> None:
        """Close the pipe: the watcher ends at once, or after cancelling what is open."""
        process, self._process = self._process, None
        if process is None:
            return
        _close(process)
        if self._last is None or not self._last.targets:
            try:
                process.wait(_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                _reap_later(process)
        else:
            _reap_later(process)

    def _abandon(self) -> None:
        process, self._process, self._last = self._process, None, None
        if process is not None:
            _close(process)


def _spawn() -> subprocess.Popen[bytes]:
    # -P: a file of the current folder must not take the place of a library's module.
    command = [sys.executable, "-P", "-m", "qsession._money._reaper", str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - our own module, no argument of a user
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env={name: value for name, value in os.environ.items() if name.lower() in _PASSED_ON},
        # A session of its own: Ctrl-C in the terminal goes to the foreground group.
        start_new_session=True,
        creationflags=int(getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)),
    )


def _write(process: subprocess.Popen[bytes] | None, line: bytes) -> None:
    assert process is not None
    assert process.stdin is not None
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(process.stdin.fileno(), rest) :]


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def _reap_later(process: subprocess.Popen[bytes]) -> None:
    threading.Thread(target=process.wait, name="qsession watcher's end", daemon=True).start()
