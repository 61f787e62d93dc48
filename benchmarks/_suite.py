"""IBM's own tests: fetched from the source distribution of the client, never kept in this repository.

What is fetched lies below ``.qsession/suite``, which git ignores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

CLIENT = "qiskit-ibm-runtime"
FOLDER = Path(".qsession") / "suite"
_WITHOUT = ("no:qsession", "no:randomly", "no:schemathesis", "no:cacheprovider")
PYTEST = (sys.executable, "-m", "pytest", "-q", *(word for name in _WITHOUT for word in ("-p", name)))
"""pytest as their authors run it: without our plugin, and in their order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test.

    Attributes:
        file: Its file below ``test``, such as ``integration/test_session.py``.
        name: Class and name, parameters included.
        outcome: ``passed``, ``failed`` or ``skipped``.
        reason: Why not, in the words of the report; empty for one that passed.
        counts: What a plugin of ours counted in it, such as its ``requests``.
    """

    file: str
    name: str
    outcome: str
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

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
    noted = case.iterfind("properties/property")
    counts = {each.get("name", ""): int(each.get("value", "0")) for each in noted}
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if (said := case.find(tag)) is not None:
            return Verdict(file, name, outcome, (said.get("message") or "").strip(), counts)
    return Verdict(file, name, "passed", counts=counts)


def paths(home: Path, parts: Iterable[str], files: Sequence[str]) -> list[str]:
    """Files of the suite by their names.

    Args:
        home: What `fetch` gave.
        parts: Folders to look into, below it.
        files: Names, such as ``test_session.py``.

    Raises:
        SystemExit: If there is none of a name.
    """
    found = {file: [path for part in parts for path in (home / part).glob(file)] for file in files}
    if unknown := sorted(file for file, places in found.items() if not places):
        raise SystemExit(f"the suite has no file {', '.join(unknown)}")
    return [str(path.relative_to(home)) for places in found.values() for path in places]


def environment() -> dict[str, str]:
    """The environment without what leads the client elsewhere, and with programs of this Python first."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("QISKIT_", "IAM_", "PYTEST_"))}
    programs = str(Path(sys.executable).parent)
    # The client walks the whole call stack at every request unless it is told not to.
    return kept | {"PATH": os.pathsep.join((programs, kept.get("PATH", ""))), "USAGE_DATA_OPT_OUT": "True"}


def reasons(file: Path, *tables: str) -> dict[str, str]:
    """Why each test that does not pass does not, by its id: from tables of a list in TOML."""
    listed: Mapping[str, Mapping[str, str]] = tomllib.loads(file.read_text("utf-8"))
    return {ident: why for name in tables for ident, why in listed.get(name, {}).items()}


def surprises(found: Iterable[Verdict], listed: Mapping[str, str]) -> list[str]:
    """What is not as listed, a line each."""
    lines = []
    for verdict in found:
        if verdict.outcome != "passed" and verdict.ident not in listed:
            lines.append(f"{verdict.outcome} and not listed: {verdict.ident}: {verdict.reason[:200]}")
        if verdict.outcome == "passed" and verdict.ident in listed:
            lines.append(f"passed although listed: {verdict.ident}")
    return lines


def remarks(found: Iterable[Verdict], listed: Mapping[str, str]) -> list[str]:
    """Each test that does not pass with its reason, then what is not as listed."""
    found = list(found)
    missing = [verdict for verdict in found if verdict.outcome != "passed" and verdict.ident in listed]
    lines = [f"{v.outcome}: {v.ident}: {listed[v.ident]}" for v in missing]
    return [*lines, "", *(surprises(found, listed) or ["everything as listed"])]


def by_file(found: Iterable[Verdict]) -> dict[str, Counter[str]]:
    """Outcomes counted, by file."""
    counts: dict[str, Counter[str]] = {}
    for verdict in found:
        counts.setdefault(verdict.file, Counter())[verdict.outcome] += 1
    return counts
