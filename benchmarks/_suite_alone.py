"""Runs of pytest in processes of their own, forked from this one, which has imported everything already.

    python -m benchmarks._suite_alone LIST

LIST is a file of JSON: for each process pytest's arguments, and the file for what became of the tests. A
process that ends without a word about them is told on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks._suite_told import TOLD

_EARLY = ("_pytest", "qiskit.transpiler", "qiskit.primitives", "qiskit_ibm_runtime", "qsession.pytest_plugin")


def main(arguments: Sequence[str]) -> int:
    """Fork for each entry of the list, one after the other."""
    for name in _EARLY:
        __import__(name)
    for wanted, told in json.loads(Path(arguments[0]).read_text("utf-8")):
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            os.environ[TOLD] = told
            _run(wanted)
        os.waitpid(child, 0)
        if not Path(told).exists():
            print(f"ended early: {wanted}", file=sys.stderr)
    return 0


def _run(arguments: Sequence[str]) -> None:
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        pytest.main([*arguments])
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
