"""What a child of ``qsession emulate`` loads at its start.

The folder is put first on the child's ``PYTHONPATH``, where Python looks for
``sitecustomize``. Nothing outside the child is touched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables that make a child of Python keep off IBM's hosts.

    Args:
        inherited: The environment of this process.
    """
    own = str(Path(__file__).parent)
    others = inherited.get("PYTHONPATH", "")
    return {"PYTHONPATH": own + (os.pathsep + others if others else "")}
