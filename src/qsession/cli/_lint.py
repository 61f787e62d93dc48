"""``qsession lint``: verify every cassette and body of a folder."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from qsession._escaped import one_line
from qsession.errors import UsageError


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
        print(json.dumps(asdict(checked)))
    else:
        for finding in checked.findings:
            code = f" [{finding.code}]" if finding.code else ""
            print(one_line(f"{finding.path}: {finding.kind}: {finding.text}{code}", most=2000))
        print(f"{checked.cassettes} cassettes, {checked.bodies} bodies, {len(checked.findings)} findings")
    return 1 if checked.findings else 0


def existing(folder: Path) -> Path:
    """The folder, if it is there.

    Raises:
        UsageError: If it is none (QS175).
    """
    if not folder.is_dir():
        raise UsageError(
            "QS175",
            "There is no such folder.",
            evidence=[str(folder)],
            fix="name the folder of the cassettes, for example: qsession lint cassettes",
        )
    return folder
