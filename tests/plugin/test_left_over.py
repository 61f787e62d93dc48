"""Cassettes that no test has any more, and stale ones: in the closing block, and for ``qsession prune``."""

import json
import os
import subprocess
import sys

import pytest
from plugin_project import EMULATOR, USAGE, block

from qsession import _cassette

TWO = USAGE + USAGE.replace("test_usage", "test_other")


@pytest.fixture
def both(project):
    """Two tests with cassettes."""
    project.write(TWO)
    project.run(*EMULATOR).assert_outcomes(passed=2)
    return project


def prune(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "qsession.cli", "prune", "--json", *arguments]
    done = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_full_run_names_cassettes_without_a_test(both):
    """The test was renamed, its cassette was not."""
    both.write(USAGE)
    assert block(both.run())[-2:] == [
        "cassettes without a test: 1 (qsession prune)",
        "  test_it/test_other.yaml",
    ]


def test_selection_says_nothing_of_what_it_leaves_out(both):
    """Neither -k nor a test by its id makes the rest orphans."""
    for chosen in (("-k", "usage"), ("test_it.py::test_usage",)):
        result = both.run(*chosen)
        result.assert_outcomes(passed=1, deselected=1 if chosen[0] == "-k" else 0)
        assert not any("without a test" in line for line in block(result))


def test_module_that_is_skipped_keeps_its_cassettes(both):
    """It may be skipped for a library that only this machine lacks."""
    both.pytester.makepyfile(test_more=USAGE)
    both.run(*EMULATOR)
    both.write("import pytest\npytest.skip('not here', allow_module_level=True)\n" + TWO)
    assert not any("without a test" in line for line in block(both.run()))
    assert prune(both)[0] == 0


def test_workers_name_them_too(both):
    """Each collects all, the controller none."""
    both.write(USAGE)
    assert block(both.run_apart("-n2"))[-2:] == [
        "cassettes without a test: 1 (qsession prune)",
        "  test_it/test_other.yaml",
    ]


def test_prune_shows_then_deletes_cassettes_and_their_bodies(both):
    """Nothing goes without --delete; what is not a test's own stays."""
    import qsession

    with qsession.record(both.folder / "cassettes" / "mine.yaml", target="emulator") as run:
        run.service().backend("ibm_fez").properties()
    both.write(USAGE)
    path = both.folder / "cassettes/test_it/test_other.yaml"
    assert prune(both) == (
        1,
        {
            "cassettes": ["cassettes/test_it/test_other.yaml"],
            "bodies": [],
            "unreadable": [],
            "deleted": False,
        },
    )
    assert path.exists()
    assert prune(both, "--delete")[0] == 0
    assert not path.exists()
    assert prune(both)[0] == 0
    (both.folder / "cassettes" / "mine.yaml").unlink()
    status, told = prune(both, "--delete")
    assert (status, told["cassettes"], len(told["bodies"]) > 0) == (0, [], True)
    assert not list((both.folder / "cassettes").rglob("*.gz"))


def test_prune_leaves_bodies_alone_while_a_cassette_cannot_be_read(both):
    """Nobody knows what it refers to."""
    (both.folder / "cassettes" / "broken.yaml").write_text("a: [")
    (both.folder / "cassettes" / "bodies").mkdir(exist_ok=True)
    (both.folder / "cassettes" / "bodies" / "unknown.gz").write_bytes(b"")
    status, told = prune(both, "--delete")
    assert status == 0
    assert told["bodies"] == []
    assert told["unreadable"] == [
        "cassettes/broken.yaml: The file is not a cassette that qsession wrote. It was left as it is. [QS202]"
    ]
    assert (both.folder / "cassettes" / "bodies" / "unknown.gz").exists()


def test_prune_deletes_nothing_where_pytest_cannot_collect(both):
    """A syntax error makes no cassette an orphan."""
    both.write("def broken(:")
    status, said = prune(both, "--delete")
    assert status == 2
    assert "[QS177]" in said
    assert len(both.files("cassettes/test_it")) == 2


def of_the_service(project):
    """Make the recording one of the service, as old as the emulator's moment, and what it read in common, too."""
    folder = project.folder / "cassettes"
    (folder / "@emulator.yaml").rename(folder / "@ibm.yaml")
    for path in (folder / "@ibm.yaml", folder / "test_it/test_usage.yaml"):
        text = path.read_text("utf-8").replace("target: emulator", "target: ibm")
        path.write_text(_cassette.resealed(text, where="")[0], "utf-8")


def test_stale_recording_is_told_refused_or_ignored(project):
    """As the configuration says; never recorded anew."""
    project.write(USAGE)
    project.run(*EMULATOR)
    of_the_service(project)
    before = (project.folder / "cassettes/test_it/test_usage.yaml").read_bytes()
    project.write(USAGE, ini="qsession_expire = 30d")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "stale cassettes: 1" in block(result)
    project.write(USAGE, ini="qsession_expire = 30d\nqsession_on_stale = ignore")
    assert not any("stale" in line for line in block(project.run()))
    project.write(USAGE, ini="qsession_expire = 30d\nqsession_on_stale = error")
    result = project.run()
    result.assert_outcomes(errors=1)
    assert "The recording is stale. [QS227]" in result.stdout.str()
    assert (project.folder / "cassettes/test_it/test_usage.yaml").read_bytes() == before
