"""Fixtures as they were before anybody thought of recordings: one service and one session for many tests."""

import pytest
from qiskit_ibm_runtime import QiskitRuntimeService, Session


@pytest.fixture(scope="session")
def service():
    """One for all tests."""
    return QiskitRuntimeService()


@pytest.fixture(scope="session")
def backend(service):
    """The device that they run on."""
    return service.backend("ibm_fez")


@pytest.fixture(scope="module")
def session(backend):
    """One for each test file: a queue is waited for once."""
    with Session(backend=backend, max_time="20m") as session:
        yield session
