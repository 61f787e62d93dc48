"""Virtual environments with this checkout and one release of the client, made once.

They lie below ``.qsession/clients``, which git ignores, about 450 MB each.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".qsession" / "clients"
CLIENT = "qiskit-ibm-runtime"


@dataclass(frozen=True, slots=True)
class Home:
    """An environment.

    Attributes:
        release: The release of the client in it.
        python: The version of its Python, such as ``3.11``.
        folder: Where it lies.
    """

    release: str
    python: str
    folder: Path

    def program(self, name: str = "python") -> str:
        """The path of a program in it."""
        return str(self.folder / "bin" / name)

    def versions(self) -> dict[str, str]:
        """The version of each package in it that says what a row is about."""
        code = (
            "import json; from importlib.metadata import version as v; "
            f"print(json.dumps({{name: v(name) for name in ('qiskit', {CLIENT!r})}}))"
        )
        said = subprocess.run([self.program(), "-c", code], check=True, capture_output=True, text=True)
        return dict(json.loads(said.stdout))


def pythons() -> dict[str, str]:
    """The interpreters at hand that qsession supports, the one that runs first: version and path."""
    found = {".".join(map(str, sys.version_info[:2])): sys.executable}
    for version in ("3.11", "3.12", "3.13"):
        path = shutil.which(f"python{version}")
        # A shim of pyenv is there for versions that it does not give.
        if path and version not in found and _runs(path):
            found[version] = path
    return found


def _runs(path: str) -> bool:
    return (
        subprocess.run([path, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode
        == 0
    )


def home(release: str, python: str, interpreter: str, *, pip: Sequence[str] = ()) -> Home:
    """The environment with this release, made if it is not there or what qsession requires has changed.

    Args:
        release: Of the client.
        python: Version of the interpreter.
        interpreter: Its path.
        pip: More options for ``pip install``.

    Raises:
        RuntimeError: If pip finds no versions that fit; with what it said.
    """
    made = Home(release, python, FOLDER / f"{release}-python{python}")
    ready, state = made.folder / "ready", _state()
    if not ready.exists() or ready.read_text() != state:
        shutil.rmtree(made.folder, ignore_errors=True)
        _make(made, interpreter, pip)
        ready.write_text(state)
    return made


def _state() -> str:
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def _make(made: Home, interpreter: str, pip: Sequence[str]) -> None:
    subprocess.run([interpreter, "-m", "venv", str(made.folder)], check=True)
    command = [made.program(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pip]
    command += ["--editable", f"{ROOT}[emulator]", f"{CLIENT}=={made.release}"]
    # Constraints of this machine are about the client that is tested everywhere else.
    kept = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    ended = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = "\n".join(line for line in ended.stderr.splitlines() if line.startswith("ERROR"))
        raise RuntimeError(f"pip installs no {CLIENT} {made.release}:\n{said or ended.stderr[-1500:]}")
