"""The same with what qsession brings along: a batch that two tests share, and the virtual clock."""

import pytest
from parity import measure, prepared

shared = pytest.mark.qsession(mode="batch", scope="module")


@shared
@pytest.mark.parametrize("shots", [100, 300])
def test_batch_takes_jobs(qsession, qsession_backend, shots):
    """One batch, and a recording for each test."""
    assert measure(qsession, prepared(3, qsession_backend), shots=shots).shots == shots


@shared
def test_batch_closes_after_eight_hours(qsession, qsession_backend, qsession_clock):
    """Of the other tests nobody waits, and their recordings know nothing of it."""
    measure(qsession, prepared(2, qsession_backend), shots=100)
    qsession_clock.advance("8h 1m")
    assert qsession.details()["state"] == "closed"
