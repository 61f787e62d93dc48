"""Runs of pytest in processes of their own, forked from this one, which has imported everything already.

    python -m benchmarks._suite_alone LIST

LIST is a file of JSON: for each process pytest's arguments, and the file for what became of the tests. What
there is to import a first process finds out, which collects all files and runs the first of the list. A
process that ends without a word about its tests is told on stderr.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks._suite_told import TOLD

_SUITE = ("test", "conftest", "__main__")
_AT_ONCE = os.cpu_count() or 1


def main(arguments: Sequence[str]) -> int:
    """Fork for each entry of the list."""
    wanted = json.loads(Path(arguments[0]).read_text("utf-8"))
    _import_what_is_used(wanted[0][0])
    running = 0
    for options, told in wanted:
        if running == _AT_ONCE:
            os.wait()
            running -= 1
        _fork(_pytest, options, told)
        running += 1
    for _ in range(running):
        os.wait()
    for options, told in wanted:
        if not Path(told).exists():
            print(f"ended early: {options}", file=sys.stderr)
    return 0


def _import_what_is_used(options: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        found = Path(name) / "modules.json"
        _fork(_look, options, str(found))
        os.wait()
        for module in json.loads(found.read_text("utf-8")):
            # Some are nothing without what imported them.
            with contextlib.suppress(Exception):
                importlib.import_module(module)


def _look(options: Sequence[str], found: str) -> None:
    os.environ[TOLD] = os.devnull
    kept = [each for each in options if "::" not in each]
    pytest.main([*kept, "--collect-only", "test/integration", "--continue-on-collection-errors"])
    pytest.main([*options])
    there = {name for name, module in sys.modules.items() if module is not None}
    outside = sorted(name for name in there if name.partition(".")[0] not in _SUITE)
    Path(found).write_text(json.dumps(outside), "utf-8")


def _pytest(options: Sequence[str], told: str) -> None:
    os.environ[TOLD] = told
    pytest.main([*options])


def _fork(run: Callable[[Sequence[str], str], None], options: Sequence[str], told: str) -> None:
    sys.stdout.flush()
    if os.fork():
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        run(options, told)
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
