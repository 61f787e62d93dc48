"""What is kept of a job, a session or batch: as it was asked for, and as it was found at a moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from qsession._lifecycle import Life
from qsession._model import Instant
from qsession._session_document import Json
from qsession.emulator._course import Control, Fate, JobPlan, Story
from qsession.emulator._programs import Outcome, Work


@dataclass(frozen=True, slots=True)
class Submission:
    """A job as it was posted.

    Attributes:
        program: Program id.
        backend: Backend name.
        params: ``params`` as posted.
        cost: Limit of its execution time in seconds.
        tags: Its tags.
        session: Id of its session, or None.
        private: Whether its parameters are withheld and its results served once.
        runtime: Image it asked for, or empty.
        caller: Who the client said it was called by.
        calibration: Id of the calibration it asked for, or empty.
        mock: Whether its backend is of class ``mock``.
        limit: Seconds of running after which it is cancelled; None where nobody set a limit.
    """

    program: str
    backend: str
    params: Json
    cost: int
    tags: tuple[str, ...] = ()
    session: str | None = None
    private: bool = False
    runtime: str = ""
    caller: str = ""
    calibration: str = ""
    mock: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """How many jobs are taken.

    Attributes:
        pending: Most jobs of an instance that wait or run at once; None for any number.
        a_minute: Most submissions of the account within a minute; None for any number.
    """

    pending: int | None = None
    a_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """What the runs of a job came to, by start and end, in all lines that know the job.

    As a rule there is one. In two lines a job may start at two moments, which its results tell.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    outcomes: dict[tuple[Instant, Instant], Outcome] = field(default_factory=dict)


@dataclass(slots=True)
class Job:
    """One job. Its plan and tags change under the state's lock only.

    A deleted one is kept for what it used. The order of those that were there at the start
    is below 1. Its home is the session whose QPU it holds, which is the one that it was posted
    to unless it is a dry run, or the line has another past of that session.
    """

    plan: JobPlan
    crn: str
    order: int
    asked: Submission
    work: Work
    seed: int
    tags: tuple[str, ...]
    home: str | None = None
    outcome: Outcome | None = None
    handed_out: bool = False
    deleted: bool = False
    runs: Runs = field(default_factory=Runs)

    @property
    def estimate(self) -> float:
        """Seconds that it is expected to take: 2, and 0.35 ms for each execution (documented)."""
        return round(2 + 0.00035 * self.work.executions, 5)

    def copied(self) -> Job:
        """The same job for another line; what is not simulated yet is so once for both."""
        # Reads the work before the outcome, which whoever runs it now sets before it lets go of the work.
        return replace(self)


@dataclass(slots=True)
class Session:
    """One session or batch with its jobs in order."""

    ident: str
    crn: str
    backend: str
    born: Life
    controls: list[Control] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    latest: Instant = 0
    turns: int = 0
    _story: Story | None = None

    @property
    def story(self) -> Story:
        """What becomes of it and of its jobs."""
        if self._story is None:
            self._story = Story(self.born, self.controls, [job.plan for job in self.jobs])
        return self._story

    def retell(self) -> None:
        """A job, a control or a plan is new."""
        self._story = None

    def turn(self) -> int:
        """The number of the next act upon it, from 1."""
        self.turns += 1
        return self.turns

    def note(self, at: Instant) -> Instant:
        """The moment for a new event: threads may bring theirs slightly out of order."""
        self.latest = max(self.latest, at, self.born.created_at)
        return self.latest

    def copied(self, jobs: Mapping[str, Job]) -> Session:
        """The same session for another line.

        Args:
            jobs: The jobs of that line by id, this session's among them.
        """
        own = [jobs[job.plan.job] for job in self.jobs]
        # A story is told under the lock of one line.
        return replace(self, controls=list(self.controls), jobs=own, _story=None)


@dataclass(frozen=True, slots=True)
class View:
    """A job at one moment, and whether its usage is final."""

    job: Job
    fate: Fate
    tags: tuple[str, ...]
    settled: bool
