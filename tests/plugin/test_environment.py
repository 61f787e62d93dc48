"""What a run touched is put back, however it ended."""

import os
import socket

import pytest
from plugin_project import BELL, USAGE
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.accounts import AccountManager
from urllib3 import connection, connectionpool

import qsession
from qsession._run import active

TOUCHED = (
    socket,
    socket.socket,
    connection,
    connection.HTTPConnection,
    connection.HTTPSConnection,
    connectionpool,
    connectionpool.HTTPConnectionPool,
    connectionpool.HTTPSConnectionPool,
    QiskitRuntimeService,
    AccountManager,
)


class Expected(Exception):
    """Raised inside a run by these tests."""


@pytest.fixture(autouse=True)
def untouched(project):
    """Everything as it was, name by name and object by object."""
    variables = dict(os.environ)
    attributes = [dict(vars(owner)) for owner in TOUCHED]
    yield
    now = dict(os.environ)
    now.pop("PYTEST_CURRENT_TEST", None)
    variables.pop("PYTEST_CURRENT_TEST", None)
    assert now == variables
    for owner, before in zip(TOUCHED, attributes, strict=True):
        after = dict(vars(owner))
        changed = [name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)]
        assert changed == [], owner
    assert active() is None


def use(run, error=None):
    with run as entered:
        entered.service().usage()
        assert socket.getaddrinfo.__module__ == "qsession._guard._sockets"
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [Expected, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("kind", ["record", "replay"])
def test_after_an_error_inside(tmp_path, kind, error):
    """Ctrl-C included."""
    path = tmp_path / "a.yaml"
    use(qsession.record(path, target="emulator"))
    run = qsession.record(path, target="emulator") if kind == "record" else qsession.replay(path)
    with pytest.raises(error):
        use(run, error())


def test_after_a_replay(tmp_path):
    """The usual end."""
    use(qsession.record(tmp_path / "a.yaml", target="emulator"))
    use(qsession.replay(tmp_path / "a.yaml"))


def test_after_a_run_that_did_not_begin(tmp_path):
    """A missing cassette is found on entering."""
    with pytest.raises(qsession.errors.CassetteError), qsession.replay(tmp_path / "none.yaml"):
        pass


def test_after_a_nested_run(tmp_path):
    """The inner one is refused, the outer one goes on to its end."""
    path = tmp_path / "a.yaml"
    use(qsession.record(path, target="emulator"))
    with qsession.replay(path) as outer:
        with pytest.raises(qsession.errors.UsageError), qsession.replay(path):
            pass
        assert active() is outer
        outer.service().usage()


@pytest.mark.parametrize(
    "last", ["", "    assert False\n", "    raise KeyboardInterrupt\n", "    pytest.exit('enough')\n"]
)
def test_after_a_run_of_pytest(project, last):
    """The guard round all tests is taken down with the configuration."""
    project.write(USAGE + last)
    project.record()
    project.run()


def test_after_a_job(recorded):
    """The client's whole course, in a session."""
    recorded.write(BELL)
    recorded.run().assert_outcomes(passed=1)
