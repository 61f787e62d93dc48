"""Cassettes of renamed tests, those that no test has, and stale ones: in the closing block, and for ``qsession prune``."""

import json
import os
import re
import subprocess
import sys

import pytest
from plugin_project import EMULATOR, USAGE, block, message

from qsession import _cassette
from qsession._model import Provenance, Recording
from qsession._shelf import head_of

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
            "layers": [],
            "bodies": [],
            "offered": [],
            "moved": [],
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


RENAMED = USAGE + USAGE.replace("test_usage", "test_renamed")

OFFERED = """There is no recording to replay. Nothing was sent. [QS201]
  no file cassettes/test_it/test_renamed.yaml
  cassettes/test_it/test_other.yaml has lost its test: was test_it.py::test_other renamed?
To fix: qsession prune --rename
If this is intended: record it: pytest 'test_it.py::test_renamed' --qsession-record --qsession-target=emulator
Where: cassettes/test_it/test_renamed.yaml"""


def test_renamed_test_is_offered_its_cassette_and_takes_it(both):
    """In the message of the test and in the closing block; then one file has another name."""
    both.write(RENAMED)
    result = both.run()
    result.assert_outcomes(passed=1, errors=1)
    assert message(result, "QS201") == OFFERED
    assert block(result)[-2:] == [
        "cassettes that renamed tests may have left: 1 (qsession prune --rename)",
        "  test_it/test_other.yaml: test_it.py::test_renamed",
    ]
    before = both.bytes()
    status, told = prune(both, "--rename")
    assert (status, told["moved"], told["offered"]) == (
        0,
        [
            {
                "path": "cassettes/test_it/test_other.yaml",
                "to": "cassettes/test_it/test_renamed.yaml",
                "name": "test_it.py::test_renamed",
            }
        ],
        [],
    )
    after = both.bytes()
    assert before.keys() ^ after.keys() == {"test_it/test_other.yaml", "test_it/test_renamed.yaml"}
    assert all(after[name] == before[name] for name in before.keys() & after.keys())
    result = both.run()
    result.assert_outcomes(passed=2)
    assert not any("renamed" in line or "without a test" in line for line in block(result))


def test_renamed_test_that_was_recorded_anew_leaves_an_orphan(both):
    """There is nothing to take over any more: the block is made after the recording."""
    both.write(RENAMED)
    result = both.run("--qsession-mode=missing", "--qsession-target=emulator")
    result.assert_outcomes(passed=2)
    assert block(result)[-2:] == ["cassettes without a test: 1 (qsession prune)", "  test_it/test_other.yaml"]


def test_renamed_class_is_offered_all_its_cassettes_by_workers_too(project):
    """Each worker collects all, and each test is told its own."""
    tests = "\n".join(
        f"    @pytest.mark.qsession\n    def test_{name}(self):\n        assert QiskitRuntimeService().usage()"
        for name in ("one", "two")
    )
    source = "import pytest\nfrom qiskit_ibm_runtime import QiskitRuntimeService\nclass TestOld:\n" + tests
    project.write(source)
    project.record().assert_outcomes(passed=2)
    project.write(source.replace("TestOld", "TestNew"))
    result = project.run_apart("-n2")
    result.assert_outcomes(errors=2)
    assert block(result)[-3:] == [
        "cassettes that renamed tests may have left: 2 (qsession prune --rename)",
        "  test_it/TestOld.test_one-3ef2a6cd.yaml: test_it.py::TestNew::test_one",
        "  test_it/TestOld.test_two-4f0f43c7.yaml: test_it.py::TestNew::test_two",
    ]
    assert prune(project, "--rename")[0] == 0
    project.run().assert_outcomes(passed=2)


