"""``qsession seal``: accept a reviewed hand edit."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from qsession._escaped import one_line
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
        CassetteError: If one cannot be read, or holds what redaction takes out (QS226);
            then none is written.
    """
    sealed = [_sealed(path) for path in arguments.files]
    from qsession._files import write_whole
    from qsession._store import display

    rows = []
    for path, text, changed in sealed:
        if changed:
            write_whole(path, text.encode())
        rows.append({"file": display(path), "changed": list(changed)})
    if arguments.json:
        print(json.dumps({"sealed": rows}))
        return 0
    for row in rows:
        print(one_line(f"{row['file']}: {'; '.join(row['changed']) or 'nothing was edited'}", most=2000))
    return 0


def _sealed(path: Path) -> tuple[Path, str, tuple[str, ...]]:
    from qsession import _cassette
    from qsession._kept import references
    from qsession._store import bodies_of, display, read_text
    from qsession.cli._files._hygiene import secrets_in

    fetch, where = bodies_of(path), display(path)
    text, changed = _cassette.resealed(read_text(path), where=where)
    # All that a replay would find wrong is found now.
    recording = _cassette.decode(text, fetch, where=where)
    for reference in sorted(references(recording.interactions)):
        fetch(reference)
    if found := list(secrets_in(recording)):
        raise CassetteError(
            "QS226",
            "The edited cassette holds something that redaction takes out. It was not sealed.",
            evidence=found,
            fix="take it out by hand, or record again with pytest --qsession-record",
            where=where,
        )
    return path, text, changed
