"""Refusals: one a cause, the rest counted, what would have cost QPU time first."""

import threading

from qsession._endpoints import identify
from qsession._model import Request
from qsession._tally import Tally
from qsession.errors import ReplayMismatch

BASE = "https://quantum.cloud.ibm.com/api/v1"


def refusal(code="QS301", what="Not recorded.", evidence=()):
    return ReplayMismatch(code, what, evidence=evidence, fix="record anew")


def call(method, path):
    return identify(Request(method, BASE + path))


def test_empty_tally_is_false():
    """Nothing was refused."""
    assert not Tally()
    assert (Tally().count, Tally().making, Tally().causes()) == (0, 0, ())


def test_one_refusal_is_told_as_it_is():
    """Though it would have submitted a job: its own words say so."""
    tally, only = Tally(), refusal("QS302", "Submits a job.")
    tally.add(only, call("POST", "/jobs"))
    assert tally.told() == str(only)
    assert tally.notes() == []
    assert tally.making == 1


def test_like_refusals_are_counted():
    """Polls of a thread that goes on, whatever ids they name."""
    tally = Tally()
    for number in range(42):
        tally.add(refusal(evidence=[f"asked: GET /jobs/{number}"]), call("GET", f"/jobs/{number}"))
    assert tally.told() == (
        "Not recorded. [QS301]\n  asked: GET /jobs/0\nTo fix: record anew\nand 41 more like it"
    )
    assert len(tally.causes()) == 1
    assert tally.count == 42


def test_what_would_have_cost_is_named_first():
    """Also where it was not refused first; each different job is a cause of its own."""
    tally = Tally()
    tally.add(refusal(evidence=["asked: GET /backends"]), call("GET", "/backends"))
    tally.add(refusal("QS302", "Submits a job.", ["one"]), call("POST", "/jobs"))
    tally.add(refusal("QS302", "Submits a job.", ["other"]), call("POST", "/jobs"))
    tally.add(refusal("QS301", "Opens a session."), call("POST", "/sessions"))
    assert tally.told() == (
        "refused before it opened a session or submitted a job: POST /jobs (2 times), POST /sessions\n"
        "Not recorded. [QS301]\n  asked: GET /backends\nTo fix: record anew\n"
        "and: Submits a job. [QS302]\n"
        "and: Submits a job. [QS302]\n"
        "and 1 others"
    )
    assert tally.making == 3


def test_forgotten_refusals_are_gone():
    """They were told."""
    tally = Tally()
    tally.add(refusal(), call("POST", "/jobs"))
    tally.forget()
    assert not tally
    assert tally.making == 0


def test_refusals_of_many_threads_are_all_counted():
    """None is lost."""
    tally = Tally()

    def work():
        for _ in range(500):
            tally.add(refusal(), call("POST", "/jobs"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tally.count, tally.making) == (4000, 4000)
