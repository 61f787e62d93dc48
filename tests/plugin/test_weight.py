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
        " '-p', 'no:hypothesispytest', '-p', 'no:xdist'])\n"
        f"print(json.dumps([status, 'qsession.pytest_plugin' in sys.modules, {LOADED}]))\n"
    )
    assert loaded(code, str(tmp_path)) == [0, True, []]
