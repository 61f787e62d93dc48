"""Record, replay and check IBM Quantum sessions.

The public names load lazily, so that ``import qsession`` costs next to nothing.
"""

from __future__ import annotations
