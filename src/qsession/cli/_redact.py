"""``qsession redact``: takes secrets out of a recording in quarantine, and puts it into its place."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from qsession.cli._given import readable
from qsession.cli._say import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession redact .qsession/rejected/test_bell/test_bell.quarantine --cut"
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording in quarantine")
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="RULE",
        help="a kind or a regular expression that is taken out too; may be given several times",
    )
    parser.add_argument(
        "--cut", action="store_true", help="take out the whole text that a secret lies in, a circuit too"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the cassette although it changed meanwhile"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Clean, prove, put in place; without a rule and without --cut say what is there.

    Returns:
        0 when the cassette is written, 1 when it is only told what is there.

    Raises:
        UsageError: If the file cannot be read (QS175), or a rule not be used (QS170).
        CassetteError: As of `quarantine.read` and `quarantine.release`.
    """
    from qsession._custody import quarantine
    from qsession._redaction import rules
    from qsession._store import display

    wanted, file = rules(arguments.rule, origin="--rule"), readable(arguments.file)
    if arguments.rule or arguments.cut:
        written = quarantine.release(file, wanted, cut=arguments.cut, force=arguments.force)
        return _told(display(written), [], as_json=arguments.json)
    held = quarantine.read(file)
    return _told(held.cassette, held.told, as_json=arguments.json)


def _told(cassette: str, findings: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        say_json({"cassette": cassette, "findings": findings})
    elif findings:
        say(f"{cassette} would hold:")
        for line in findings:
            say(f"  {line}")
        say("To fix: --cut takes out the whole texts, --rule what a regular expression names")
    else:
        say(f"written: {cassette}")
    return 1 if findings else 0
