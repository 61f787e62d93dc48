"""A replay on another machine: without a network, in another year, in another process."""

from plugin_project import BELL, block

OFFLINE = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print("REACHED OUT", event, arguments, file=sys.__stdout__)

sys.addaudithook(watch)
"""

A_YEAR_AHEAD = """
import datetime
import freezegun

clock = freezegun.freeze_time(datetime.datetime.now() + datetime.timedelta(days=365), tick=True)

def pytest_sessionstart(session):
    clock.start()

def pytest_sessionfinish(session):
    clock.stop()
"""


def test_replay_reaches_out_for_nothing(recorded):
    """In a fresh process no connection is opened and no name looked up."""
    recorded.write(BELL, conftest=OFFLINE)
    result = recorded.run_apart("-p", "no:xdist")
    result.assert_outcomes(passed=1)
    assert not any("REACHED OUT" in line for line in result.outlines)
    assert block(result)[1] == "live requests: 0"


def test_replay_a_year_ahead(recorded):
    """Tokens are issued on the clock of the replay; nothing has expired."""
    recorded.write(BELL, conftest=A_YEAR_AHEAD)
    recorded.run().assert_outcomes(passed=1)
