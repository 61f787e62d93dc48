"""``qsession emulate -- COMMAND``: any program, with the emulator in the service's place."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from qsession._child import _led
from qsession.cli import _emulator
from qsession.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession emulate -- python my_program.py"
    _emulator.add_arguments(parser)
    parser.add_argument("--tls", action="store_true", help="use IBM's own urls, over TLS")
    parser.add_argument("--json", action="store_true", help="write the request log as lines of JSON")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command to its end.

    A Python program is led to the emulator whatever names of IBM's it asks for, and so are
    its children. The key in the environment opens this emulator only, and is made anew each
    time. SIGTERM and SIGHUP are handed on to the command.

    Returns:
        The exit status of the command; 128 and the signal's number when one ended it.

    Raises:
        UsageError: If there is no command (QS113), it cannot be found (QS114), or it tells
            Python not to be led (QS152), or there is no log for ``--json`` (QS155).
    """
    if arguments.json and arguments.log is None:
        raise UsageError(
            "QS155",
            "There is no request log to write as JSON.",
            fix="qsession emulate --log requests.jsonl --json -- python my_program.py",
        )
    program = _checked(arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program)
    from qsession.emulator import EmulatorServer
    from qsession.emulator._serving import own_authority

    relay = _Relay()
    with ExitStack() as stack:
        stack.enter_context(relay.listening())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qsession-")))
        log = stack.enter_context(_emulator.log_of(arguments))
        key, authority = secrets.token_urlsafe(24), own_authority()
        emulator = _emulator.make(arguments, api_key=key)
        server = EmulatorServer(emulator, tls=authority, log=log, log_json=arguments.json, any_key=True)
        stack.enter_context(server)
        to = _led.Destination(
            port=server.port,
            key=key,
            instance=emulator.instances[0].crn,
            backend=emulator.backends[0],
            certificate=authority.certificate,
            fingerprint=authority.fingerprint,
        )
        environment = _led.environment(os.environ, to, folder=folder, secure=arguments.tls)
        status = relay.run(program, environment)
    return status if status >= 0 else 128 - status


def _checked(program: list[str]) -> list[str]:
    if not program:
        raise UsageError(
            "QS113", "There is no command to run.", fix="qsession emulate -- python my_program.py"
        )
    if shutil.which(program[0]) is None:
        raise UsageError(
            "QS114",
            "The command cannot be found.",
            evidence=[program[0]],
            fix="give its whole path, or run it with python: qsession emulate -- python my_program.py",
        )
    option = _led.ignored_by(program)
    if option is not None:
        raise UsageError(
            "QS152",
            "The command tells Python to ignore what would lead it to the emulator.",
            evidence=[f"option: {option}", "It could reach IBM's own hosts, with a key of yours."],
            fix=f"leave {option} out",
        )
    return program


class _Relay:
    """Hands signals on to the command, so that both end together and nothing is left behind."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, program: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command to its end, and give its status as subprocess does."""
        self._child = subprocess.Popen(program, env=environment)
        while True:
            try:
                return self._child.wait()
            except KeyboardInterrupt:
                # The terminal sent it to the child too, which decides what to make of it.
                continue

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals; those who took them before get them back at the end."""
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        if threading.current_thread() is not threading.main_thread():
            numbers = []  # only the main thread may
        before = [(number, signal.signal(number, self._hand_on)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._child is None:
            raise SystemExit(128 + number)
        self._child.send_signal(number)
