"""What is refused before a run begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qsession._config import (
    did_you_mean,
)
from qsession._plan._marks import Item
from qsession.errors import UsageError

if TYPE_CHECKING:
    pass


def too_wide(fixture: str, scope: str, asked: str, nodeid: str) -> UsageError:
    """A fixture of wider scope asks for one of ours."""
    return UsageError(
        "QS107",
        f"The fixture {fixture!r} outlives the run that it asks for.",
        evidence=[f"{fixture!r} has scope {scope!r}, {asked!r} belongs to one test (scope 'function')"],
        fix=f"give {fixture!r} the scope 'function'",
        where=nodeid,
    )


def no_backend(names: Sequence[str], nodeid: str) -> UsageError:
    """Nobody said on which backend to spend QPU time."""
    return UsageError(
        "QS112",
        "No backend was named, and against the service none is chosen for you.",
        evidence=[f"your instance has: {', '.join(sorted(names)) or 'none'}"],
        fix=f"--qsession-backend={sorted(names)[0] if names else 'NAME'}",
        where=nodeid,
    )


def unknown_backend(name: str, names: Sequence[str], nodeid: str, mode: str) -> UsageError:
    """The account has no backend of this name, or the recording none."""
    if mode == "replay":
        evidence = [f"{name!r} is not in the recording"]
        fix = "name the backend that was recorded, or record again with --qsession-record"
    else:
        evidence = [f"{name!r}; {did_you_mean(name, sorted(names))}"]
        fix = "name another with --qsession-backend=NAME, in the marker, or in QISKIT_IBM_QPU"
    return UsageError("QS115", "There is no backend of this name.", evidence=evidence, fix=fix, where=nodeid)


def one_for_two(path: Path, root: Path, one: Item, other: Item) -> UsageError:
    """Two tests have one cassette."""
    return UsageError(
        "QS109",
        "Two tests would write the same cassette, each over the other's. Nothing was recorded.",
        evidence=[f"both write {os.path.relpath(path, root)}", one.nodeid, other.nodeid],
        fix="leave cassette= out of the marker, or give each test a name (ids=... for parameters) of its own",
    )
