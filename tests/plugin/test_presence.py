"""How the plugin shows itself, and that it can be turned off."""

import pytest
from plugin_project import USAGE

OPTIONS = {
    "--qsession-record": "short for --qsession-mode=record",
    "--qsession-mode=MODE": "replay, record, missing, live: replay is the default; missing records what has no cassette",
    "--qsession-target=TARGET": "where the modes that do not replay go: ibm (default) or emulator",
    "--qsession-backend=NAME": "backend for the fixtures",
    "--qsession-instance=NAME": "instance name or CRN, passed on to the client",
    "--qsession-account=NAME": "saved account, passed on to the client",
    "--qsession-budget=SECONDS": "QPU seconds that a run against ibm may use (default 60), shared by all workers",
    "--qsession-cassettes=DIR": "folder of the cassettes (default: cassettes, beside the configuration)",
    "--qsession-allow-ci": "reach the service although CI is set",
}


@pytest.fixture
def shown(project):
    return " ".join(" ".join(project.run("--help").outlines).split())


@pytest.mark.parametrize("option", OPTIONS)
def test_help_explains_every_option(shown, option):
    """By its name and one line."""
    assert f"{option} {OPTIONS[option]}" in shown


@pytest.mark.parametrize(
    "key",
    ["mode", "target", "backend", "instance", "account", "budget", "cassettes", "allow_ci", "allowed_hosts"],
)
def test_help_explains_every_ini_key(shown, key):
    """Each has the stem of its option."""
    assert f"qsession_{key} (" in shown


def test_fixtures_are_explained(project):
    """Each with the first line of its docstring."""
    text = " ".join(project.run("--fixtures").outlines)
    for name in ("qsession", "qsession_run", "qsession_service", "qsession_backend", "qsession_isa"):
        assert f"\n{name} -- " in "\n".join(project.run("--fixtures").outlines) or f"{name} -- " in text
    assert "no docstring available" not in text.split("qsession_run -- ")[1].split("---")[0]


def test_turned_off_leaves_nothing_behind(project):
    """Neither options nor fixtures nor the marker."""
    project.write("def test_it(qsession): pass")
    result = project.run("-p", "no:qsession")
    result.assert_outcomes(errors=1)
    assert "E       fixture 'qsession' not found" in result.outlines
    assert not any("qsession" in line for line in project.run("-p", "no:qsession", "--help").outlines)
    assert not any("qsession" in line for line in project.run("-p", "no:qsession", "--markers").outlines)


def test_collecting_alone_begins_no_run(project):
    """``--collect-only`` opens nothing and prints no block."""
    project.write(USAGE)
    result = project.record("--collect-only")
    assert result.ret == 0
    assert project.files() == []
