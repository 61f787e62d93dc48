from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from led_programs import KEY, Leader

from qsession._loopback._authority import Authority
from qsession.emulator import Emulator, EmulatorServer
from qsession.emulator._serving import own_authority


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[EmulatorServer, io.StringIO, Authority]]:
    log, authority = io.StringIO(), own_authority()
    emulator = Emulator(strict=True, api_key=KEY, backends=("ibm_fez",))
    with EmulatorServer(emulator, tls=authority, log=log, any_key=True) as server:
        yield server, log, authority


@pytest.fixture
def led(running: tuple[EmulatorServer, io.StringIO, Authority], tmp_path: Path) -> Leader:
    """An emulator that a program is led to; its log is empty."""
    leader = Leader(*running, tmp_path)
    leader.calls()
    return leader
