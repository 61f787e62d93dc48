from __future__ import annotations

import pytest
from emulator_caller import Caller, bell_circuit

from qsession.emulator import Emulator


@pytest.fixture
def caller() -> Caller:
    return Caller(Emulator(backends=("ibm_fez", "ibm_torino")))


@pytest.fixture
def make_caller():
    return lambda **options: Caller(Emulator(**({"backends": ("ibm_fez",)} | options)))


@pytest.fixture
def bell():
    return bell_circuit()
