"""How a test went, and what of that its run must know. Light: every start of pytest loads this room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from qsession.errors import Parked, QSessionError

if TYPE_CHECKING:
    from qsession._run import Run
    from qsession._tally import Tally


@dataclass(slots=True)
class Course:
    """How a test went so far: its run, once that is on, the outcome, and why it failed."""

    run: Run | None = None
    outcome: str = ""
    reason: str = "interrupted"


def skip_parked(course: Course, call: pytest.CallInfo[None]) -> None:
    """Let a test that was left until later be a skipped one."""
    # Whatever the test made of its end: it is left until later.
    parked = course.run.parked if course.run is not None else None
    if call.excinfo is None or (parked is None and not isinstance(call.excinfo.value, Parked)):
        return
    skipped = pytest.skip.Exception(str(parked or call.excinfo.value), _use_item_location=True)
    call.excinfo = pytest.ExceptionInfo.from_exception(skipped.with_traceback(call.excinfo.tb))


def remember(course: Course, report: pytest.TestReport) -> None:
    """Remember the worst that was reported of it."""
    if course.outcome == "failed" or (report.when == "setup" and report.passed):
        return
    course.reason = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", ""))
    # An expected failure is what its recording is about.
    course.outcome = "passed" if hasattr(report, "wasxfail") else report.outcome


def tell_outcome(run: Run, course: Course, *, takes_all: bool) -> None:
    """Tell a run that its test failed, so that its recording replaces nothing."""
    if course.outcome == "skipped" and run.parked is None:
        run.check()
        # A test of a suite as it is may look at the service to skip itself: its replay is to do so too.
        if takes_all and run.mode == "record" and run.path is not None and not run.path.exists():
            return
    # Without an outcome the test was interrupted: Ctrl-C makes no report.
    if course.outcome != "passed":
        run.fail(course.reason)


def first_refusal(strays: Tally | None, run: Run | None) -> QSessionError | None:
    """What was refused first, outside of the run or in it."""
    refusals = [*(strays.causes() if strays else ()), *(run.refusals() if run is not None else ())]
    return refusals[0] if refusals else None
