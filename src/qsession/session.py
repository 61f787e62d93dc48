"""Drop-in ``Session`` and ``Batch``: the client's own, under our name.

They add one thing: they know whether they were closed, so that a fixture does not
close them twice. (What they return will be checked against the contracts of the
service once those are there.)
"""

from __future__ import annotations

from qiskit_ibm_runtime import Batch as _Batch
from qiskit_ibm_runtime import Session as _Session

__all__ = ["Batch", "Session"]


class _KnowsItsEnd(_Session):  # type: ignore[misc]
    ended = False

    def close(self) -> None:
        """Stop accepting jobs; those submitted run to their end."""
        self.ended = True
        super().close()

    def cancel(self) -> None:
        """End at once; queued jobs do not run."""
        self.ended = True
        super().cancel()


# The client's from_id decides by the name of the class: they must stay as they are.
class Session(_KnowsItsEnd):
    """A dedicated session; see ``qiskit_ibm_runtime.Session`` for arguments and methods."""


class Batch(_KnowsItsEnd, _Batch):  # type: ignore[misc]
    """A batch; see ``qiskit_ibm_runtime.Batch`` for arguments and methods."""
