"""How a run goes: one way for each kind of source."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from qsession._clock import Schedule
from qsession._model import Asked, Instant, Recording
from qsession._report import Summary
from qsession.errors import Parked, QSessionError

if TYPE_CHECKING:
    from qsession._answers import Answers
    from qsession._discovery import Discovery
    from qsession._ids import Ids
    from qsession.emulator import Emulator


class Way(Protocol):
    """How the requests of a run are answered, and what becomes of them.

    Attributes:
        answers: Who answers, once the run has begun.
        discovery: Answers what belongs to an account; None where a real one is used.
        random_seed: Where random numbers begin; None where nobody said.
        started: When the run began.
        origin: What its recording is made against.
    """

    answers: Answers | None
    discovery: Discovery | None
    random_seed: int | None
    started: Instant
    origin: str

    @property
    def is_virtual(self) -> bool:
        """Whether its time is."""
        ...

    @property
    def emulator(self) -> Emulator | None:
        """The emulator that answers, or None."""
        ...

    @property
    def ids(self) -> Ids | None:
        """Real ids and pseudonyms of what it made; None where there is no difference."""
        ...

    @property
    def parked(self) -> Parked | None:
        """Why it was left until later, or None."""
        ...

    def open(self, undo: ExitStack) -> None:
        """Take what it needs for the whole of the run.

        Args:
            undo: Gives it back.
        """
        ...

    def begin(self) -> None:
        """Let the run begin."""
        ...

    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on."""
        ...

    def stand_in(self) -> tuple[str, str | None]:
        """Token and instance of an account where the machine has none."""
        ...

    def wished(self, asked: Asked, *, is_met: bool) -> None:
        """A service was asked to be something."""
        ...

    def told(self, name: str, proposed: int | str) -> object:
        """What was told when the recording was made; what is proposed, where it is made now."""
        ...

    def qpu_seconds(self) -> float:
        """QPU time, as far as the answers tell."""
        ...

    def trouble(self) -> QSessionError | None:
        """Why the run was stopped, or None."""
        ...

    def finish(self, failed: str | None) -> str:
        """The run is over: the cassette that was written, or an empty text."""
        ...

    def release(self) -> None:
        """Let others record."""
        ...

    def summary(self, command: str) -> Summary:
        """What it tells of itself, for the closing block.

        Args:
            command: Goes on with what was left, or begun on the service.
        """
        ...

    def recorded(self) -> Recording | None:
        """The recording as it stands."""
        ...
