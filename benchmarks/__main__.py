"""``python -m benchmarks``: every part in a process of its own, then one table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._findings import Findings, findings_from
from benchmarks._measuring import stopped
from benchmarks._plots import draw
from benchmarks._report import Report, changes, page, read, report_of, table, write

PARTS = (
    "replay_cost",
    "polling",
    "waits",
    "device_tests",
    "cassette_load",
    "plugin",
    "clock_cost",
    "recordings_twice",
    "seam",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure or read, print, and write what was asked for."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    report = read(options.from_) if options.from_ else _measured(options.parts or PARTS, quick=options.quick)
    print("\n".join(table(report)))
    if options.json:
        write(report, options.json)
    if options.compare:
        print(f"\nRatios, {options.compare} -> now")
        print("\n".join(changes(report, read(options.compare))))
    folder = options.plots or (options.page.parent if options.page else None)
    drawn = [path for found in report.parts.values() for path in draw(found, folder)] if folder else []
    if options.page:
        plots = [Path(os.path.relpath(path, options.page.parent)).as_posix() for path in drawn]
        options.page.write_text(page(report, plots), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="qsession beside what else one could use, in one run, as ratios.",
        epilog="example:\n  python -m benchmarks --quick --json now.json --compare before.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    add("--quick", action="store_true", help="fewer rounds and smaller peers: two minutes")
    add("--json", type=Path, metavar="FILE", help="write what was found")
    add("--from", type=Path, metavar="FILE", dest="from_", help="measure nothing, read what was written")
    add("--compare", type=Path, metavar="FILE", help="print how the ratios changed since that run")
    add("--plots", type=Path, metavar="DIR", help="draw into this folder")
    add("--page", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser


def _measured(parts: Sequence[str], *, quick: bool) -> Report:
    found: dict[str, Findings] = {}
    failed: dict[str, str] = {}
    for name in parts:
        with stopped() as watch:
            result = _part(name, quick=quick)
        print(f"{name}: {watch.seconds:.0f} s", file=sys.stderr, flush=True)
        if isinstance(result, str):
            failed[name] = result
        else:
            found[name] = result
    return report_of(found, failed, quick=quick)


def _part(name: str, *, quick: bool) -> Findings | str:
    """What a part found, or the end of what it said when it failed."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        # A warning that stands between two polls would be measured too.
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks._part", name, str(file)]
        command += ["--quick"] if quick else []
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode == 0:
            return findings_from(json.loads(file.read_text()))
    print(ended.stderr, file=sys.stderr)
    return next(iter(reversed(ended.stderr.strip().splitlines())), f"exit status {ended.returncode}")


if __name__ == "__main__":
    main()
