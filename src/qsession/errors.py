"""Every exception that qsession raises.

::

    QSessionError                 has a stable code, and always says how to go on
    +-- UsageError                the set-up is wrong: options, arguments, missing extras
    +-- CassetteError             a file on disk cannot be read, trusted or written
    +-- BudgetError               QPU time would be spent that was not agreed to
    +-- ClockError                (also AssertionError) time cannot go on: a wait without an end
    +-- ReplayMismatch            (also AssertionError) the recording has no answer

None derives from an exception of ``requests``, because the client wraps those
into its own and the message would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BudgetError", "CassetteError", "ClockError", "QSessionError", "ReplayMismatch", "UsageError"]


class QSessionError(Exception):
    """Base of all errors of qsession.

    Args:
        code: Stable code such as ``QS104``; an anchor in ``docs/reference/errors.md``.
        what: What happened, in the user's words, one sentence.
        evidence: Lines that show it.
        fix: One command or line to paste.
        intended: What to do when this is what the user wanted.
        where: File, test or place in the run.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        evidence: Sequence[str] = (),
        fix: str,
        intended: str = "",
        where: str = "",
    ) -> None:
        self.code = code
        self.what = what
        self.evidence = tuple(evidence)
        self.fix = fix
        self.intended = intended
        self.where = where
        super().__init__(self._render())

    def _render(self) -> str:
        lines = [f"{self.what} [{self.code}]"]
        lines += [f"  {line}" for line in self.evidence]
        lines.append(f"To fix: {self.fix}")
        if self.intended:
            lines.append(f"If this is intended: {self.intended}")
        if self.where:
            lines.append(f"Where: {self.where}")
        # What a recording or the code under test says may hold anything. Loaded when there is an error.
        from qsession._escaped import escaped

        return escaped("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        # The default passes args positionally, which the keyword-only signature
        # refuses; pytest-xdist and multiprocessing pickle exceptions.
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[QSessionError], state: dict[str, object]) -> QSessionError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    Exception.__init__(error, error._render())
    return error


class UsageError(QSessionError):
    """The set-up is wrong: an option, an argument, a missing extra or credential."""


class CassetteError(QSessionError):
    """A cassette cannot be read, trusted or written. Nothing was changed on disk."""


class BudgetError(QSessionError):
    """A request was refused, or a run stopped, to keep within the agreed QPU seconds."""


class ReplayMismatch(QSessionError, AssertionError):
    """The recording has no answer to what the code under test just asked."""


class ClockError(QSessionError, AssertionError):
    """Virtual time cannot go on: the code under test waits without an end."""
