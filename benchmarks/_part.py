"""Runs one part in this process: ``python -m benchmarks._part NAME FILE [--quick]``."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Measure, and write what was found as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._part")
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    findings = import_module(f"benchmarks.{options.name}").measure(quick=options.quick)
    options.file.write_text(json.dumps(findings.as_dict()))


if __name__ == "__main__":
    main()
