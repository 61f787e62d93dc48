"""``--qsession-budget`` and ``qsession_budget``."""

from pathlib import Path

import pytest
from plugin_project import USAGE, message

from qsession import _plan
from qsession._options import Told


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf", "a minute"])
def test_budget_that_is_no_amount_is_refused(project, budget):
    """Before any test is collected."""
    project.write(USAGE)
    result = project.run(f"--qsession-budget={budget}")
    assert message(result, "QS105") == (
        "The budget is a number of QPU seconds, more than 0. [QS105]\n"
        f"  {budget!r} (from command line)\n"
        "To fix: --qsession-budget=60"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.files() == []


def test_budget_in_the_ini_file_is_named_as_such(project):
    """The message says where the value came from."""
    project.write(USAGE, ini="qsession_budget = much")
    assert message(project.run(), "QS105") == (
        "The budget is a number of QPU seconds, more than 0. [QS105]\n"
        "  'much' (from ini)\n"
        "To fix: --qsession-budget=60"
    )


@pytest.mark.parametrize(
    ("command_line", "ini", "budget"),
    [({}, {}, 60.0), ({}, {"budget": "20"}, 20.0), ({"budget": "5"}, {"budget": "20"}, 5.0)],
)
def test_budget_is_resolved_and_whole_for_each_worker(command_line, ini, budget):
    """Command line, ini, default; what others spend of it the purse knows."""
    item = _plan.Item("test_it.py::test_it", Path("test_it.py"), "test_it", (), 0, {})
    for purse in ("", "1-2-0123456789ab"):
        plan = _plan.plan(Told(command_line, ini, Path()), purse=purse)
        assert plan.settings_of(item).budget == budget
