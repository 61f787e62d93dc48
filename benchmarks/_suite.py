"""IBM's own tests: fetched from the source distribution of the client, never kept in this repository.

What is fetched lies below ``.qsession/suite``, which git ignores.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

CLIENT = "qiskit-ibm-runtime"
FOLDER = Path(".qsession") / "suite"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test.

    Attributes:
        file: Its file below ``test``, such as ``integration/test_session.py``.
        name: Class and name, parameters included.
        outcome: ``passed``, ``failed`` or ``skipped``.
        reason: Why not, in the words of the report; empty for one that passed.
    """

    file: str
    name: str
    outcome: str
    reason: str = ""

    @property
    def ident(self) -> str:
        """What the list of expected failures calls it."""
        return f"{self.file}::{self.name}"


def fetch(client: str | None = None) -> Path:
    """The folder with the client's own ``test`` package; downloaded once for each version.

    Args:
        client: The version; the installed one when None.

    Raises:
        RuntimeError: If pip cannot fetch the source distribution, or it holds no tests.
    """
    client = client or version(CLIENT)
    home = FOLDER.absolute() / client
    if not (home / "test").is_dir():
        with TemporaryDirectory() as name:
            _unpack(_download(client, Path(name)), home)
    return home


def _download(client: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", CLIENT, "--dest", str(folder), f"{CLIENT}=={client}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.tar.gz"))
    if not found:
        said = ended.stderr[-1000:]
        raise RuntimeError(f"pip fetched no source distribution of {CLIENT} {client}:\n{said}")
    return found[0]


def _unpack(archive: Path, home: Path) -> None:
    # Tests and their settings only: the client itself is the installed one.
    with TemporaryDirectory() as name, tarfile.open(archive) as packed:
        packed.extractall(name, filter="data")
        (root,) = Path(name).iterdir()
        if not (root / "test").is_dir():
            raise RuntimeError(f"{archive.name} holds no tests")
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "pyproject.toml", home)
        shutil.copytree(root / "test", home / "test", dirs_exist_ok=True)


def verdicts(junit: Path) -> list[Verdict]:
    """What a junit file says, one verdict for each test: reports of subtests count with theirs."""
    found: dict[tuple[str, str], Verdict] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        verdict = _verdict(case)
        known = found.get((verdict.file, verdict.name))
        if known is None or _WORST.index(verdict.outcome) > _WORST.index(known.outcome):
            found[verdict.file, verdict.name] = verdict
    return list(found.values())


_WORST = ("passed", "skipped", "failed")


def _verdict(case: ElementTree.Element) -> Verdict:
    module, _, kind = case.get("classname", "").rpartition(".")
    file = module.removeprefix("test.").replace(".", "/") + ".py"
    name = f"{kind}::{case.get('name', '')}"
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if (said := case.find(tag)) is not None:
            return Verdict(file, name, outcome, (said.get("message") or "").strip())
    return Verdict(file, name, "passed")
