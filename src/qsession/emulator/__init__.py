"""An emulation of the IBM Quantum Platform's REST API, with real simulated results.

`Emulator` is a source like the service itself: it answers requests in process.
`EmulatorServer` puts HTTP round one on this machine. Importing this package imports
neither qiskit nor a simulator nor a web library; they load when they are needed.
"""

from __future__ import annotations

from qsession.emulator._backends import Backend
from qsession.emulator._emulator import Emulator
from qsession.emulator._history import PastJob
from qsession.emulator._instances import Instance
from qsession.emulator._serving import EmulatorServer

__all__ = ["Backend", "Emulator", "EmulatorServer", "Instance", "PastJob"]
