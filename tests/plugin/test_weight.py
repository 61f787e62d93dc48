"""What the plugin costs where it is installed and not used."""

import json
import subprocess
import sys

import pytest

HEAVY = [
    "vcr",
    "requests",
    "urllib3",
    "qiskit",
    "qiskit_ibm_runtime",
    "jsonschema",
    "yaml",
    "numpy",
    "freezegun",
]

LOADED = f"sorted(set({HEAVY!r}) & {{name.split('.')[0] for name in sys.modules}})"

OURS = "sorted(name for name in sys.modules if name.split('.')[0] == 'qsession')"

AT_EVERY_START = [
    "qsession",
    "qsession._naming",
    "qsession._options",
    "qsession._outcome",
    "qsession.errors",
    "qsession.pytest_plugin",
]
"""What a start of pytest may load where nothing of ours is used: a longer list is a slower start."""

TELLS = f"""
import json, sys
from pathlib import Path

def pytest_unconfigure(config):
    who = getattr(config, "workerinput", {{}}).get("workerid", "controller")
    Path(__file__).with_name(who + ".json").write_text(json.dumps({OURS}))
"""
"""A conftest that writes down which of our modules its process loaded."""


def loaded(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", ["qsession", "qsession.pytest_plugin", "qsession.errors"])
def test_import_loads_nothing_heavy(module):
    """What a run needs is imported when one begins."""
    assert loaded(f"import json, sys, {module}; print(json.dumps({LOADED}))") == []


def test_suite_without_our_tests_loads_nothing_heavy(tmp_path):
    """From the start of pytest to its end, with the plugin found by its entry point."""
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    code = (
        "import json, sys, pytest\n"
        "status = pytest.main([*sys.argv[1:], '-q', '-p', 'no:cacheprovider', '-p', 'no:randomly',"
        " '-p', 'no:hypothesispytest', '-p', 'no:xdist', '-p', 'no:schemathesis'])\n"
        f"print(json.dumps([status, 'qsession.pytest_plugin' in sys.modules, {LOADED}]))\n"
    )
    assert loaded(code, str(tmp_path)) == [0, True, []]


def test_import_of_the_plugin_loads_few_of_our_modules():
    """The plan, the report and all below them wait until something of ours is used."""
    assert loaded(f"import json, sys, qsession.pytest_plugin; print(json.dumps({OURS}))") == AT_EVERY_START


@pytest.mark.parametrize(
    ("options", "processes"),
    [((), ["controller"]), (("-n", "1"), ["controller", "gw0"])],
    ids=["alone", "xdist"],
)
def test_suite_without_our_tests_loads_few_of_our_modules(project, options, processes):
    """From the start to the end, in a worker of pytest-xdist and in its controller."""
    project.write("def test_it(): pass", conftest=TELLS)
    project.run_apart(*options).assert_outcomes(passed=1)
    told = {path.stem: json.loads(path.read_text()) for path in project.folder.glob("*.json")}
    assert told == dict.fromkeys(processes, AT_EVERY_START)


@pytest.mark.parametrize("ini", ["qsession_mode = replay", "qsession_allowed_hosts = example.org"])
def test_project_with_an_option_is_guarded_before_its_tests_are_imported(project, ini):
    """Though it has no test of ours: the plan is made at the start."""
    project.write(
        "import sys\nGUARDED = 'qsession._guard' in sys.modules\ndef test_it(): assert GUARDED", ini=ini
    )
    project.run_apart().assert_outcomes(passed=1)


def test_replay_loads_nothing_of_redaction(recorded):
    """What keeps secrets out of recordings and reports has nothing to do in a replay."""
    (recorded.folder / "conftest.py").write_text(TELLS)
    recorded.run_apart().assert_outcomes(passed=1)
    told = json.loads((recorded.folder / "controller.json").read_text())
    assert "qsession._replay" in told
    rooms = {".".join(name.split(".")[:2]) for name in told}
    assert rooms & {"qsession._redaction", "qsession._custody", "qsession._reports"} == set()
