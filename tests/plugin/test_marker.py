"""``@pytest.mark.qsession``: its arguments, and what it refuses."""

import pytest
from plugin_project import USAGE, message

FIX = 'To fix: for example @pytest.mark.qsession(backend="ibm_fez", max_time="1h", mode="batch")'


def marked(arguments, body="pass", fixtures="qsession"):
    return f"import pytest\n@pytest.mark.qsession({arguments})\ndef test_it({fixtures}):\n    {body}\n"


def test_mode_batch_opens_a_batch(project):
    """Every fixture works with a batch too."""
    body = 'assert qsession.details()["mode"] == "batch"; assert type(qsession).__name__ == "Batch"'
    project.write(marked('mode="batch"', body))
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_max_time_is_the_sessions(project):
    """As the client takes it: seconds or a text."""
    project.write(marked('max_time="1h 30m"', 'assert qsession.details()["max_time"] == 5400'))
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_backend_wins_over_everything(project, monkeypatch):
    """Marker before command line, ini and environment."""
    monkeypatch.setenv("QISKIT_IBM_QPU", "ibm_nowhere")
    project.write(
        marked('backend="ibm_torino"', 'assert qsession_backend.name == "ibm_torino"', "qsession_backend"),
        ini="qsession_backend = ibm_elsewhere",
    )
    project.record("--qsession-backend=ibm_fez").assert_outcomes(passed=1)
    project.run("--qsession-backend=ibm_fez").assert_outcomes(passed=1)


def test_cassette_names_the_file(project):
    """Below the folder of the cassettes."""
    project.write(USAGE.replace("mark.qsession", 'mark.qsession(cassette="deep/mine.yaml")'))
    project.record().assert_outcomes(passed=1)
    assert project.cassettes() == ["deep/mine.yaml"]
    project.run().assert_outcomes(passed=1)


def test_allow_unused_lets_a_write_be_left_out(project):
    """The one word that the message about unused writes names."""
    project.write(marked("", fixtures="qsession"))
    project.record().assert_outcomes(passed=1)
    project.write(marked("allow_unused=True", fixtures="qsession_service"))
    project.run().assert_outcomes(passed=1)


def test_markers_of_module_class_and_test_add_up(project):
    """The nearest one wins, argument by argument."""
    project.write(
        """
        import pytest
        pytestmark = pytest.mark.qsession(backend="ibm_torino", mode="batch")

        @pytest.mark.qsession(mode="dedicated")
        class TestIt:
            @pytest.mark.qsession(max_time=600)
            def test_it(self, qsession):
                details = qsession.details()
                assert details["backend_name"] == "ibm_torino"
                assert (details["mode"], details["max_time"]) == ("dedicated", 600)
        """
    )
    project.record().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "evidence"),
    [
        ('"ibm_fez"', "1 positional argument(s); it takes keyword arguments only"),
        ('bakend="ibm_fez"', "'bakend'; did you mean 'backend'?"),
        ('scope="modul"', "scope='modul'; did you mean 'module'?"),
        ("faults=1", "'faults' is not there yet"),
        ('match="route"', "match='route'; did you mean 'routed'?"),
        (
            'match=("circuit",)',
            "match=('circuit',): 'circuit'; did you mean 'circuits'?",
        ),
        (
            "match=()",
            "match=(); it takes meaning, routed, strict, or a tuple of circuits, values, observables, "
            "shots, options, tags, job",
        ),
        ('mode="bach"', "mode='bach'; did you mean 'batch'?"),
        ("backend=7", "backend=7; it takes the name of a backend"),
        ("max_time=[1]", "max_time=[1]; it takes seconds, or a text such as '2h 30m'"),
        ('allow_unused="no"', "allow_unused='no'; it takes True or False"),
        ("cassette=1", "cassette=1; it takes a name like 'bell.yaml'"),
        (
            'cassette="bell"',
            "cassette='bell'; it takes a name like 'bell.yaml', inside the folder of the cassettes",
        ),
        (
            r'cassette="a\0b.yaml"',
            r"cassette='a\x00b.yaml'; it takes a name like 'bell.yaml', inside the folder of the cassettes",
        ),
        (
            'cassette="@emulator.yaml"',
            "cassette='@emulator.yaml'; it takes a name like 'bell.yaml', inside the folder of the cassettes",
        ),
        (
            'cassette="../bell.yaml"',
            "cassette='../bell.yaml'; it takes a name like 'bell.yaml', inside the folder of the cassettes",
        ),
    ],
)
def test_argument_it_does_not_take(project, arguments, evidence):
    """Said at the test, before anything is opened."""
    project.write(marked(arguments))
    result = project.record()
    result.assert_outcomes(errors=1)
    assert message(result, "QS106") == (
        "The marker qsession has an argument that it does not take. [QS106]\n"
        f"  {evidence}\n{FIX}\nWhere: test_it.py::test_it"
    )
    assert project.files() == []


def test_two_tests_with_one_cassette_are_refused_when_recording(project):
    """Else the second would overwrite the first without a word."""
    test = USAGE.replace("mark.qsession", 'mark.qsession(cassette="one.yaml")')
    project.write(test + test.replace("test_usage", "test_other"))
    result = project.record()
    assert message(result, "QS109") == (
        "Two tests would write the same cassette, each over the other's. Nothing was recorded. [QS109]\n"
        "  both write cassettes/one.yaml\n"
        "  test_it.py::test_usage\n"
        "  test_it.py::test_other\n"
        "To fix: leave cassette= out of the marker, or give each test a name "
        "(ids=... for parameters) of its own"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.files() == []


def test_two_tests_with_one_cassette_replay(project):
    """What one of them recorded the other may replay."""
    test = USAGE.replace("mark.qsession", 'mark.qsession(cassette="one.yaml")')
    project.write(test)
    project.record().assert_outcomes(passed=1)
    project.write(test + test.replace("test_usage", "test_other"))
    project.run().assert_outcomes(passed=2)


def test_markers_option_shows_it(project):
    """``pytest --markers`` explains the marker."""
    result = project.run("--markers")
    assert (
        "@pytest.mark.qsession(*, backend, max_time, mode, cassette, scenario, match, polls, beyond, "
        "allow_unused, scope): "
        "run this test against a recording, a scenario, the emulator or the service"
    ) in result.outlines
