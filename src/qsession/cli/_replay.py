"""``qsession replay CASSETTE -- COMMAND``: any program, answered from a recording."""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from qsession import _child
from qsession._child import _led
from qsession._escaped import as_json
from qsession._tally import Tally
from qsession.cli import _emulator
from qsession.cli._command import Relay, checked
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._loopback._authority import Authority
    from qsession._loopback._server import LoopbackServer
    from qsession._replay import Replay
    from qsession._visitors import Visitors

_EXAMPLE = "qsession replay cassettes/bell.yaml -- python my_program.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = f"example:\n  {_EXAMPLE}"
    parser.add_argument("cassette", type=Path, metavar="CASSETTE", help="the recording that answers")
    parser.add_argument(
        "--instance",
        metavar="CRN|NAME",
        help="what the program calls its instance, where it names one itself",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a host that the program may reach, or localhost:PORT of another program; may be given again",
    )
    parser.add_argument(
        "--allow-unused", action="store_true", help="recorded requests that change something may be left out"
    )
    parser.add_argument("--tls", action="store_true", help="use IBM's own urls, over TLS")
    _emulator.add_log(parser)
    parser.add_argument(
        "--json", action="store_true", help="print what happened, and the request log, as lines of JSON"
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command to its end, then say what it asked in vain and what it left out.

    Returns:
        The exit status of the command; 1 where that is 0 and there is something to say.

    Raises:
        UsageError: If there is no command (QS113), it cannot be found (QS114), it tells Python
            not to be led (QS152), or what serves it is not installed (QS185).
        CassetteError: If the cassette cannot be read.
    """
    program = checked(arguments.program, _EXAMPLE)
    _check_installed()
    from qsession._loopback._authority import make_authority
    from qsession._visitors import Visitors

    replay, authority, relay, refused = _opened(arguments), make_authority(), Relay(), Tally()
    with ExitStack() as stack:
        stack.enter_context(relay.listening())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qsession-")))
        visitors = Visitors(replay, refused.add)
        stack.callback(visitors.close)
        server = _server(arguments, visitors, authority, stack)
        stack.callback(server.stop)
        server.start()
        status = relay.run(program, _environment(arguments, replay, server, authority, folder))
    found = _tell(arguments, replay, visitors, refused)
    return status or found


def _check_installed() -> None:
    missing = [name for name in ("h11", "cryptography") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            "QS185",
            "What serves a recording to other programs is not installed.",
            evidence=[f"missing: {', '.join(missing)}"],
            fix=f"pip install {' '.join(missing)}",
        )


def _opened(arguments: argparse.Namespace) -> Replay:
    from qsession._discovery import Discovery
    from qsession._layer import found_above
    from qsession._model import Asked, Place
    from qsession._replay import Replay
    from qsession._store import Store, display

    path: Path = arguments.cassette.absolute()
    recording = Store(path.parent, Path(".qsession").absolute()).load(path)
    discovery, named = Discovery.of(recording.provenance), arguments.instance
    if named is not None:
        is_crn = named.startswith("crn:")
        discovery.ask(Asked(crn=named if is_crn else None, name=None if is_crn else named))
    test = recording.provenance.test
    record = f"pytest '{test}' --qsession-record --qsession-target={recording.provenance.target}"
    place = Place(display(path), test, record if test else "record the cassette anew, as it was made")
    shared = found_above(path, recording.provenance.target, Path(".qsession").absolute())
    return Replay(recording, discovery, place, allow_unused=arguments.allow_unused, shared=shared)


def _server(
    arguments: argparse.Namespace, visitors: Visitors, authority: Authority, stack: ExitStack
) -> LoopbackServer:
    from qsession._clock import SystemClock
    from qsession._loopback._request_log import RequestLog
    from qsession._loopback._server import LoopbackServer, Service

    log = stack.enter_context(_emulator.log_of(arguments))
    service = Service(
        answer=visitors.answer,
        clock=SystemClock(),
        context=authority.context,
        log=None if log is None else RequestLog(log, as_json=arguments.json),
    )
    return LoopbackServer(socket.create_server(("127.0.0.1", 0), backlog=128), service)


def _environment(
    arguments: argparse.Namespace, replay: Replay, server: LoopbackServer, authority: Authority, folder: Path
) -> dict[str, str]:
    from qsession._discovery import STAND_IN_TOKEN

    to = _led.Destination(
        port=server.port,
        key=STAND_IN_TOKEN,
        instance=replay.discovery.default_crn or "",
        backend=replay.recording.provenance.backend,
        certificate=authority.certificate,
        fingerprint=authority.fingerprint,
    )
    led = _led.environment(os.environ, to, folder=folder, secure=arguments.tls)
    left_out = {_child.EMULATOR_PORT, *(name for name, value in led.items() if not value)}
    return {
        **{name: value for name, value in led.items() if name not in left_out},
        _child.REPLAY_PORT: str(server.port),
        _child.ALLOWED: ",".join(arguments.allow_host),
        _child.ROOT: str(os.getpid()),
    }


def _tell(arguments: argparse.Namespace, replay: Replay, visitors: Visitors, refused: Tally) -> int:
    """Say what happened, on standard error, since standard output is the command's."""
    from qsession import _explain

    unused = () if arguments.allow_unused or refused else replay.unused()
    findings: list[str] = [refused.told()] if refused else []
    if unused:
        findings.append(str(_explain.unused(unused, replay.place)))
    if arguments.json:
        told = {"answered": visitors.answered, "refused": refused.count, "findings": findings}
        print(as_json(told), file=sys.stderr)
        return 1 if findings else 0
    print(f"qsession: requests answered: {visitors.answered}, live requests: 0", file=sys.stderr)
    for finding in findings:
        print(f"qsession: {finding}", file=sys.stderr)
    return 1 if findings else 0
