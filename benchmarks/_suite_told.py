"""A plugin for pytest: writes what became of each test where `TOLD` in the environment says, as JSON.

With `GONE` set, there is no emulator: whoever imports it fails.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

TOLD, GONE = "SUITE_TOLD", "SUITE_WITHOUT_EMULATOR"
_WORST = ("passed", "skipped", "failed")

if GONE in os.environ:
    sys.modules["qsession.emulator"] = None  # type: ignore[assignment]


class Told:
    """Takes down the worst outcome of each test, and the first line of why."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of the three phases of a test."""
        known = self._found.get(report.nodeid, ("passed", ""))
        if _WORST.index(report.outcome) > _WORST.index(known[0]):
            known = report.outcome, _why(report)
        self._found[report.nodeid] = known

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected has failed."""
        if report.failed:
            self._found[report.nodeid] = "failed", _why(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it; the workers of pytest-xdist leave that to their controller."""
        if not hasattr(session.config, "workerinput"):
            Path(os.environ[TOLD]).write_text(json.dumps(self._found), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Be there in this run of pytest, wherever this module was imported before."""
    config.pluginmanager.register(Told(), "suite-told")


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash is not None else report.longrepr).strip().splitlines()
    # What has no place of its own in a report ends with what was raised.
    return (lines[0] if crash is not None else lines[-1]) if lines else ""
