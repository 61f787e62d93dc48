from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulated_service import EmulatedService, Outcome
from own_authority import make_authority


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedService]:
    """The emulated service, in a process of its own, for all tests of this worker."""
    folder = tmp_path_factory.mktemp("service")
    with EmulatedService(folder, make_authority(folder)) as running:
        yield running


@pytest.fixture(scope="session")
def recorded(service: EmulatedService, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One whole session, recorded over TLS; the service stumbles twice."""
    service.stumble("backends.configuration", 503)
    service.stumble("jobs.create", 502)
    folder = tmp_path_factory.mktemp("whole")
    return service.run(folder, "record", [{"steps": "whole", "cassette": "cassettes/whole.yaml"}])


@pytest.fixture(scope="session")
def replayed(service: EmulatedService, recorded: Outcome) -> Outcome:
    """The same steps by another process, without an account, with nothing listening."""
    return service.run_alone(recorded.folder, [{"steps": "whole", "cassette": "cassettes/whole.yaml"}])
