"""``-p no:qsession``: nothing of ours is loaded, and what the configuration still says of us."""

from __future__ import annotations

import pytest

THEIRS = """
import sys

def test_theirs():
    assert [name for name in sys.modules if name.partition(".")[0] == "qsession"] == []
"""
WARNED = "PytestConfigWarning: Unknown config option: qsession_mode"

CONFTEST = """
def pytest_addoption(parser, pluginmanager):
    if not pluginmanager.has_plugin("qsession"):
        parser.addini("qsession_mode", "of qsession, which is turned off")

def pytest_configure(config):
    if not config.pluginmanager.has_plugin("qsession"):
        config.addinivalue_line("markers", "qsession: of qsession, which is turned off")

def pytest_collection_modifyitems(config, items):
    if not config.pluginmanager.has_plugin("qsession"):
        ours = [item for item in items if item.get_closest_marker("qsession") or any(
            name == "qsession" or name.startswith("qsession_") for name in getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
"""
"""What the page tells to put into a conftest."""


def test_nothing_of_ours_is_loaded(suite):
    """In a process of its own: no module, no fixture, no option."""
    suite.holds(THEIRS, "")
    suite.beside("", "-p", "no:qsession", "test_theirs.py", apart=True).assert_outcomes(passed=1)


def test_key_in_the_configuration_is_unknown(suite):
    """A warning, and an error where the configuration is strict."""
    suite.holds("def test_theirs(): pass", "", ini="qsession_mode = replay\n")
    plain = ("-W", "default", "-p", "no:qsession")
    result = suite.beside("", *plain)
    result.assert_outcomes(passed=1, warnings=1)
    assert any(WARNED in line for line in result.outlines)
    strict = suite.beside("", *plain, "--strict-config")
    assert strict.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: Unknown config option: qsession_mode" in strict.errlines


def test_option_is_unknown(suite):
    """On the command line, and so in addopts too."""
    suite.holds("def test_theirs(): pass", "", ini="addopts = --qsession-target=emulator\n")
    result = suite.beside("", "-p", "no:qsession")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any("unrecognized arguments: --qsession-target=emulator" in line for line in result.errlines)
    suite.beside("", "-p", "no:qsession", "-o", "addopts=").assert_outcomes(passed=1)


@pytest.mark.parametrize("off", [(), ("-p", "no:qsession")], ids=["on", "off"])
def test_conftest_that_lets_both_ways_be_strict(suite, off):
    """That of the page: with us all tests run, without us theirs do, however strict pytest is."""
    suite.holds(
        "def test_theirs(): pass", ini="qsession_mode = live\nqsession_target = emulator\n", conftest=CONFTEST
    )
    (suite.folder / "conftest.py").write_text(
        CONFTEST.replace("for", "for").replace(
            '        parser.addini("qsession_mode"',
            '        parser.addini("qsession_target", "as below")\n        parser.addini("qsession_mode"',
        )
    )
    result = suite.beside("", *off, "--strict-config", "--strict-markers")
    result.assert_outcomes(**({"passed": 1, "deselected": 2} if off else {"passed": 3}))
