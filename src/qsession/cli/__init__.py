"""The command line: ``qsession COMMAND``.

Exit status: 0 fine, 1 findings, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from qsession.errors import QSessionError, UsageError

_COMMANDS = {
    "demo": "record one Bell session against the emulator, replay it offline, show its timeline",
    "serve": "run the emulator as an HTTP server on this machine",
    "emulate": "run a command with an emulator up and the way to IBM led to it",
    "accept": "make what a failed run recorded the cassette, without QPU time",
    "replay": "run a command that is answered from a cassette, with nothing else to reach",
    "show": "show a cassette as a timeline: its head, its jobs with circuits and counts, its states",
    "diff": "tell how two cassettes differ in meaning: circuits, options, states, counts beyond shot noise",
    "lint": "verify every cassette and body of a folder",
    "prune": "show, and with --delete delete, cassettes whose test is gone and bodies that nobody refers to",
    "seal": "accept a reviewed hand edit of cassettes: check them and compute their digests anew",
    "migrate": "take over recordings of vcrpy and pytest-recording, redacted on the way",
    "export": "write a cassette as a self-contained one of plain vcrpy",
    "doctor": "say what would go wrong here; with --close cancel sessions that a killed run left open",
    "redact": "take secrets out of a recording in quarantine, and put it into its place",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments without the program's name; those of the process when None.

    Returns:
        The exit status.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 2
    try:
        return int(arguments.run(arguments))
    except QSessionError as error:
        print(f"qsession: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qsession", description="Record, replay and check IBM Quantum sessions."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=_Formatter
        )
        # Modules of commands are light; what a command needs it imports when it runs.
        import_module(f"qsession.cli._{name}").add_arguments(command)
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the example at the end of a command's help as it is written."""
