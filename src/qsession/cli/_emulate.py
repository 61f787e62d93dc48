"""``qsession emulate -- COMMAND``: any program, with the emulator in the service's place."""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
from contextlib import ExitStack
from pathlib import Path

from qsession._child import _led
from qsession.cli import _emulator
from qsession.cli._command import Relay, checked
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
    program = checked(arguments.program, "qsession emulate -- python my_program.py")
    from qsession.emulator import EmulatorServer
    from qsession.emulator._serving import own_authority

    relay = Relay()
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
        return relay.run(program, environment)
