"""``qsession serve``: the emulator as an HTTP server on this machine."""

from __future__ import annotations

import argparse
import json
import signal
import threading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession serve --port 8123"
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulated results (default 0)")
    parser.add_argument("--json", action="store_true", help="print the environment as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop with Ctrl-C or SIGTERM."""
    from qsession.emulator import Emulator, EmulatorServer

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with EmulatorServer(Emulator(seed=arguments.seed, strict=True), port=arguments.port) as server:
        environment = server.environment()
        if arguments.json:
            print(json.dumps({"url": server.url, "environment": environment}), flush=True)
        else:
            print(f"the emulator listens on {server.url}; a client finds it with", flush=True)
            for name, value in environment.items():
                print(f"  export {name}={value}", flush=True)
        stop.wait()
    return 0
