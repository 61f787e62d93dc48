"""Drop-in ``Session`` and ``Batch``: the client's own, under our name.

They add one thing: they know whether they were closed, so that a fixture does not
close them twice. (What they return will be checked against the contracts of the
service once those are there.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qiskit_ibm_runtime import Batch as _Batch
from qiskit_ibm_runtime import Session as _Session
from qiskit_ibm_runtime.exceptions import IBMError

from qsession.errors import UsageError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend

__all__ = ["Batch", "Session"]


class _KnowsItsEnd(_Session):  # type: ignore[misc]
    ended = False
    is_shared = False

    def close(self) -> None:
        """Stop accepting jobs; those submitted run to their end.

        Raises:
            UsageError: If other tests share it (QS245).
        """
        self._end()
        super().close()

    def cancel(self) -> None:
        """End at once; queued jobs do not run.

        Raises:
            UsageError: If other tests share it (QS245).
        """
        self._end()
        super().cancel()

    def _end(self) -> None:
        if self.is_shared:
            raise UsageError(
                "QS245",
                "This would end a session that other tests share. Nothing was sent.",
                fix="leave that to the fixture; it ends the session after the last of them",
                intended='scope="function" in @pytest.mark.qsession(...) gives a test a session of its own',
            )
        self.ended = True


# The client's from_id decides by the name of the class: they must stay as they are.
class Session(_KnowsItsEnd):
    """A dedicated session; see ``qiskit_ibm_runtime.Session`` for arguments and methods."""


class Batch(_KnowsItsEnd, _Batch):  # type: ignore[misc]
    """A batch; see ``qiskit_ibm_runtime.Batch`` for arguments and methods."""


def open_session(
    backend: IBMBackend, *, mode: str, max_time: int | str | None, where: str
) -> Session | Batch:
    """Open a session or a batch for a test.

    Args:
        backend: The backend.
        mode: ``dedicated`` or ``batch``.
        max_time: Seconds, or a text such as ``"2h 30m"``; None for the service's default.
        where: Test id, for messages.

    Raises:
        UsageError: If the instance is on the Open plan, which has batches only (QS116).
        qiskit_ibm_runtime.exceptions.IBMError: What else the service refused.
    """
    kind = Batch if mode == "batch" else Session
    try:
        return kind(backend=backend, max_time=max_time)
    except IBMError as refused:
        # Code and text as others observed them on an Open-plan account.
        if '"code":1352' not in str(refused).replace(" ", ""):
            raise
        raise UsageError(
            "QS116",
            "The service opens no session on the Open plan.",
            evidence=["its answer has code 1352"],
            fix='@pytest.mark.qsession(mode="batch")',
            intended="use an instance of another plan: --qsession-instance=NAME",
            where=where,
        ) from refused
