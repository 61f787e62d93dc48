"""A test that uses nothing of ours, beside tests that do: what it finds, object by object."""

from __future__ import annotations

import json
import os

import pytest
from neighbour_suite import OURS
from plugin_project import EMULATOR

LOOK = """
import datetime, http.client, os, queue, random, select, selectors, signal, socket, ssl, subprocess, sys
import threading, time, uuid, urllib.request, concurrent.futures, asyncio, asyncio.base_events
import numpy, requests, urllib3, urllib3.connection, urllib3.connectionpool
from asyncio import selector_events
from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService, RuntimeJobV2, Session, SamplerV2
from qiskit_ibm_runtime.accounts import management

NAMES = [
    time, datetime, uuid, random, os, queue, threading, socket, ssl, subprocess, http.client, sys.modules["random"],
    socket.socket, ssl.SSLContext, threading.Thread, threading.Condition, threading.Event, datetime.datetime,
    asyncio.base_events.BaseEventLoop, selector_events.BaseSelectorEventLoop, http.client.HTTPConnection,
    http.client.HTTPSConnection, urllib3, urllib3.connection, urllib3.connectionpool,
    urllib3.connectionpool.HTTPConnectionPool, urllib3.connectionpool.HTTPSConnectionPool,
    urllib3.connection.HTTPConnection, urllib3.connection.HTTPSConnection, requests, requests.Session,
    requests.sessions, requests.utils, IBMBackend, QiskitRuntimeService, RuntimeJobV2, Session, SamplerV2, management,
    management.AccountManager, numpy.random, numpy.random.bit_generator, concurrent.futures.ThreadPoolExecutor,
]
CHANGING = {"__warningregistry__", "_counter", "_active", "_dangling", "_shutdown_locks_lock", "_limbo", "_cache"}

def look():
    held = {}
    for place in NAMES:
        names = getattr(place, "__dict__", {})
        for name, value in list(names.items()):
            if name not in CHANGING and not name.startswith("_abc"):
                held[f"{getattr(place, '__module__', '')} {place.__name__}.{name}"] = value
    states = {
        "environment": {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "random": random.getstate(), "numpy": str(numpy.random.get_state()),
        "finders": list(sys.meta_path), "path": list(sys.path), "signals": signal.getsignal(signal.SIGALRM),
        "trace": (sys.gettrace(), sys.getprofile()), "folder": os.getcwd(),
    }
    return held, states
"""
THEIRS = """
import theirs_look

SEEN = theirs_look.SEEN

def test_before():
    SEEN.append(theirs_look.look())
"""
AFTER = """
import random, numpy
import theirs_look

def test_after():
    (held, states), (now, states_now) = theirs_look.SEEN[0], theirs_look.look()
    assert sorted(held) == sorted(now)
    assert [name for name in held if held[name] is not now[name]] == []
    assert states == states_now
"""


@pytest.mark.parametrize("mode", [EMULATOR, ()], ids=["record", "replay"])
def test_same_objects_before_and_after_tests_of_ours(suite, mode):
    """Clock, sockets, environment, the client, urllib3, random numbers: identical, not only equal."""
    suite.holds(THEIRS, OURS, theirs_look=LOOK + "\nSEEN = []\n")
    suite.pytester.makepyfile(test_zlast=AFTER)
    suite.beside("", *EMULATOR)
    order = ("test_theirs.py", "test_ours.py", "test_zlast.py")
    suite.beside("", *mode, *order).assert_outcomes(passed=4)


def test_objects_that_differ_from_a_run_without_us(suite, monkeypatch):
    """In a project that uses us, all of pytest keeps off IBM: these ways out are watched, and nothing else differs."""
    tell = """
        import json
        from pathlib import Path
        import theirs_look

        def is_ours(value):
            return "qsession" in str(getattr(getattr(value, "__code__", None), "co_filename", ""))

        def test_theirs():
            held, states = theirs_look.look()
            ours = [name for name, value in held.items() if callable(value) and is_ours(value)]
            Path("told.json").write_text(json.dumps([sorted(ours), states["environment"]]))
    """
    monkeypatch.delenv("QSESSION_CHILD_ROOT", raising=False)  # of the tests round this one
    suite.holds(tell, theirs_look=LOOK)
    suite.beside("", *EMULATOR, "test_ours.py", "test_theirs.py", apart=True).assert_outcomes(passed=3)
    ours, environment = json.loads((suite.folder / "told.json").read_text())
    assert ours == [
        " socket.getaddrinfo", " socket.gethostbyaddr", " socket.gethostbyname", " socket.gethostbyname_ex",
        " socket.getnameinfo",
        "http.client HTTPConnection.putrequest", "http.client HTTPConnection.send",
        "qiskit_ibm_runtime.qiskit_runtime_service QiskitRuntimeService.__init__",
        "socket socket.connect", "socket socket.connect_ex", "socket socket.sendmsg", "socket socket.sendto",
        "ssl SSLContext.wrap_bio", "ssl SSLContext.wrap_socket",
    ]  # fmt: skip
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    assert given.keys() <= environment.keys()
    changed = {name for name, value in environment.items() if given.get(name) != value}
    assert changed == {"QSESSION_CHILD_ROOT", "PYTHONPATH"}


WIDE = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.fixture(scope="session", autouse=True)
def service():
    service = QiskitRuntimeService()
    assert service.usage()
    yield service
    assert service.usage()
"""


def test_same_objects_while_a_wide_fixture_of_ours_waits_for_its_end(suite):
    """Its run is paused: between its setup and its teardown theirs find nothing of it."""
    suite.holds(THEIRS, OURS, theirs_look=LOOK + "\nSEEN = []\n", conftest=WIDE)
    suite.pytester.makepyfile(test_zlast=AFTER)
    order = ("test_theirs.py", "test_ours.py", "test_zlast.py")
    for mode in (EMULATOR, ()):
        suite.beside("", *mode, *order).assert_outcomes(passed=4)
    assert suite.cassettes() != []
