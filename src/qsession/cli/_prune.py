"""``qsession prune``: what belongs to no test any more, and cassettes of tests that were renamed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qsession.cli._given import existing
from qsession.cli._say import say, say_json
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._shelf import Collected
    from qsession.cli._files._pruning import Left, Moved

_NO_TESTS = 5  # pytest's exit status when it collected none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = (
        "example:\n  qsession prune            # shows what would go, and what may be of a renamed test\n"
        "  qsession prune --rename\n  qsession prune --delete"
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="the cassette folder (default: the one of the tests here)",
    )
    parser.add_argument("--delete", action="store_true", help="delete what is found; without it nothing is")
    parser.add_argument(
        "--rename",
        action="store_true",
        help="give cassettes and layers to the renamed tests and fixtures, where there is no doubt",
    )
    parser.add_argument(
        "--take",
        nargs=2,
        metavar=("CASSETTE", "TEST"),
        help="give one cassette that has no test to a test that has none; a layer to the path of another",
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask pytest for the tests, and look what is left over.

    Returns:
        0 when there is nothing, or it was deleted or moved; 1 else.

    Raises:
        UsageError: If pytest cannot collect the tests here (QS177), there is no
            such folder (QS175), or what is to be taken is no cassette without a test (QS230).
        CassetteError: If a cassette that is to be moved cannot be trusted, something lies where it
            would be moved (QS231), or another process records it (QS219).
    """
    from qsession.cli._files._pruning import delete, left_in, move, taken

    collected = _collected()
    folder = existing(arguments.folder or collected.folder).absolute()
    left = left_in(collected, folder)
    moved: Sequence[Moved] = ()
    if arguments.rename or arguments.take:
        offers = left.sure
        if arguments.take:
            cassette, name = arguments.take
            offers = [taken(left, collected, Path(cassette), name)]
        moved = move(offers, collected)
        left = left_in(collected, folder)
    if arguments.delete:
        delete(left)
    if arguments.json:
        say_json(_document(left, moved) | {"deleted": arguments.delete})
    else:
        _tell(left, moved, deleted=arguments.delete)
    return 1 if left.offers or (left.gone and not arguments.delete) else 0


def _document(left: Left, moved: Sequence[Moved]) -> dict[str, object]:
    from qsession._store import display

    return {
        "cassettes": [display(path) for path in left.orphans],
        "layers": [display(path) for path in left.layers],
        "bodies": [display(path) for path in left.bodies],
        "offered": [
            {"path": display(each.path), "to": [taker.name for taker in each.takers], "sure": each.is_sure}
            for each in left.offers
        ],
        "moved": [{"path": display(e.old), "to": display(e.new), "name": e.name} for e in moved],
        "unreadable": list(left.unreadable),
    }


def _tell(left: Left, moved: Sequence[Moved], *, deleted: bool) -> None:
    lines = [*_lines(left, moved)]
    for line in lines:
        say(line)
    if left.gone:
        say("deleted" if deleted else "nothing was deleted; --delete does")
    if left.offers:
        say("what may be somebody's stays; --rename moves it where there is no doubt, --take where you say")
    if not lines:
        say("nothing is left over")


def _lines(left: Left, moved: Sequence[Moved]) -> Iterator[str]:
    from qsession._store import display

    yield from (f"{display(each.old)}: moved to {display(each.new)}, for {each.name}" for each in moved)
    yield from (f"{display(path)}: no test has it" for path in left.orphans)
    for each in left.offers:
        yield f"{display(each.path)}: {each.former} is gone; it may be that of {each.wording} now"
    yield from (f"{display(path)}: no cassette builds on it" for path in left.layers)
    yield from (f"{display(path)}: no cassette refers to it" for path in left.bodies)
    yield from (f"layers and bodies are left alone: {each}" for each in left.unreadable)


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
