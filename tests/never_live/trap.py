"""A TLS server under IBM's names, and scripts that are led to it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from listening import Listener

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Trap:
    """A TLS server under IBM's names, and a way to run a script that is led to it."""

    listener: Listener
    environment: dict[str, str]
    folder: Path

    def run(self, script: str, *arguments: object) -> dict[str, object]:
        """Run a script of this folder; what it printed last, as JSON."""
        done = subprocess.run(
            [sys.executable, "-W", "error", str(SCRIPTS / script), *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])
