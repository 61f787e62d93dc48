"""What measures tests measures real time: durations, JUnit files, deadlines of hypothesis."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

TWO_HOURS = """
    import time
    from datetime import UTC, datetime

    import pytest
    from hypothesis import given, settings, strategies as st
    from qsession import VirtualClock

    START = datetime(2026, 1, 5, 12, tzinfo=UTC)

    @pytest.fixture
    def clock():
        with VirtualClock(START) as running:
            yield running

    def test_fixture(clock):
        time.sleep(7200)
        assert clock.monotonic() == 7200.0

    def test_block():
        with VirtualClock(START) as clock:
            time.sleep(7200)
            assert time.time() == START.timestamp() + 7200

    @settings(deadline=5000, max_examples=5)
    @given(st.integers(0, 5))
    def test_property(number):
        with VirtualClock(START) as clock:
            time.sleep(7200 + number)
"""


def test_durations_are_real(pytester: pytest.Pytester) -> None:
    """Neither two hours nor the seconds since 1970 are shown for any phase of a test."""
    pytester.makepyfile(TWO_HOURS)
    result = pytester.runpytest_subprocess(
        "--durations=0", "-vv", "--junitxml=report.xml", "-p", "no:randomly", timeout=55
    )
    result.assert_outcomes(passed=3)
    shown = re.findall(r"^(-?[\d.]+)s (?:setup|call|teardown)", result.stdout.str(), re.MULTILINE)
    assert len(shown) == 9
    assert all(0 <= float(seconds) < 20 for seconds in shown)
    cases = ET.parse(pytester.path / "report.xml").getroot().iter("testcase")
    assert all(0 <= float(case.attrib["time"]) < 20 for case in cases)
    total = re.search(r"3 passed in ([\d.]+)s", result.stdout.str())
    assert total is not None
    assert float(total[1]) < 40


def test_durations_are_real_with_xdist(pytester: pytest.Pytester) -> None:
    """The same in workers."""
    pytester.makepyfile(TWO_HOURS)
    result = pytester.runpytest_subprocess("--durations=0", "-vv", "-n1", timeout=55)
    result.assert_outcomes(passed=3)
    shown = re.findall(r"^(-?[\d.]+)s (?:setup|call|teardown)", result.stdout.str(), re.MULTILINE)
    assert all(0 <= float(seconds) < 20 for seconds in shown)


def test_faulthandler_of_pytest_strikes_in_real_time(pytester: pytest.Pytester) -> None:
    """A test that hangs for real is found out, whatever the virtual clock says."""
    pytester.makepyfile("""
        import _thread
        from qsession import VirtualClock

        def test_hang():
            gate = _thread.allocate_lock()
            gate.acquire()
            with VirtualClock():
                assert not gate.acquire(timeout=1)
    """)
    result = pytester.runpytest_subprocess("-o", "faulthandler_timeout=0.2", timeout=55)
    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["*Timeout (0:00:00.200000)!"])
