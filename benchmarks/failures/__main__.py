"""``python -m benchmarks.failures``: what record and replay fails at, with stock vcrpy and with qsession.

Exit status 1 if qsession's side is wrong, or if stock does not show a failure any more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path

from benchmarks.failures._lab import Seen, outside
from benchmarks.failures._page import Both, page
from benchmarks.failures._rows import Row, rows
from benchmarks.failures._side import done

SIDES = ("stock", "ours")
_LONGEST = 900


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the experiments, print what was seen, say what is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    chosen = [row for row in rows() if row.is_shown and row.name in (options.names or [row.name])]
    if unknown := sorted(set(options.names) - {row.name for row in chosen}):
        parser.error(
            f"no experiment {', '.join(unknown)}; there are {', '.join(r.name for r in rows() if r.is_shown)}"
        )
    found: dict[str, Both] = {}
    day = datetime.now(UTC).date()
    if options.from_:
        found, options.quick, day = _read(options.from_)
    if options.names or not options.from_:
        found |= _seen(chosen, options)
    if options.json:
        _write(options.json, found, quick=options.quick, day=day)
    if options.page:
        options.page.write_text(page(found, quick=options.quick, day=day), "utf-8")
    wrong = [line for row in chosen if row.name in found for line in row.findings(*found[row.name])]
    print(f"{len(found)} experiments, {len(wrong)} findings")
    for line in wrong:
        print(f"FINDING {line}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.failures",
        description="What record and replay fails at: each experiment with stock vcrpy and with qsession.",
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="of experiments (default: all)")
    add("--quick", action="store_true", help="smaller experiments where there are any")
    add("--here", action="store_true", help="in this process, in the place of one for each side: faster")
    add("--page", type=Path, metavar="FILE", help="write the page of the documentation")
    add("--json", type=Path, metavar="FILE", help="write what was seen")
    add(
        "--from",
        type=Path,
        metavar="FILE",
        dest="from_",
        help="read what was written, and do only what is named",
    )
    return parser


def _seen(chosen: Sequence[Row], options: argparse.Namespace) -> dict[str, Both]:
    found: dict[str, Both] = {}
    for row in chosen:
        if row.plugin and not find_spec("pytest_recording"):
            print(f"{row.name}: not done: pytest-recording is not installed (the extra `bench`)")
            continue
        stock, ours = (_side(row.name, side, options) for side in SIDES)
        found[row.name] = (stock, ours)
        print(f"{row.name}: {row.what}\n  stock: {stock.words}\n  qsession: {ours.words}", flush=True)
    return found


def _side(name: str, side: str, options: argparse.Namespace) -> Seen:
    if options.here:
        return done(name, side, quick=options.quick)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.failures._side", name, side]
    command += ["--quick"] if options.quick else []
    ended = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=outside(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST,
    )
    if ended.returncode:
        raise RuntimeError(f"{name}, {side}: exit status {ended.returncode}\n{ended.stderr[-3000:]}")
    return Seen(**json.loads(ended.stdout.splitlines()[-1]))


def _write(path: Path, found: Mapping[str, Both], *, quick: bool, day: date) -> None:
    both = {name: [asdict(side) for side in sides] for name, sides in found.items()}
    path.write_text(
        json.dumps({"quick": quick, "day": day.isoformat(), "found": both}, indent=1) + "\n", "utf-8"
    )


def _read(path: Path) -> tuple[dict[str, Both], bool, date]:
    document = json.loads(path.read_text("utf-8"))
    found = {name: (Seen(**stock), Seen(**ours)) for name, (stock, ours) in document["found"].items()}
    return found, bool(document["quick"]), date.fromisoformat(document["day"])


if __name__ == "__main__":
    sys.exit(main())