def test_two_renamed_tests_are_each_offered_both(both):
    """Which is which nobody knows, and the message says how to say it."""
    both.write(RENAMED.replace("test_usage", "test_changed"))
    result = both.run()
    result.assert_outcomes(errors=2)
    names = ("test_changed", "test_renamed")
    assert block(result)[-3:] == [
        "cassettes that renamed tests may have left: 2 (qsession prune --rename)",
        *(f"  test_it/{old}.yaml: test_it.py::test_changed or test_it.py::test_renamed"
          for old in ("test_other", "test_usage")),
    ]  # fmt: skip
    told = message(result, "QS201")
    assert any(told.startswith(
        "There is no recording to replay. Nothing was sent. [QS201]\n"
        f"  no file cassettes/test_it/{name}.yaml\n"
        "  cassettes/test_it/test_other.yaml has lost its test: was test_it.py::test_other renamed?\n"
        "  cassettes/test_it/test_usage.yaml has lost its test: was test_it.py::test_usage renamed?\n"
        f"To fix: qsession prune --take CASSETTE 'test_it.py::{name}', with the one of these that is its own\n"
    ) for name in names)  # fmt: skip


def test_new_test_beside_a_renamed_one_is_offered_no_more_than_a_choice(both):
    """The cassette may be of either, and the command names both."""
    both.write(RENAMED + USAGE.replace("test_usage", "test_new"))
    result = both.run()
    result.assert_outcomes(passed=1, errors=2)
    assert "To fix: qsession prune --take cassettes/test_it/test_other.yaml 'test_it.py::test_" in message(
        result, "QS201"
    )


def test_layer_that_nobody_builds_on_is_told_and_pruned(both):
    """As a cassette without a test is; what all tests share stays."""
    for name in ("@emulator.yaml", "test_it/@device.yaml"):
        path = both.folder / "cassettes" / name
        path.write_text(_cassette.encode(Recording(Provenance("emulator", 0), ()))[0])
    assert block(both.run())[-2:] == [
        "layers that no cassette builds on: 1 (qsession prune)",
        "  test_it/@device.yaml",
    ]
    status, told = prune(both, "--delete")
    assert (status, told["layers"], told["cassettes"]) == (0, ["cassettes/test_it/@device.yaml"], [])
    assert (both.cassettes(), both.layers()) == (["test_it/test_other.yaml", "test_it/test_usage.yaml"], [])
    assert (both.folder / "cassettes/@emulator.yaml").exists()


WIDE = """
import unittest
import pytest

pytestmark = pytest.mark.qsession

@pytest.fixture(scope="module", params=["a", "b"])
def device(request): ...

@pytest.fixture(scope="class")
def bound(): ...

@pytest.fixture(scope="session")
def here(tmp_path_factory): ...

@pytest.fixture
def narrow(): ...

class TestIt:
    @classmethod
    def setup_class(cls): ...
    def test_one(self, bound, narrow): ...

class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls): ...
    def test_two(self): ...

def test_three(here, whole, device, bound): ...

@pytest.mark.qsession(scope="module")
def test_four(): ...

@pytest.mark.qsession(scope="session", mode="batch")
def test_five(): ...
"""

CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def whole(): ...

@pytest.fixture(scope="package", autouse=True)
def around(): ...
"""


def test_layers_of_a_test_are_those_of_its_wide_fixtures(project, monkeypatch):
    """Where they would lie, and how their heads would name them; none of narrow fixtures or of pytest's."""
    project.write("")
    folder = project.folder / "tests" / "deep"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "test_w.py").write_text(WIDE)
    (folder.parent / "conftest.py").write_text(CONFTEST)
    target = project.folder / "collected.json"
    monkeypatch.setenv("QSESSION_COLLECTED", str(target))
    project.run("--collect-only")
    told = json.loads(target.read_text())["wide"]
    file, around = "tests/deep/test_w.py", "tests::@around"
    three = {around, "tests::@whole", f"{file}::@here"}
    assert {
        test.removeprefix(f"{file}::"): {re.sub("-[0-9a-f]{8}", "-", ident) for ident in layers.values()}
        for test, layers in told.items()
    } == {
        "TestIt::test_one": {around, f"{file}::@TestIt.bound-", f"{file}::@TestIt.setup_class-"},
        "Suite::test_two": {around, f"{file}::@Suite.setUpClass-"},
        "test_three[a]": three | {f"{file}::@device[a-]", f"{file}::@bound"},
        "test_three[b]": three | {f"{file}::@device[b-]", f"{file}::@bound"},
        "test_four": {around, f"{file}::@module(mode=dedicated)"},
        "test_five": {around, "@session(mode=batch)"},
    }
    places = {ident: path for layers in told.values() for path, ident in layers.items()}
    assert [places[ident] for ident in (around, f"{file}::@here", f"{file}::@module(mode=dedicated)")] == [
        "tests/@around.yaml",
        "tests/deep/test_w/@here.yaml",
        "tests/deep/test_w/@module-1.yaml",
    ]


