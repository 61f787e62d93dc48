"""One run: a source, a clock, a recording, a guard. Asserts at its end whatever was swallowed."""

from __future__ import annotations

from qsession._run._ground import Ground
from qsession._run._run import Run
from qsession._run._slot import active

__all__ = ["Ground", "Run", "active"]
