"""What child processes load at their start: the guard, and the way to an emulator.

The folder is put first on a child's ``PYTHONPATH``, where Python looks for
``sitecustomize``. A child that is no Python, is told to ignore its environment (``-I``,
``-E``, ``-S``), or is given another one, loads nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

ALLOWED = "QSESSION_CHILD_ALLOWED_HOSTS"
"""Hosts that a child of a replay may reach besides what the test itself is; not set: only IBM is refused."""

ROOT = "QSESSION_CHILD_ROOT"
"""The process whose tree a child of a replay belongs to: ports of that tree may be asked."""

EMULATOR_PORT = "QSESSION_CHILD_EMULATOR_PORT"
"""Where IBM's names lead in a child of ``qsession emulate``: a port of 127.0.0.1."""

FOLDER = "QSESSION_CHILD_FOLDER"
"""A folder that is the run's own, made by the first child of a replay that has something to keep in it:
whom it was kept from (`REFUSALS`, which the test reads), and its account file (`ACCOUNTS`)."""

REFUSALS = "refusals"
ACCOUNTS = "accounts.json"

REPLAY_PORT = "QSESSION_CHILD_REPLAY_PORT"
"""Where IBM's names lead in a child that is answered from a recording: a port of 127.0.0.1."""

TRUST = "QSESSION_CHILD_TRUST"
"""Two files in PEM: the one that the environment of a child of ``qsession emulate`` says to trust, with
the emulator's authority alone, and the one that is trusted in its place where the hook is loaded."""

FINGERPRINT = "QSESSION_CHILD_FINGERPRINT"
"""SHA-256 of the certificate by which a child of ``qsession emulate`` knows the emulator."""


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables that make a child of Python load the hook.

    Args:
        inherited: The environment of this process.
    """
    own = os.path.dirname(__file__)  # noqa: PTH120 - pathlib takes a child 10 ms
    others = inherited.get("PYTHONPATH", "")
    if others.split(os.pathsep)[0] == own:
        return {"PYTHONPATH": others}
    return {"PYTHONPATH": own + (os.pathsep + others if others else "")}
