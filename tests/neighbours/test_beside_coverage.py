"""pytest-cov: the same lines and branches with and without us, in one process and in workers."""

from __future__ import annotations

import json

import pytest
from plugin_project import EMULATOR

CODE = """
import threading
import time


def wait(seconds):
    if seconds > 10_000:
        return "never"
    time.sleep(seconds)
    return "waited"


def ask(service):
    answers = []

    def work():
        for name in ("a", "b"):
            answers.append((name, service.usage()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return answers if answers else None
"""
OURS = """
import pytest
import code_under_test

class Service:
    def usage(self):
        return {"usage": 1}

@pytest.fixture
def service(request):
    if request.config.pluginmanager.has_plugin("qsession"):
        return request.getfixturevalue("qsession_service")
    return Service()

def test_wait(service):
    assert code_under_test.wait(0.01) == "waited"

def test_ask(service):
    assert len(code_under_test.ask(service)) == 2
"""
THEIRS = "import code_under_test\ndef test_theirs(): assert code_under_test.wait(20_000) == 'never'\n"


@pytest.fixture
def covered(suite):
    """Runs the suite under coverage, and gives what was covered of the code under test."""
    suite.holds(THEIRS, OURS, ini="markers = qsession\n", code_under_test=CODE)
    (suite.folder / "test_ours.py").write_text(
        OURS.replace("def test_w", "@pytest.mark.qsession\ndef test_w").replace(
            "def test_a", "@pytest.mark.qsession\ndef test_a"
        )
    )

    def run(*options, apart=False):
        options = ("--cov=code_under_test", "--cov-branch", "--cov-report=json", *options)
        suite.beside("pytest_cov xdist", *options, apart=apart).assert_outcomes(passed=3)
        files = json.loads((suite.folder / "coverage.json").read_text())["files"]["code_under_test.py"]
        return {
            name: files[name]
            for name in ("executed_lines", "missing_lines", "executed_branches", "missing_branches")
        }

    return run


def test_same_coverage_with_and_without_us(covered):
    """With our plugin turned off, recorded, replayed, and replayed by a worker of pytest-xdist."""
    alone = covered("-p", "no:qsession")
    assert alone["missing_lines"] == []
    assert [covered(*EMULATOR), covered(), covered("-n1", apart=True)] == [alone] * 3
