"""``qsession lint``: verify every cassette and body of a folder."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from qsession.cli._given import existing
from qsession.cli._say import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession lint cassettes"
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("cassettes"),
        metavar="FOLDER",
        help="the cassette folder (default: cassettes)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look. Nothing is changed.

    Returns:
        0 when nothing is wrong, 1 else.

    Raises:
        UsageError: If there is no such folder (QS175).
    """
    from qsession.cli._files._hygiene import check

    checked = check(existing(arguments.folder))
    if arguments.json:
        say_json(asdict(checked))
    else:
        for finding in (*checked.findings, *checked.notices):
            code = f" [{finding.code}]" if finding.code else ""
            say(f"{finding.path}: {finding.kind}: {finding.text}{code}")
        found = f"{len(checked.findings)} findings, {len(checked.notices)} notices"
        say(f"{checked.cassettes} cassettes, {checked.bodies} bodies, {found}")
    return 1 if checked.findings else 0
