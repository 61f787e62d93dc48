"""What each process of a run may have spent, as files: one a process, written by that process alone.

A share holds ledgers, not sums: whoever reads it counts on to any later moment, whether
its process is busy, stopped or dead.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from qsession._files import remove_torn, write_whole
from qsession._model import Instant
from qsession._money import _messages
from qsession._money._ledger import Job, Ledger, Session
from qsession._money._lives import Life
from qsession.errors import BudgetError

_RUN = re.compile(r"(\d+)-(\d*)-([0-9a-f]{12})")

_Value = TypeVar("_Value", Job, Session, Life)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session or job lives, as far as may be written down.

    Attributes:
        base: Base URL of the API.
        instance: Digest of the CRN of its instance.
    """

    base: str
    instance: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one process may have spent.

    Attributes:
        life: The process.
        settled: QPU seconds of what it began and ended.
        ledgers: What is under way.
        places: Where the things of the ledgers live, by id.
        taken: Names of the shares of dead processes that stand in this one.
    """

    life: Life
    settled: float = 0.0
    ledgers: tuple[Ledger, ...] = ()
    places: Mapping[str, Place] = field(default_factory=lambda: MappingProxyType({}))
    taken: tuple[str, ...] = ()

    def spent(self, at: Instant) -> float:
        """Upper bound by a moment, in QPU seconds."""
        return self.settled + math.fsum(ledger.spent(at) for ledger in self.ledgers)


def write(path: Path, share: Share) -> None:
    """Write a share, whole: a process that is killed meanwhile leaves the former one.

    Raises:
        OSError: If the disk refuses.
    """
    told = {
        "life": asdict(share.life),
        "settled": share.settled,
        "ledgers": [
            {
                "sessions": [asdict(session) for session in ledger.sessions.values()],
                "jobs": [asdict(job) for job in ledger.jobs.values()],
            }
            for ledger in share.ledgers
        ],
        "places": {name: asdict(place) for name, place in share.places.items()},
        "taken": share.taken,
    }
    # A loss of power ends all processes of the run, and the run with them.
    write_whole(path, json.dumps(told).encode(), private=True, lasting=False)


def read(path: Path) -> Share:
    """Read a share.

    Raises:
        FileNotFoundError: If it is not there.
        BudgetError: QS631 if it cannot be understood: it may hold more than anybody agreed to.
    """
    try:
        told = json.loads(path.read_bytes())
        share = Share(
            Life(**told["life"]),
            float(told["settled"]),
            tuple(_ledger(each) for each in told["ledgers"]),
            {name: Place(**place) for name, place in told["places"].items()},
            tuple(told["taken"]),
        )
        # What is of another kind shows when it is counted.
        return share if share.spent(0) >= 0 and share.settled >= 0 else _refuse()
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _messages.unreadable_share(path) from error


def read_all(folder: Path, *, but: Collection[str]) -> Mapping[str, Share]:
    """The shares of a run by the names of their files.

    Args:
        folder: Folder of the run.
        but: Names of the files to leave out: one's own, and what one took over.

    Raises:
        BudgetError: QS631 if one cannot be understood.
    """
    found: dict[str, Share] = {}
    for path in folder.glob("*.json"):
        # One that its heir has just taken over stands in the heir's.
        with suppress(FileNotFoundError):
            if path.name not in but:
                found[path.name] = read(path)
    taken = {name for share in found.values() for name in share.taken}
    return {name: share for name, share in found.items() if name not in taken}


def name_of(life: Life) -> str:
    """What the folder of a run is called, by the process that leads it."""
    return f"{life.pid}-{life.born}-{life.place}"


def sweep(folder: Path, *, but: str) -> None:
    """Remove what runs left of which no process lives.

    Args:
        folder: Where the folders of runs lie.
        but: Name of the one to leave alone.
    """
    remove_torn(folder)
    for run in folder.iterdir():
        found = _RUN.fullmatch(run.name)
        if found is None or run.name == but:
            continue
        lives = [Life(int(found[1]), found[2], found[3])]
        # One that cannot be read may be that of a process that lives.
        with suppress(BudgetError):
            lives += [share.life for share in read_all(run, but=()).values()]
            if all(life.is_over() for life in lives):
                shutil.rmtree(run, ignore_errors=True)


def _ledger(told: Mapping[str, list[Mapping[str, object]]]) -> Ledger:
    sessions = [_value(Session, each) for each in told["sessions"]]
    jobs = [_value(Job, each) for each in told["jobs"]]
    return Ledger(
        MappingProxyType({session.id: session for session in sessions}),
        MappingProxyType({job.id: job for job in jobs}),
    )


def _refuse() -> Share:
    raise ValueError("less than nothing was spent")


def _value(kind: Callable[..., _Value], told: Mapping[str, object]) -> _Value:
    return kind(**told)
