from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served_run import Platform, Service

from qsession._money import Purse
from qsession.emulator import EmulatorServer


@pytest.fixture
def make_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """A served emulator, and this process led to it as the client would be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    # Five submissions a minute are the service's business, not these tests'.
    monkeypatch.setattr(Purse, "claim", lambda _self, at: at)
    servers = []

    def make(**more: object) -> Service:
        platform = Platform(**({"queue_seconds": 0.02, "run_seconds": 0.02} | more))
        server = EmulatorServer(platform).__enter__()
        servers.append(server)
        return Service(platform, server, tmp_path)

    yield make
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def service(make_service) -> Service:
    return make_service()
