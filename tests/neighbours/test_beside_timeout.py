"""pytest-timeout: it counts the machine's time, whatever time a run has."""

from __future__ import annotations

import pytest
from plugin_project import EMULATOR

THEIRS = """
import time

def test_theirs():
    time.sleep(0.01)
"""


@pytest.mark.parametrize("func_only", ["true", "false"])
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_virtual_hours_fit_into_a_timeout_of_seconds(suite, method, func_only):
    """Two hours of virtual time pass in a test that may take five seconds."""
    suite.holds(THEIRS, ini=f"timeout = 5\ntimeout_method = {method}\ntimeout_func_only = {func_only}\n")
    suite.in_any_order("timeout", theirs=1)


@pytest.mark.parametrize(
    "hang",
    ["threading.Event().wait()", "select.select([], [], [], 60)", "[None for _ in iter(int, 1)]",
     "asyncio.run(asyncio.Event().wait())"],
    ids=["wait", "select", "compute", "asyncio"],
)  # fmt: skip
def test_test_of_ours_that_hangs_is_ended(suite, hang):
    """As one of theirs would be; the next test finds everything as it was, and nothing was recorded."""
    suite.holds(
        "import time\ndef test_theirs(): assert type(time.time).__name__ == 'builtin_function_or_method'",
        f"""
        import asyncio, select, threading
        import pytest
        from qiskit_ibm_runtime import QiskitRuntimeService

        @pytest.mark.timeout(0.2)
        @pytest.mark.qsession
        def test_ours():
            assert QiskitRuntimeService().usage()
            {hang}

        @pytest.mark.qsession
        def test_ours_after():
            assert QiskitRuntimeService().usage()
        """,
    )
    result = suite.beside("timeout", *EMULATOR)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Timeout (>0.2s) from pytest-timeout."])
    assert suite.files("cassettes/test_ours") == ["test_ours_after.yaml"]
    assert not any("qsession/_clock" in line for line in result.outlines)


def test_thread_method_ends_the_process(suite):
    """It has no other way; a wait that is virtual does not keep it from that."""
    suite.holds(
        THEIRS,
        """
        import threading
        import pytest

        @pytest.mark.timeout(0.2, method="thread", func_only=True)
        @pytest.mark.qsession
        def test_ours():
            threading.Event().wait()
        """,
    )
    result = suite.beside("timeout", *EMULATOR, apart=True)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*+ Timeout +*", "*in test_ours", "*+ Timeout +*"])
