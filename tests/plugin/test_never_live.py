"""From pytest's configuration to its end: what reaches for IBM is refused, and nothing is left behind."""

import os

import pytest
from plugin_project import BELL, USAGE, block, message

REPLAYS = "qsession_mode = replay"

REACH = """
import socket

def reach():
    try:
        socket.getaddrinfo("iam.cloud.ibm.com", 443)
    except AssertionError as refused:
        return refused.code
"""


def unseen(result):
    """What was refused outside of our tests, as the closing lines have it."""
    lines = result.outlines
    starts = [i for i, line in enumerate(lines) if "qsession: refused outside of the tests" in line]
    return lines[starts[0] + 1] if starts else ""


def test_test_that_is_not_ours_is_refused_too_and_named_at_the_end(project):
    """It may swallow that; nobody would know otherwise."""
    project.write(REACH + "def test_it(): assert reach() == 'QS308'", ini=REPLAYS)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert unseen(result) == (
        "A connection to IBM was refused: it was made outside of the run of a test. [QS308]"
    )
    assert "  test_it.py:5, in reach" in result.outlines


def test_refusal_in_a_worker_is_named_by_the_controller(project):
    """pytest-xdist."""
    project.write(REACH + "def test_it(): assert reach() == 'QS308'", ini=REPLAYS)
    result = project.run_apart("-n", "1")
    result.assert_outcomes(passed=1)
    assert unseen(result).endswith("[QS308]")


def test_networks_of_other_tests_stay(project):
    """A server of their own, a proxy in the environment, names that are not the service's."""
    project.write(
        """
        import os, socket

        def test_it():
            assert os.environ["https_proxy"] == "http://proxy.example.org:3128"
            assert "cloud.ibm.com" in os.environ["no_proxy"]
            with socket.create_server(("127.0.0.1", 0)) as server:
                for name in ("localhost", "github.ibm.com"):
                    try:
                        socket.getaddrinfo(name, server.getsockname()[1])
                    except OSError:
                        pass
        """,
        ini=REPLAYS,
    )
    os.environ["https_proxy"] = "http://proxy.example.org:3128"
    try:
        project.run_apart().assert_outcomes(passed=1)
    finally:
        del os.environ["https_proxy"]


def test_without_the_plugin_nothing_of_it_is_there(project):
    """No guard, no variable, no hook in children."""
    project.write(
        """
        import os, socket, sys

        def test_it():
            assert socket.getaddrinfo.__module__ == "socket"
            assert not [name for name in os.environ if name.startswith("QSESSION")]
            assert "qsession" not in os.environ.get("PYTHONPATH", "")
            assert not [finder for finder in sys.meta_path if "qsession" in type(finder).__module__]
        """,
        ini="",
    )
    clean = {n: os.environ.pop(n) for n in [*os.environ] if n.startswith("QSESSION") or n == "PYTHONPATH"}
    try:
        project.run_apart("-p", "no:qsession").assert_outcomes(passed=1)
    finally:
        os.environ.update(clean)


THREAD = (
    REACH
    + """
import threading
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

over, told = threading.Event(), []

def poll():
    over.wait(60)
    told.extend(reach() for _ in range(42))

@pytest.mark.qsession
def test_one():
    global thread
    QiskitRuntimeService().usage()
    thread = threading.Thread(target=poll)
    thread.start()

@pytest.mark.qsession
def test_two():
    assert QiskitRuntimeService().usage()

def test_three():
    over.set()
    thread.join()
    assert told == ["QS308"] * 42
"""
)


def test_thread_that_outlives_its_test_is_refused_and_counted(project):
    """Once a cause."""
    project.write(THREAD)
    project.record("-p", "no:xdist").assert_outcomes(passed=3)
    result = project.run()
    result.assert_outcomes(passed=3)
    assert unseen(result).endswith("[QS308]")
    assert "and 41 more like it" in result.outlines


SWALLOWED = (
    BELL
    + """
    for _ in range(3):
        try:
            SamplerV2(mode=qsession).run(bell(qsession_isa, 64))
        except Exception:
            pass
    qsession.service.backend("ibm_fez").status()
"""
)


def test_refused_jobs_are_counted_and_come_first(recorded):
    """In the report of the test and in the closing block."""
    recorded.write(SWALLOWED.replace("isa, 64)", "isa, 64)").replace("    qsession.service", "    #"))
    result = recorded.run()
    result.assert_outcomes(failed=1)
    assert block(result)[0] == "refused before they opened a session or submitted a job: 3 requests"
    assert message(result, "QS302").splitlines()[1].startswith("  asked: POST /jobs (sampler")
    told = [line.removeprefix("E").strip() for line in result.outlines]
    assert "refused before it opened a session or submitted a job: POST /jobs (3 times)" in told
    assert "and 2 more like it" in told


def test_child_that_was_refused_fails_the_test_in_its_call(project):
    """Though the test did not look at what became of it."""
    project.write(USAGE)
    project.record().assert_outcomes(passed=1)
    child = "import socket; socket.getaddrinfo('quantum.cloud.ibm.com', 443)"
    project.write(
        USAGE + f"    import subprocess, sys\n    subprocess.run([sys.executable, '-c', {child!r}])\n"
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    told = message(result, "QS317").splitlines()
    assert told[1].endswith(" -c asked for quantum.cloud.ibm.com")
    assert told[-1] == "Where: cassettes/test_it/test_usage.yaml, test_it.py::test_usage"


@pytest.mark.parametrize("target", ["replay", "record"])
def test_children_of_other_tests_do_not_reach_ibm(project, target):
    """Nor do those of a fixture, of an import or of a plugin."""
    project.write(
        """
        import subprocess, sys

        def test_it():
            code = "import socket; socket.getaddrinfo('quantum.cloud.ibm.com', 443)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            assert "OSError: qsession: quantum.cloud.ibm.com is not reached" in done.stderr
        """,
        ini="qsession_mode = replay" if target == "replay" else "",
    )
    (project.run if target == "replay" else project.record)().assert_outcomes(passed=1)
