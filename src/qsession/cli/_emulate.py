"""``qsession emulate -- COMMAND``: any program, with the emulator in the service's place."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess

from qsession import _child
from qsession.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession emulate -- python my_program.py"
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulated results (default 0)")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command to its end.

    The command finds the emulator through its environment. A Python program that asks
    for IBM's own hosts all the same, because it passes a token and no url, is refused:
    it is not led to the emulator yet. The key in the environment opens this emulator
    only, and is made anew each time.

    Returns:
        The exit status of the command; 128 and the signal's number when one ended it.

    Raises:
        UsageError: If there is no command (QS113), or it cannot be found (QS114).
    """
    program = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
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
    from qsession.emulator import Emulator, EmulatorServer

    emulator = Emulator(seed=arguments.seed, strict=True, api_key=secrets.token_urlsafe(24))
    with EmulatorServer(emulator) as server:
        environment = os.environ | server.environment() | _child.environment(os.environ)
        child = subprocess.Popen(program, env=environment)
        status = _wait(child)
    return status if status >= 0 else 128 - status


def _wait(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal sent it to the child too, which decides what to make of it.
            continue
