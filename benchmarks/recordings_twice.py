"""Whether two recordings of this project's own cassettes are the same files.

A copy of the working tree is put under git in a temporary folder. There the tests in
``tests/recorded`` are recorded against the emulator twice, and git says what changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._findings import Findings, Row
from benchmarks._measuring import stopped

ROOT = Path(__file__).parent.parent
RECORD = ("tests/recorded", "--qsession-record", "--qsession-target=emulator", "-p", "no:randomly", "-q")
_GIT = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com", "-c", "core.hooksPath=")


def measure(*, quick: bool) -> Findings:
    """Record twice, and ask git after each."""
    if shutil.which("git") is None:
        return Findings(skipped=("git is not installed",))
    with TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        ignored = shutil.ignore_patterns(
            ".git", ".venv", ".qsession", "__pycache__", ".*_cache", "build", "dist"
        )
        shutil.copytree(ROOT, tree, ignore=ignored)
        _git(tree, "init", "--quiet")
        _commit(tree)
        first, changed = _record(tree), _changed(tree)
        _commit(tree)
        _record(tree)
        left = _changed(tree)
    return Findings((_row(left, changed, first),))


def _record(tree: Path) -> float:
    path = os.pathsep.join(filter(None, (str(tree / "src"), os.environ.get("PYTHONPATH"))))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "QSESSION_"))}
    command = [sys.executable, "-m", "pytest", *RECORD]
    with stopped() as watch:
        ended = subprocess.run(
            command, cwd=tree, env=env | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )
    if ended.returncode:
        raise RuntimeError(f"the recording failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return watch.seconds


def _changed(tree: Path) -> list[str]:
    return _git(tree, "status", "--porcelain", "--untracked-files=all", "cassettes").splitlines()


def _commit(tree: Path) -> None:
    _git(tree, "add", "--all")
    _git(tree, "commit", "--quiet", "--allow-empty", "--message", "state")


def _git(tree: Path, *arguments: str) -> str:
    command = ["git", *_GIT, *arguments]
    return subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True).stdout


def _row(left: list[str], changed: list[str], took: float) -> Row:
    return Row(
        "recordings.twice",
        "files that git calls changed after a second recording of the project's cassettes",
        len(left),
        "files",
        bar=0,
        note=f"{len(changed)} changed against the committed ones; a recording took {took:.1f} s",
    )
