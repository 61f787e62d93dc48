"""All of them at once, but for pytest-vcr, which pytest-recording refuses."""

from __future__ import annotations

from plugin_project import EMULATOR, block

ALL = "asyncio freezer pytest_cov randomly recording rerunfailures socket time_machine timeout xdist"

OURS = """
import asyncio
import time
import pytest
import requests
from freezegun import freeze_time
from qiskit_ibm_runtime import QiskitRuntimeService

tries = []

async def test_async(qsession_service, qsession_clock):
    began = qsession_clock.now()
    await asyncio.sleep(7200)
    assert await asyncio.to_thread(qsession_service.usage)
    assert (qsession_clock.now() - began).total_seconds() >= 7200

@pytest.mark.flaky(reruns=2)
@pytest.mark.qsession
def test_flaky():
    assert QiskitRuntimeService().usage()
    tries.append(1)
    assert len(tries) == 2

@freeze_time("2030-01-01")
@pytest.mark.disable_socket
@pytest.mark.qsession
def test_frozen():
    assert QiskitRuntimeService().usage()

@pytest.mark.vcr
@pytest.mark.qsession
def test_two_cassettes():
    assert QiskitRuntimeService().usage()
    assert requests.get("https://example.org/hello").text == "hello"

@pytest.mark.timeout(5)
@pytest.mark.qsession
def test_waits(qsession_clock):
    time.sleep(7200)
"""
THEIRS = """
import asyncio
import datetime
import socket
import time
import pytest
import time_machine
from freezegun import freeze_time

tries = []

async def test_async():
    began = time.monotonic()
    await asyncio.sleep(0.02)
    assert 0.02 <= time.monotonic() - began < 2

@pytest.mark.flaky(reruns=2)
def test_flaky():
    tries.append(1)
    assert len(tries) == 2

@freeze_time("2012-01-14")
def test_frozen():
    assert datetime.datetime.now() == datetime.datetime(2012, 1, 14)

@pytest.mark.time_machine("2015-01-14")
def test_travelled():
    assert datetime.datetime.now().year == 2015

@pytest.mark.disable_socket
def test_no_socket():
    with pytest.raises(RuntimeError), pytest.warns(UserWarning):
        socket.socket()

@pytest.mark.block_network
def test_no_network():
    with socket.socket() as own, pytest.raises(RuntimeError, match="Network is disabled"):
        own.connect(("127.0.0.1", 9))
"""
INI = """
asyncio_default_fixture_loop_scope = function
asyncio_mode = auto
qsession_cassettes = recordings
timeout = 60
"""
CASSETTE = """interactions:
- request: {body: null, headers: {}, method: GET, uri: 'https://example.org/hello'}
  response: {body: {string: hello}, headers: {}, status: {code: 200, message: OK}}
version: 1
"""


def test_all_plugins_at_once_in_any_order(suite):
    """One suite, recorded once, replayed in two orders and by two workers."""
    suite.holds(THEIRS, OURS, ini=INI)
    path = suite.folder / "cassettes/test_ours/test_two_cassettes.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(CASSETTE)
    assert suite.beside(ALL, *EMULATOR, "--cov=test_ours").parseoutcomes() == {"passed": 11, "rerun": 2}
    before = suite.bytes("recordings")
    for seed in (1, 2):
        result = suite.beside(ALL, f"--randomly-seed={seed}")
        assert result.parseoutcomes() == {"passed": 11, "rerun": 2}
        assert block(result)[:2] == [
            "mode: replay (recording), tests: 5 in 6 runs, requests answered: N",
            "live requests: 0",
        ]
    workers = suite.beside(ALL, "-n2", apart=True)
    assert workers.parseoutcomes() == {"passed": 11, "rerun": 2}
    assert block(workers)[:2] == block(result)[:2]
    assert suite.bytes("recordings") == before
