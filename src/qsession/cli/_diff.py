"""``qsession diff``: how two cassettes differ in meaning."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from qsession.cli._say import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = (
        "example:\n  qsession diff old.yaml new.yaml\n"
        "  git difftool --no-prompt --extcmd 'qsession diff' -- cassettes"
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="the older cassette")
    parser.add_argument("new", type=Path, metavar="NEW", help="the newer cassette")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("cassettes"),
        help="where large bodies are, for a copy that lies elsewhere (default: cassettes)",
    )
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare.

    Returns:
        0 when they mean the same, but for shot noise; 1 else.

    Raises:
        CassetteError: If one cannot be read or trusted.
    """
    from qsession.cli._files._comparing import compare
    from qsession.cli._files._opening import open_cassette

    old, new = (open_cassette(path, folder=arguments.folder) for path in (arguments.old, arguments.new))
    found = list(compare(old, new))
    matters = any(each.matters for each in found)
    if arguments.json:
        say_json({"same": not matters, "differences": [asdict(each) for each in found]})
        return int(matters)
    for each in found:
        say(f"{each.place}: {each.text}")
    if not found:
        print("the same, but for ids and moments")
    return int(matters)
