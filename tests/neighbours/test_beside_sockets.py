"""pytest-socket, and the network block of pytest-recording."""

from __future__ import annotations

import pytest
from neighbour_suite import OURS
from plugin_project import EMULATOR, message

from qsession._guard._sockets import _KEPT_BY

THEIRS = """
import socket
import pytest
from pytest_socket import SocketBlockedError

def test_blocked():
    with pytest.raises(SocketBlockedError), pytest.warns(UserWarning):
        socket.socket()
    with pytest.raises(SocketBlockedError), pytest.warns(UserWarning):
        socket.getaddrinfo("example.org", 443)

def test_enabled(socket_enabled):
    socket.socket().close()
"""


def test_replay_needs_no_socket(suite):
    """Under --disable-socket ours record and replay in process, theirs are blocked or enabled as before."""
    suite.holds(THEIRS)
    suite.in_any_order("socket", "--disable-socket", theirs=2)


@pytest.mark.parametrize(
    "mark", ["disable_socket", "enable_socket", "allow_hosts(['127.0.0.1'])"], ids=["off", "on", "some"]
)
def test_limits_on_a_test_of_ours_end_with_it(suite, mark):
    """The next test finds Python's own class, and the functions that stood there before."""
    suite.holds(
        """
        import socket

        def test_after():
            assert socket.socket.__module__ == "socket"
            ways = socket.getaddrinfo, socket.gethostbyname, socket.socket.connect
            assert [way for way in ways if getattr(way, "__module__", "") == "pytest_socket"] == []
            socket.socket().close()
        """,
        OURS.replace("@pytest.mark.qsession", f"@pytest.mark.qsession\n@pytest.mark.{mark}"),
    )
    suite.in_any_order("socket", theirs=1)


ASKS_IBM = """
import socket

def ask(host="quantum.cloud.ibm.com"):
    with socket.socket() as own:
        own.connect((host, 443))

def test_first():
    ask()

def test_second():
    ask()
"""


@pytest.mark.parametrize("plugin", ["socket", "recording"])
def test_fence_stands_after_every_test(suite, plugin):
    """Both plugins keep the functions of sockets from before us, and put them back: with them, ours."""
    mark = "@pytest.mark.block_network(allowed_hosts=['.*'])\n" if plugin == "recording" else ""
    suite.holds(
        ASKS_IBM.replace("def test_", f"{mark}def test_").replace("import socket", "import socket, pytest")
    )
    result = suite.beside(plugin, *EMULATOR)
    result.assert_outcomes(passed=2, failed=2)
    assert message(result, "QS308") == (
        "A connection to IBM was refused: it was made outside of the run of a test. [QS308]\n"
        "  host quantum.cloud.ibm.com\n"
        "  test_theirs.py:5, in ask\n"
        "To fix: make the service inside the test, or in a fixture of scope 'function'\n"
        "If this is intended: name the host in the ini option qsession_allowed_hosts"
    )


@pytest.mark.parametrize(
    ("plugin", "mark"),
    [("socket", "allow_hosts(['192.0.2.7'])"), ("recording", "block_network(allowed_hosts=['192.0.2.7'])")],
)
def test_host_that_they_allow_is_refused_in_a_run(suite, plugin, mark):
    """To allow a host is theirs, to send nothing is ours: in a run both are asked."""
    suite.holds(
        "def test_theirs(): pass",
        f"import pytest\n{ASKS_IBM.partition('def test_')[0]}\n@pytest.mark.{mark}\n@pytest.mark.qsession\n"
        "def test_ours():\n    ask('192.0.2.7')\n",
    )
    result = suite.beside(plugin, *EMULATOR)
    result.assert_outcomes(passed=1, failed=1)
    assert message(result, "QS305").splitlines()[:2] == [
        "A connection to another host was refused: a replay sends nothing. [QS305]",
        "  to 192.0.2.7",
    ]


def test_host_that_they_block_is_blocked_in_a_run(suite):
    """Their words, not ours: the run does not ask who is allowed by us before them."""
    suite.holds(
        "def test_theirs(): pass",
        f"import pytest\n{ASKS_IBM.partition('def test_')[0]}\n@pytest.mark.block_network\n@pytest.mark.qsession\n"
        "def test_ours():\n    with pytest.raises(RuntimeError, match='Network is disabled for host .127'):\n"
        "        ask('127.0.0.1')\n",
    )
    suite.beside("recording", *EMULATOR).assert_outcomes(passed=2)


@pytest.mark.parametrize("module", _KEPT_BY)
def test_names_under_which_they_keep_the_functions_exist(suite, module):
    """A release that keeps them elsewhere would take the guard away."""
    names = sorted(_KEPT_BY[module])
    suite.holds(f"import {module}\ndef test_theirs(): assert set({names}) <= vars({module}).keys()", "")
    plugin = module.partition(".")[0].removeprefix("pytest_")
    suite.beside(plugin).assert_outcomes(passed=1)
