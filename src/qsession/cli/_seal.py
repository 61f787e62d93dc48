"""``qsession seal``: accept a reviewed hand edit."""

from __future__ import annotations

import argparse
from pathlib import Path

from qsession.cli._given import write
from qsession.cli._say import say, say_json
from qsession.errors import CassetteError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession seal cassettes/test_bell/test_bell.yaml"
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="cassettes that were edited")
    parser.add_argument("--json", action="store_true", help="print what was accepted as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check all, then write those that changed.

    Returns:
        0.

    Raises:
        UsageError: If one cannot be read (QS175).
        CassetteError: If one cannot be trusted, or holds what redaction takes out (QS226);
            then none is written.
    """
    sealed = [_sealed(path) for path in arguments.files]
    from qsession._store import display

    rows = []
    for path, text, changed in sealed:
        if changed:
            write(path, text)
        rows.append({"file": display(path), "changed": list(changed)})
    if arguments.json:
        say_json({"sealed": rows})
        return 0
    for row in rows:
        say(f"{row['file']}: {'; '.join(row['changed']) or 'nothing was edited'}")
    return 0


def _sealed(path: Path) -> tuple[Path, str, tuple[str, ...]]:
    from qsession import _cassette
    from qsession._store import display
    from qsession.cli._files._hygiene import secrets_in
    from qsession.cli._files._opening import open_cassette, read_text

    where = display(path)
    text, changed = _cassette.resealed(read_text(path), where=where)
    # All that a replay would find wrong is found now, in large bodies too.
    if found := list(secrets_in(open_cassette(path, text=text))):
        raise CassetteError(
            "QS226",
            "The edited cassette holds something that redaction takes out. It was not sealed.",
            evidence=found,
            fix="take it out by hand, or record again with pytest --qsession-record",
            where=where,
        )
    return path, text, changed
