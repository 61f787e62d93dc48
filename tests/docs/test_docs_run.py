"""The documentation's Python runs, against the emulator and in a folder of its own."""

import os
import shutil
from unittest import mock

import pytest
from blocks import ROOT, blocks

import qsession

QUIET = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:schemathesis",
    "-W",
    "ignore:.*(SamplerV2|EstimatorV2).*:DeprecationWarning",
)


def names(found):
    return [block.name for block in found]


def counted(result):
    return int(next(line for line in result.outlines if line.startswith("live requests:")).split()[-1])


@pytest.fixture(scope="module", autouse=True)
def everything_imported(tmp_path_factory):
    """Load what a run needs before pytester does: it forgets modules, and numpy loads once only."""
    import qiskit_aer  # noqa: F401
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import SamplerV2

    path = tmp_path_factory.mktemp("first") / "bell.yaml"
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    for run in (qsession.record(path, target="emulator"), qsession.replay(path)):
        with run:
            backend = run.service().backend("ibm_fez")
            isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=1).run(circuit)
            with qsession.Batch(backend=backend) as batch:
                SamplerV2(mode=batch).run([isa], shots=1).result()


@pytest.fixture(autouse=True)
def machine_without_account(monkeypatch, tmp_path):
    """Whatever account this machine has is not the reader's."""
    for name in (
        "QISKIT_IBM_TOKEN",
        "QISKIT_IBM_URL",
        "QISKIT_IBM_INSTANCE",
        "QISKIT_IBM_QPU",
        "IAM_URL",
        "CI",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


SCRIPTS = blocks("python run")
TESTS = blocks("python test")
PYTHON = blocks("python", "python run", "python test")


@pytest.mark.parametrize("block", SCRIPTS, ids=names(SCRIPTS))
def test_script_of_the_docs_runs(block, monkeypatch, tmp_path):
    """A reader who pastes it into an empty folder gets no error."""
    monkeypatch.chdir(tmp_path)
    code = compile("\n" * (block.line - 1) + block.body, block.page, "exec")
    with mock.patch.dict(os.environ):
        exec(code, {"__name__": "a_reader"})


@pytest.mark.parametrize("block", TESTS, ids=names(TESTS))
def test_test_of_the_docs_records_and_replays(block, pytester):
    """A reader who saves it can record it without an account and replay it."""
    pytester.makeini("[pytest]")
    pytester.makepyfile(test_example=block.body)
    recorded = pytester.runpytest_inprocess(*QUIET, "--qsession-record", "--qsession-target=emulator")
    assert recorded.parseoutcomes().keys() - {"warnings", "warning"} == {"passed"}
    replayed = pytester.runpytest_inprocess(*QUIET)
    replayed.assert_outcomes(passed=recorded.parseoutcomes()["passed"])
    assert counted(replayed) == 0


@pytest.mark.parametrize("block", PYTHON, ids=names(PYTHON))
def test_python_of_the_docs_compiles(block):
    """No block has a slip of the pen."""
    compile(block.body, block.page, "exec")


@pytest.fixture
def example(pytester):
    """A copy of the example project, as a reader makes one."""
    shutil.copytree(ROOT / "examples" / "bell", pytester.path, dirs_exist_ok=True)
    return pytester


def replayed(example, *options):
    return example.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:schemathesis", *options)


def rewrite(path, old, new):
    content = path.read_text("utf-8")
    assert old in content
    path.write_text(content.replace(old, new), "utf-8")


def test_example_project_replays_as_committed(example):
    """Who copies the example has green tests without an account."""
    result = replayed(example)
    result.assert_outcomes(passed=2)
    assert counted(result) == 0


def test_example_project_replays_after_a_move(example):
    """Test file and cassettes renamed together, as the how-to says."""
    (example.path / "tests" / "test_bell.py").rename(example.path / "tests" / "test_pairs.py")
    folder = example.path / "cassettes" / "tests"
    (folder / "test_bell").rename(folder / "test_pairs")
    # The test whose seed followed from its id.
    replayed(example, "-k", "open_session").assert_outcomes(passed=1)


def test_example_project_replays_with_another_name_of_its_circuit(example):
    """Jobs are compared by what they mean: the tutorial says that a name does not count."""
    rewrite(example.path / "bell.py", "QuantumCircuit(2)", 'QuantumCircuit(2, name="pair")')
    replayed(example, "-k", "program").assert_outcomes(passed=1)


def test_left_out_job_is_noticed(example):
    """QS306 in the words of errors.md, for a job less."""
    rewrite(example.path / "tests" / "test_bell.py", "outcome = run_bell", "return\n    outcome = run_bell")
    result = replayed(example, "-k", "program")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*left out 3 recorded request(s) that change something. [[]QS306]"])


def test_cassette_of_pytest_is_replayed_by_its_path(example):
    """A cassette below the folder finds the bodies beside the folder's top."""
    path = example.path / "cassettes" / "tests" / "test_bell" / "test_program_runs_one_session.yaml"
    with qsession.replay(path, allow_unused=True) as run:
        assert run.service().backend("ibm_fez").num_qubits == 156


def test_first_run_without_a_recording_names_the_command(pytester):
    """The tutorial's third step: the refusal, not a traceback of ours, is what the reader sees."""
    pytester.makeini("[pytest]")
    pytester.makepyfile(test_example=TESTS[0].body)
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*There is no recording to replay. Nothing was sent. [[]QS201]",
            "*To fix: pytest 'test_example.py::test_bell' --qsession-record --qsession-target=emulator",
        ]
    )
    assert "AssertionError" not in result.stdout.str()


def test_broken_circuit_is_refused_as_the_readme_says(pytester):
    """The tutorial's sixth step gives the message that the README and a how-to show."""
    pytester.makeini("[pytest]")
    body = next(block.body for block in TESTS if block.page == "docs/tutorial.md")
    pytester.makepyfile(test_bell=body)
    recorded = pytester.runpytest_inprocess(*QUIET, "--qsession-record", "--qsession-target=emulator")
    recorded.assert_outcomes(passed=1)
    pytester.makepyfile(test_bell=body.replace("cx(0, 1)", "cz(0, 1)"))
    result = pytester.runpytest_inprocess(*QUIET)
    result.assert_outcomes(failed=1)
    shown = [block for block in blocks("text") if "[QS302]" in block.body]
    assert {block.page for block in shown} >= {"README.md", "docs/howto/read-a-failed-replay.md"}
    for block in shown:
        if block.page != "docs/reference/errors.md":
            lines = [line.strip() for line in block.body.splitlines() if "recorded at" not in line]
            result.stdout.fnmatch_lines(["*" + line.replace("[", "[[]") for line in lines])
