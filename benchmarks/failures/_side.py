"""One side of one experiment, in this process: ``python -m benchmarks.failures._side NAME stock|ours``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.failures._lab import Experiment, Lab, Seen

MODULES = ("_damages", "_jobs", "_live", "_plugin", "_secrets", "_sizes", "_time")


def experiments() -> Mapping[str, tuple[Experiment, Experiment]]:
    """Stock's side and ours of each, by name."""
    found: dict[str, tuple[Experiment, Experiment]] = {}
    for module in MODULES:
        found |= import_module(f"benchmarks.failures.{module}").EXPERIMENTS
    return found


def done(name: str, side: str, *, quick: bool) -> Seen:
    """Do one side of an experiment in this process, in a folder of its own."""
    experiment = experiments()[name][("stock", "ours").index(side)]
    here = Path.cwd()
    with TemporaryDirectory(prefix="failures-") as folder:
        os.chdir(folder)
        try:
            return experiment(Lab(Path(folder), quick))
        finally:
            os.chdir(here)


def main() -> None:
    """Do it, and print what was seen as JSON, last."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failures._side")
    parser.add_argument("name")
    parser.add_argument("side", choices=("stock", "ours"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(json.dumps(asdict(done(options.name, options.side, quick=options.quick))))


if __name__ == "__main__":
    main()
