"""``qsession migrate``: recordings of vcrpy and pytest-recording, taken over."""

from __future__ import annotations

import argparse
from pathlib import Path

from qsession.cli._say import say, say_json
from qsession.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = (
        "example:\n  qsession migrate tests/cassettes/test_bell/test_bell.yaml\n"
        "  # writes cassettes/tests/test_bell/test_bell.yaml; the old file stays"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="cassettes of vcrpy")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("cassettes"),
        metavar="FOLDER",
        help="the cassette folder to write to (default: cassettes)",
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take over, file by file.

    Returns:
        0.

    Raises:
        UsageError: If a file cannot be read (QS175), or one to write is there already (QS229).
        CassetteError: If a file cannot be taken over (QS228), or a secret would be
            written (QS207).
    """
    from qsession._store import Store, display
    from qsession.cli._files._opening import read_text
    from qsession.cli._files._taking_over import take_over, written_at

    store = Store(arguments.output, Path(".qsession"))
    pairs = [(path, _target(path, arguments.output)) for path in arguments.files]
    rows = []
    for path, target in pairs:
        taken = take_over(read_text(path), written_at(path.stat().st_mtime), display(path))
        if taken.recording is not None:
            _check_free(target)
            store.save(target, taken.recording, taken.redactor)
        written = display(target) if taken.recording is not None else ""
        rows.append({"file": display(path), "written": written, "notes": taken.notes})
    if arguments.json:
        say_json({"migrated": rows})
        return 0
    for row in rows:
        say(f"{row['file']}: {row['written'] or 'nothing written'}")
        for note in row["notes"]:
            say(f"  {note}")
    return 0


def _target(path: Path, folder: Path) -> Path:
    """Where the recording of a test goes: as ours are called, without the folder of the old ones."""
    parts = path.parts
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        parts = path.relative_to(Path.cwd()).parts
    elif path.is_absolute() or ".." in parts:
        parts = (path.name,)
    kept = [part for part in parts if part != "cassettes"]
    return folder.joinpath(*kept).with_suffix(".yaml")


def _check_free(target: Path) -> None:
    if target.exists():
        raise UsageError(
            "QS229",
            "There is a file already where the recording would be written. It was left as it is.",
            evidence=[str(target)],
            fix="name another folder with --output, or move that file away",
        )
