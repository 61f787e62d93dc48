"""Runs a benchmark that is a script of its own and writes JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def run_script(name: str, *options: str) -> dict[str, Any]:
    """What a script beside this one writes with ``--json``."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        command = [sys.executable, str(Path(__file__).parent / name), *options, "--json", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(file.read_text())
    return found
