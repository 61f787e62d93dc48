"""Programs that are led to an emulator as ``qsession emulate`` leads them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from qsession._child import _led
from qsession._loopback._authority import Authority
from qsession.emulator import EmulatorServer

KEY = "key-of-this-test-run-only"

# What would give the programs an account, lead them elsewhere, or run them differently.
_LEFT_OUT = ("QISKIT_IBM", "IAM_", "GLOBAL_", "PYTEST_", "COV_", "QSESSION_", "PYTHONPATH", "CI")


@dataclass
class Leader:
    """Runs programs in an environment that leads them."""

    server: EmulatorServer
    log: io.StringIO
    authority: Authority
    folder: Path

    def environment(self, *, secure: bool = False, **more: str) -> dict[str, str]:
        """The environment of a program, with a home of its own."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        to = _led.Destination(
            port=self.server.port,
            key=KEY,
            instance=self.server.emulator.instances[0].crn,
            backend="ibm_fez",
            certificate=self.authority.certificate,
            fingerprint=self.authority.fingerprint,
        )
        inherited = plain | {"HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"} | more
        return _led.environment(inherited, to, folder=self.folder, secure=secure)

    def run(
        self, program: str, *options: str, secure: bool = False, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program given as text."""
        command = [sys.executable, "-W", "ignore", *options, "-c", program]
        environment = self.environment(secure=secure, **more)
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    def calls(self) -> list[str]:
        """Method and path of what was asked since the last time."""
        lines = self.log.getvalue().splitlines()
        self.log.truncate(0)
        self.log.seek(0)
        return [" ".join(line.split()[1:3]) for line in lines]
