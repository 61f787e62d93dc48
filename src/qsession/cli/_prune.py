"""``qsession prune``: cassettes whose test is gone, and bodies that nobody refers to."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qsession.cli._given import existing
from qsession.cli._say import say, say_json
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._shelf import Collected

_NO_TESTS = 5  # pytest's exit status when it collected none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession prune            # shows what would go\n  qsession prune --delete"
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="the cassette folder (default: the one of the tests here)",
    )
    parser.add_argument("--delete", action="store_true", help="delete what is found; without it nothing is")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask pytest for the tests, and look what is left over.

    Returns:
        0 when there is nothing, or it was deleted; 1 else.

    Raises:
        UsageError: If pytest cannot collect the tests here (QS177), or there is no
            such folder (QS175).
    """
    from qsession._shelf import orphans
    from qsession._store import display
    from qsession.cli._files._hygiene import unused_bodies

    collected = _collected()
    folder = existing(arguments.folder or collected.folder)
    gone = [path for path in orphans(collected) if path.is_relative_to(folder.absolute())]
    bodies, unreadable = unused_bodies(folder, without=gone)
    if unreadable:
        # What an unreadable cassette refers to, nobody knows.
        bodies = ()
    if arguments.delete:
        for path in (*gone, *bodies):
            path.unlink()
    cassettes, left = [display(path) for path in gone], [display(path) for path in bodies]
    if arguments.json:
        told = {"cassettes": cassettes, "bodies": left, "unreadable": list(unreadable)}
        say_json(told | {"deleted": arguments.delete})
    else:
        _tell(cassettes, left, unreadable, deleted=arguments.delete)
    return 1 if (gone or bodies) and not arguments.delete else 0


def _tell(
    cassettes: Sequence[str], bodies: Sequence[str], unreadable: Sequence[str], *, deleted: bool
) -> None:
    lines = [f"{path}: no test has it" for path in cassettes]
    lines += [f"{path}: no cassette refers to it" for path in bodies]
    lines += [f"bodies are left alone: {each}" for each in unreadable]
    for line in lines:
        say(line)
    end = "deleted" if deleted else "nothing was deleted; --delete does"
    say(end if lines else "nothing is left over")


def _collected() -> Collected:
    from qsession._shelf import read

    with tempfile.TemporaryDirectory(prefix="qsession-prune-") as name:
        target = Path(name) / "collected.json"
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            command,
            env=os.environ | {"QSESSION_COLLECTED": str(target)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, _NO_TESTS) or not target.exists():
            raise UsageError(
                "QS177",
                "pytest could not collect the tests here, so nobody knows which cassettes they have.",
                evidence=(done.stdout + done.stderr).strip().splitlines()[-5:],
                fix="make 'pytest --collect-only' work, in the folder of the configuration",
            )
        return read(target)
