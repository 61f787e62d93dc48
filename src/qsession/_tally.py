"""What was refused: one refusal a cause, the rest counted, and first what would have cost QPU time."""

from __future__ import annotations

import threading
from collections import Counter

from qsession._endpoints import Call
from qsession.errors import QSessionError

_MAKING = {"sessions.create": "POST /sessions", "jobs.create": "POST /jobs"}
_MOST = 3


class Tally:
    """The refusals of a run. Safe for concurrent use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[tuple[object, ...], QSessionError] = {}
        self._times: Counter[tuple[object, ...]] = Counter()
        self._making: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._first)

    def add(self, refusal: QSessionError, call: Call | None = None) -> None:
        """Take up a refusal. The first of all gets notes of what came after it.

        Args:
            refusal: What was refused, and why.
            call: The request, if it was one and was understood.
        """
        is_read = call is not None and not call.endpoint.is_write
        cause = (refusal.code, call.endpoint.name) if is_read and call else (refusal.what, refusal.evidence)
        with self._lock:
            self._first.setdefault(cause, refusal)
            self._times[cause] += 1
            if call is not None and call.endpoint.name in _MAKING:
                self._making[_MAKING[call.endpoint.name]] += 1
            # Whoever shows the first one shows them too, also where it is raised at once.
            next(iter(self._first.values())).__notes__ = self._notes()

    def forget(self) -> None:
        """Begin anew: what there was has been told."""
        with self._lock:
            self._first.clear()
            self._times.clear()
            self._making.clear()

    @property
    def count(self) -> int:
        """How many there were."""
        return self._times.total()

    @property
    def making(self) -> int:
        """How many would have opened a session or submitted a job."""
        return self._making.total()

    def causes(self) -> tuple[QSessionError, ...]:
        """The first refusal of each cause, in their order."""
        with self._lock:
            return tuple(self._first.values())

    def notes(self) -> list[str]:
        """What is to be said beside the first one: its like, others, and what would have cost."""
        with self._lock:
            return self._notes() if self._first else []

    def _notes(self) -> list[str]:
        causes, times = tuple(self._first.items()), self._times
        notes = [f"and {times[causes[0][0]] - 1} more like it"] if times[causes[0][0]] > 1 else []
        notes += [
            f"and: {refusal.what} [{refusal.code}]" + _times(times[key]) for key, refusal in causes[1:_MOST]
        ]
        if len(causes) > _MOST:
            notes.append(f"and {sum(times[key] for key, _ in causes[_MOST:])} others")
        return [*filter(None, [self.costly()]), *notes]

    def costly(self) -> str:
        """Which of them would have opened a session or submitted a job; empty if one says it all."""
        if not self.making or self.count == 1:
            return ""
        named = ", ".join(f"{name}{_times(times)}" for name, times in sorted(self._making.items()))
        return f"refused before it opened a session or submitted a job: {named}"

    def stand_beside(self, error: BaseException) -> None:
        """Say the first refusal beside an error that may come of it: the client makes others of ours."""
        chain, link = [error], error.__cause__ or error.__context__
        while link is not None and link not in chain:
            chain.append(link)
            link = link.__cause__ or link.__context__
        if self and not any(isinstance(each, QSessionError) for each in chain):
            error.add_note(f"the first refusal of this run: {self.told()}")

    def told(self) -> str:
        """All of it, as a section of a report."""
        costly, notes = self.costly(), self.notes()
        return "\n".join([*notes[: bool(costly)], str(self.causes()[0]), *notes[bool(costly) :]])


def _times(times: int) -> str:
    return f" ({times} times)" if times > 1 else ""