FIXTURES = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService, Session

@pytest.fixture(scope="module")
def device():
    service = QiskitRuntimeService()
    with Session(backend=service.backend("ibm_fez")) as session:
        yield session

class TestOld:
    @pytest.fixture(scope="class")
    def told(self, device):
        return device.details()

    @pytest.mark.qsession
    def test_state(self, device, told):
        assert device.status() and told["id"] == device.session_id

@pytest.mark.qsession(scope="module", mode="batch")
def test_shared(qsession, qsession_backend):
    assert qsession.details()["mode"] == "batch"

@pytest.mark.qsession
def test_alone():
    assert QiskitRuntimeService().usage()
"""

FIXTURE_OFFERED = """There is no recording of what the fixture 'machine' (scope 'module') does with the service. [QS240]
  asked: POST /sessions
  it would be cassettes/test_it/@machine.yaml
  cassettes/test_it/@device.yaml has lost its fixture: was test_it/@device.yaml renamed?
To fix: qsession prune --rename
If this is intended: record it: pytest 'test_it.py::TestOld::test_state' --qsession-record \
--qsession-target=emulator (or ibm, for QPU time)
Where: test_it.py::TestOld::test_state"""


def test_layers_that_the_recorder_writes_are_where_they_are_looked_for(project):
    """All of them, each with the name in its head that its tests have for it."""
    project.write(FIXTURES)
    project.record().assert_outcomes(passed=3)
    result = project.run()
    result.assert_outcomes(passed=3)
    assert block(result)[-1] == "sessions opened: 0, cassettes written: 0"
    target = project.folder / "collected.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QSESSION_COLLECTED", str(target))
        project.run("--collect-only")
    known = {path: ident for layers in json.loads(target.read_text())["wide"].values()
             for path, ident in layers.items()}  # fmt: skip
    written = set(project.layers())
    assert len(written) == 3
    folder = project.folder / "cassettes"
    assert {name: head_of(folder / name).test for name in written} == {name: known[name] for name in written}
    assert prune(project)[0] == 0


def test_renamed_fixture_is_offered_its_layer_and_takes_it(project):
    """In the message of the test and in the closing block; then its tests replay."""
    project.write(FIXTURES)
    project.record().assert_outcomes(passed=3)
    project.write(FIXTURES.replace("device", "machine"))
    result = project.run()
    assert message(result, "QS240") == FIXTURE_OFFERED
    assert "the first refusal" not in result.stdout.str()
    assert block(result)[-2:] == [
        "cassettes that renamed tests may have left: 1 (qsession prune --rename)",
        "  test_it/@device.yaml: test_it/@machine.yaml",
    ]
    before = project.bytes()
    assert prune(project, "--rename")[0] == 0
    after = project.bytes()
    assert before.keys() ^ after.keys() == {"test_it/@device.yaml", "test_it/@machine.yaml"}
    changed = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    assert all("TestOld" in name for name in changed)
    project.run().assert_outcomes(passed=3)
    project.run("-k", "state").assert_outcomes(passed=1, deselected=2)


@pytest.mark.parametrize("what", ["class", "file"])
def test_renamed_class_or_file_takes_its_layers_with_its_tests(project, what):
    """Fixtures of the class and of the module, and the session that its tests share."""
    project.write(FIXTURES)
    project.record().assert_outcomes(passed=3)
    number = len(project.cassettes()), len(project.layers())
    if what == "class":
        project.write(FIXTURES.replace("TestOld", "TestNew"))
    else:
        project.pytester.makepyfile(test_new=FIXTURES)
        (project.folder / "test_it.py").unlink()
    assert project.run().ret == 1
    status, told = prune(project, "--rename")
    assert (status, told["offered"], told["cassettes"], told["layers"]) == (0, [], [], [])
    assert (len(project.cassettes()), len(project.layers())) == number == (3, 3)
    old = "Old" if what == "class" else "test_it/"
    assert not [name for name in (*project.cassettes(), *project.layers()) if old in name]
    project.run().assert_outcomes(passed=3)
    assert prune(project)[0] == 0


def test_answers_that_no_test_asked_for_are_counted(project):
    """In a whole run that passed; a selection says nothing of them."""
    looks = USAGE.replace(
        "QiskitRuntimeService().usage()", 'QiskitRuntimeService().backend("ibm_fez").properties()'
    )
    both = looks + looks.replace("test_usage", "test_other").replace("ibm_fez", "ibm_torino")
    project.write(both)
    project.record().assert_outcomes(passed=2)
    assert not any("shared layer" in line for line in block(project.run()))
    assert not any("shared layer" in line for line in block(project.run_apart("-n2")))
    project.write(looks)
    prune(project, "--delete")
    assert block(project.run())[-3:] == [
        "answers of a shared layer that no test asked for: 2",
        "  @emulator.yaml: GET /backends/ibm_torino/configuration",
        "  @emulator.yaml: GET /backends/ibm_torino/properties",
    ]
    project.write(both.replace("test_other", "test_more"))
    assert not any("shared layer" in line for line in block(project.run("-k", "usage")))


ALL = """
from qiskit_ibm_runtime import QiskitRuntimeService

