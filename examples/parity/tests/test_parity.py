"""Tests that share a session: it is opened once, and each test has a recording of its own."""

import pytest
from parity import ghz, measure, prepared


@pytest.mark.parametrize("qubits", [2, 3, 5])
def test_qubits_are_alike(session, backend, qubits):
    """Each size has a recording of its own."""
    found = measure(session, prepared(qubits, backend), shots=400)
    assert (found.qubits, found.shots) == (qubits, 400)
    assert found.alike == 1.0


class TestSession:
    """What the session says of itself."""

    def test_it_is_dedicated(self, session):
        """As it was opened."""
        assert session.details()["mode"] == "dedicated"

    def test_it_is_busy_once_a_job_ran(self, session, backend):
        """Of the session as this test saw it, whichever tests run before."""
        measure(session, prepared(2, backend), shots=100)
        assert session.status() == "In progress, accepting new jobs"
        assert session.details()["max_time"] == 1200


def test_ghz_has_a_gate_for_each_qubit():
    """Nothing of the service: it has no recording."""
    assert ghz(4).count_ops()["cx"] == 3
