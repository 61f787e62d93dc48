"""What child processes load at their start: the guard, and the way to an emulator.

The folder is put first on a child's ``PYTHONPATH``, where Python looks for
``sitecustomize``. A child that is no Python, is told to ignore its environment (``-I``,
``-E``, ``-S``), or is given another one, loads nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qsession._environment import changed

ALLOWED = "QSESSION_CHILD_ALLOWED_HOSTS"
"""Hosts that a child of a replay may reach besides its own machine; not set: only IBM is refused."""

EMULATOR_PORT = "QSESSION_CHILD_EMULATOR_PORT"
"""Where IBM's names lead in a child of ``qsession emulate``: a port of 127.0.0.1."""

TRUST = "QSESSION_CHILD_TRUST"
"""Two files in PEM: the one that the environment of a child of ``qsession emulate`` says to trust, with
the emulator's authority alone, and the one that is trusted in its place where the hook is loaded."""

FINGERPRINT = "QSESSION_CHILD_FINGERPRINT"
"""SHA-256 of the certificate by which a child of ``qsession emulate`` knows the emulator."""

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables that make a child of Python load the hook.

    Args:
        inherited: The environment of this process.
    """
    own = str(Path(__file__).parent)
    others = inherited.get("PYTHONPATH", "")
    return {"PYTHONPATH": own + (os.pathsep + others if others else "")}


@contextmanager
def kept_off(allowed: Collection[str]) -> Iterator[None]:
    """Make children that are started now keep off everything but this machine.

    Proxies are taken out of the environment, since one on this machine would lead out.

    Args:
        allowed: Hosts that they may reach all the same.

    Yields:
        Nothing. The environment is put back at the end.
    """
    told = {**environment(os.environ), ALLOWED: ",".join(sorted(allowed))}
    with changed(told, without=[name for name in os.environ if name.lower() in _PROXIES]):
        yield
