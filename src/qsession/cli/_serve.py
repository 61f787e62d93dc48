"""``qsession serve``: the emulator as an HTTP server on this machine."""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from qsession.cli import _emulator
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._loopback._authority import Authority
    from qsession.emulator import EmulatorServer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession serve --port 8123"
    _emulator.add_arguments(parser)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--tls", action="store_true", help="speak TLS too, under an authority made anew")
    parser.add_argument("--ca", metavar="FILE", help="where --tls writes the certificate to trust")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the environment as one line of JSON, and the request log as lines of JSON",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop with Ctrl-C or SIGTERM.

    Raises:
        UsageError: QS153, if only one of ``--tls`` and ``--ca`` is there, or the file cannot
            be written.
    """
    from qsession.emulator import EmulatorServer

    # No Event: told while it begins to wait, it would wait for its own lock for ever.
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, lambda number, _: told.put(number)))
        server = EmulatorServer(
            _emulator.make(arguments, api_key=None),
            port=arguments.port,
            tls=_authority(arguments),
            log=stack.enter_context(_emulator.log_of(arguments)),
            log_json=arguments.json,
        )
        stack.enter_context(server)
        _tell(arguments, server)
        told.get()
    return 0


def _authority(arguments: argparse.Namespace) -> Authority | None:
    if not arguments.tls and arguments.ca is None:
        return None
    from qsession.emulator._serving import own_authority

    if not arguments.tls or arguments.ca is None:
        raise _unusable("--tls and --ca FILE go together: a client must be told whom to trust.")
    authority = own_authority()
    beside = Path(f"{arguments.ca}.{os.getpid()}")
    try:
        beside.write_bytes(authority.certificate)
        beside.replace(arguments.ca)
    except OSError as problem:
        beside.unlink(missing_ok=True)
        raise _unusable(str(problem)) from problem
    return authority


def _unusable(why: str) -> UsageError:
    return UsageError(
        "QS153",
        "There is nowhere to write the certificate that clients must trust.",
        evidence=[why],
        fix="qsession serve --tls --ca emulator.pem",
    )


def _tell(arguments: argparse.Namespace, server: EmulatorServer) -> None:
    environment = server.environment()
    if arguments.tls:
        # Whom requests, curl and Python's own ssl trust: this emulator, and nobody else.
        bundle = str(Path(arguments.ca).resolve())
        environment |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), bundle)
    if arguments.json:
        print(json.dumps({"url": server.url, "environment": environment}), flush=True)
        return
    print(f"the emulator listens on {server.url}; a client finds it with", flush=True)
    for name, value in environment.items():
        print(f"  export {name}={value}", flush=True)
