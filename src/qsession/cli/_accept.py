"""``qsession accept``: what a failed run recorded becomes the cassette, without QPU time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from qsession._clock import isoformat
from qsession._config import did_you_mean
from qsession._custody import Rejected, listed
from qsession.cli._say import say, say_json
from qsession.errors import CassetteError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession accept tests/test_bell.py::test_bell"
    parser.add_argument(
        "test",
        nargs="?",
        metavar="TEST",
        help="test id, or cassette; without it: list all",
    )
    parser.add_argument("--folder", type=Path, default=Path(".qsession"), help="where failed runs are kept")
    parser.add_argument(
        "--replace", action="store_true", help="also where the cassette was changed after the run had failed"
    )
    parser.add_argument("--json", action="store_true", help="print what it is, and what was done, as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show what was kept aside; make one of it a cassette.

    Returns:
        0 when it was listed or accepted.

    Raises:
        UsageError: If there is none of this name (QS169).
        CassetteError: If it cannot be read (QS202 to QS206), or the cassette was changed
            meanwhile (QS217).
    """
    kept = list(listed(arguments.folder))
    if arguments.test is None:
        return _list(kept, as_json=arguments.json)
    one = _named(arguments.test, kept)
    told = _told(one)
    if not arguments.json:
        _show(told)
        # What it is stands there before anything is changed.
        sys.stdout.flush()
    if one.is_outdated and not arguments.replace:
        raise _changed(one)
    one.accept()
    if arguments.json:
        say_json(told | {"accepted": True})
    else:
        say(f"accepted: {one.note.cassette}")
    return 0


def _list(kept: Sequence[Rejected], *, as_json: bool) -> int:
    told = [_told(each) for each in kept]
    if as_json:
        say_json({"rejected": told})
    elif not told:
        say("no failed run was kept aside")
    else:
        for each in told:
            _show(each)
    return 0


def _named(name: str, kept: Sequence[Rejected]) -> Rejected:
    path = Path(name).absolute()
    for each in kept:
        if name in {each.note.test, each.note.cassette} or path in {each.cassette, each.path.absolute()}:
            return each
    known = [each.note.test or each.note.cassette for each in kept]
    raise UsageError(
        "QS169",
        "No failed run of this test was kept aside.",
        evidence=[f"{name!r}; {did_you_mean(name, known)}" if known else f"{name!r}; there is none at all"],
        fix="qsession accept, without a test, lists what there is",
    )


def _told(one: Rejected) -> dict[str, object]:
    recording = one.recording()
    head = recording.provenance
    return {
        "test": one.note.test,
        "cassette": one.note.cassette,
        "target": head.target,
        "recorded_at": isoformat(head.recorded_at),
        "failed_at": one.note.at,
        "failed": one.note.failed,
        "qpu_seconds": head.qpu_seconds,
        "interactions": len(recording.interactions),
        "cassette_changed_since": one.is_outdated,
    }


def _show(told: dict[str, object]) -> None:
    say(str(told["test"] or told["cassette"]))
    say(f"  would become {told['cassette']}")
    seconds = told["qpu_seconds"]
    say(f"  recorded at {told['recorded_at']} from {told['target']}, QPU seconds used: {seconds:.1f}")
    say(f"  interactions: {told['interactions']}")
    say(f"  failed at {told['failed_at']}: {told['failed'] or 'nobody says why'}")
    if told["cassette_changed_since"]:
        say("  the cassette was changed after that")


def _changed(one: Rejected) -> CassetteError:
    return CassetteError(
        "QS217",
        "The cassette was changed after the run had failed: it may be the newer one. It was left as it is.",
        evidence=[f"failed at {one.note.at}"],
        fix="look at both; qsession accept --replace takes what the failed run recorded",
        where=one.note.cassette,
    )