def test_usage():
    assert QiskitRuntimeService().usage()

def test_plain():
    assert True
"""

ALL_OFFERED = """The code under test reads something that was not recorded. Nothing was sent. [QS301]
  asked: GET /instances/usage
  recorded: nothing like it
  cassettes/test_it/test_usage.yaml has lost its test: was test_it.py::test_usage renamed?
To fix: qsession prune --take cassettes/test_it/test_usage.yaml 'test_it.py::test_renamed'
If this is intended: record it: pytest 'test_it.py::test_renamed' --qsession-record --qsession-target=emulator
Where: cassettes/test_it/test_renamed.yaml, test_it.py::test_renamed"""


def test_renamed_test_of_a_suite_that_is_all_ours_is_offered_its_cassette(project):
    """Its plain tests have none and need none: whose it is must be said."""
    project.write(ALL, ini="qsession_all = true")
    project.record().assert_outcomes(passed=2)
    project.write(ALL.replace("test_usage", "test_renamed"), ini="qsession_all = true")
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    assert message(result, "QS301") == ALL_OFFERED
    assert block(result)[-2:] == [
        "cassettes that renamed tests may have left: 1 (qsession prune --rename)",
        "  test_it/test_usage.yaml: test_it.py::test_plain or test_it.py::test_renamed",
    ]
    assert prune(project, "--rename")[1]["moved"] == []
    assert prune(project, "--take", "cassettes/test_it/test_usage.yaml", "test_it.py::test_renamed")[0] == 0
    project.run().assert_outcomes(passed=2)


def test_stale_layer_is_told(project):
    """What a fixture recorded ages as what a test did."""
    project.write(FIXTURES)
    project.record().assert_outcomes(passed=3)
    folder = project.folder / "cassettes"
    (folder / "@emulator.yaml").rename(folder / "@ibm.yaml")
    for path in folder.rglob("*.yaml"):
        text = path.read_text("utf-8").replace("target: emulator", "target: ibm")
        path.write_text(_cassette.resealed(text, where="")[0], "utf-8")
    project.write(FIXTURES, ini="qsession_expire = 30d")
    result = project.run()
    result.assert_outcomes(passed=3)
    assert any(
        line.startswith("  cassettes/test_it/@device.yaml: recorded 2026-01-05") for line in block(result)
    )


def of_the_service(project):
    """Make the recordings those of the service, as old as the emulator's moment."""
    folder = project.folder / "cassettes"
    (folder / "@emulator.yaml").rename(folder / "@ibm.yaml")
    for path in (folder / "test_it/test_usage.yaml", folder / "@ibm.yaml"):
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
