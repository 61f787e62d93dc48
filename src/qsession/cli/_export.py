"""``qsession export``: a cassette as a self-contained one of plain vcrpy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qsession.cli._given import write
from qsession.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession export cassettes/test_bell/test_bell.yaml --output bell-vcrpy.yaml"
    parser.add_argument("cassette", type=Path, metavar="CASSETTE", help="the file")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the file to write (default: standard output)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write.

    Returns:
        0.

    Raises:
        UsageError: If the cassette cannot be read (QS175), or the output would replace it (QS176).
        CassetteError: If the cassette or what it builds on cannot be trusted or is missing (QS246),
            or the output not be written (QS208).
    """
    from qsession.cli._files._plain import plain
    from qsession.cli._files._whole import whole

    output: Path | None = arguments.output
    if output is not None and output.resolve() == arguments.cassette.resolve():
        raise UsageError(
            "QS176",
            "The export would replace the cassette itself.",
            evidence=[str(output)],
            fix="name another file with --output",
        )
    text = plain(whole(arguments.cassette))
    if output is None:
        # As it is: what is written is a file's content and not for a terminal.
        sys.stdout.buffer.write(text.encode())
    else:
        write(output, text)
    return 0
