"""time-machine: beside a run, never inside or round it."""

from __future__ import annotations

import pytest
from neighbour_suite import OURS
from plugin_project import EMULATOR, block, message

THEIRS = """
import datetime, time
import pytest
import time_machine

@time_machine.travel("2012-01-14T00:00:00+00:00", tick=False)
def test_decorated():
    assert datetime.datetime.now(datetime.UTC).isoformat() == "2012-01-14T00:00:00+00:00"
    assert time.time() == 1326499200

@pytest.mark.time_machine("2015-01-14")
def test_marker():
    assert datetime.datetime.now().year == 2015

def test_fixture(time_machine):
    time_machine.move_to("2016-01-14")
    assert datetime.date.today().year == 2016
"""


def test_travels_in_theirs(suite):
    """In tests beside ours, in one process."""
    suite.holds(THEIRS)
    suite.in_any_order("time_machine", theirs=3)


@pytest.mark.parametrize(
    "test",
    [
        "@time_machine.travel('2030-01-01')\ndef test_ours(qsession_run): pass",
        "def test_ours(qsession_run):\n    with time_machine.travel('2030-01-01'): pass",
        "def test_ours(time_machine, qsession_run):\n    time_machine.move_to('2030-01-01')",
        "@pytest.mark.time_machine('2030-01-01')\ndef test_ours(qsession_run): pass",
    ],
    ids=["decorator", "block", "fixture", "marker"],
)
def test_travel_inside_of_a_run(suite, test):
    """Time would not move: what the module's functions give in a run is ours. So it is refused."""
    suite.holds(THEIRS, f"import pytest, time_machine\n\n{test}\n")
    result = suite.beside("time_machine", *EMULATOR)
    failed = {"errors": 1} if "mark" in test else {"failed": 1}
    result.assert_outcomes(passed=3, **failed)
    assert message(result, "QS186") == (
        "time-machine cannot travel inside of a run: the time there is the run's own. [QS186]\n"
        "  it replaces the functions of the time module in C, freezegun those in Python\n"
        "To fix: qsession_clock.travel_to(...) or .advance(...), which move the time of the run, or "
        "freezegun.freeze_time(...), which the run's time goes on below\n"
        "If this is intended: travel in a test that has no run"
    )
    assert suite.files("cassettes") == []


def test_run_inside_of_a_travel(suite):
    """By a fixture of wider scope; afterwards the travel goes on."""
    suite.holds(
        THEIRS,
        """
        import datetime
        import pytest
        import time_machine

        @pytest.fixture(scope="module")
        def travelled():
            with time_machine.travel("2030-01-01"):
                yield

        def test_ours(travelled, qsession_run):
            pass

        def test_still_there(travelled):
            assert datetime.datetime.now().year == 2030
        """,
    )
    result = suite.beside("time_machine", *EMULATOR)
    result.assert_outcomes(passed=4, errors=1)
    assert message(result, "QS127").splitlines()[0] == (
        "time-machine is travelling: two tools cannot replace the same clock. [QS127]"
    )
    assert block(result)[0] == "mode: record (emulator), tests: 1, requests answered: 0"


def test_travel_inside_of_a_run_against_the_service(suite):
    """There the clock is the machine's, and it would work: but no replay could follow, and it was paid for."""
    ours = OURS.replace("import time\n", "import time\nimport time_machine\n").replace(
        "    assert QiskitRuntimeService().usage()\n\n",
        "    time_machine.travel('2030-01-01').start()\n\n",
        1,
    )
    suite.holds("def test_theirs(): pass", ours)
    result = suite.beside("time_machine", "--qsession-record", "--qsession-allow-ci", "-k", "not waits")
    result.assert_outcomes(passed=1, failed=1, deselected=1)
    assert "[QS186]" in result.stdout.str()
    assert block(result)[1] == "live requests: 0"
