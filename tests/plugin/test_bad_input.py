"""What is wrong with the files, the machine or the set-up: one clear message each."""

import pytest
from plugin_project import BELL, EMULATOR, USAGE, message


def test_missing_cassette(project):
    """The message names both ways to make one; nothing is sent or written."""
    project.write(USAGE)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS201") == (
        "There is no recording to replay. Nothing was sent. [QS201]\n"
        "  no file cassettes/test_it/test_usage.yaml\n"
        "To fix: pytest 'test_it.py::test_usage' --qsession-record --qsession-target=emulator\n"
        "If this is intended: record it on the service instead, which costs QPU time: "
        "pytest 'test_it.py::test_usage' --qsession-record --qsession-target=ibm\n"
        "Where: cassettes/test_it/test_usage.yaml"
    )
    assert project.files() == []


@pytest.mark.parametrize(
    "content", [b"", b"just: yaml\n", b"- a\n- b\n", b"\xff\xfe\x00", b"{unclosed: [", b"%PDF-1.7\n"]
)
def test_file_that_is_no_cassette(project, content):
    """It is left as it is."""
    project.write(USAGE)
    path = project.folder / "cassettes" / "test_it" / "test_usage.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    result = project.run()
    result.assert_outcomes(errors=1)
    lines = message(result, "QS202").splitlines()
    assert lines[0] == "The file is not a cassette that qsession wrote. It was left as it is. [QS202]"
    lines[-1] = lines[-1].partition(", line ")[0]
    assert lines[-2:] == [
        "To fix: restore it from version control, or delete it and record again with pytest --qsession-record",
        "Where: cassettes/test_it/test_usage.yaml",
    ]
    assert path.read_bytes() == content
    assert project.files() == ["cassettes/test_it/test_usage.yaml"]


WITHOUT_AER = "import sys\nsys.modules['qiskit_aer'] = None\n"


def test_emulator_extra_that_is_not_installed(project):
    """Recording needs it."""
    project.write(BELL, conftest=WITHOUT_AER)
    result = project.run_apart(*EMULATOR)
    assert message(result, "QS120") == (
        "The emulator needs qiskit-aer, which is not installed. [QS120]\n"
        "  It is not needed to replay recordings, so it comes with the extra emulator.\n"
        "To fix: pip install 'qsession[emulator]'"
    )
    assert project.files("cassettes") == []


def test_replay_needs_no_emulator_extra(recorded):
    """A replay in CI is what it is for."""
    recorded.write(BELL, conftest=WITHOUT_AER)
    recorded.run_apart().assert_outcomes(passed=1)


def test_run_inside_a_run(project):
    """One at a time in a process; the outer one goes on."""
    project.write(
        """
        import pytest
        import qsession as library

        def test_it(qsession_service):
            with pytest.raises(library.errors.UsageError) as caught, library.replay("other.yaml"):
                pass
            print(caught.value)
            assert qsession_service.usage()
        """.replace(
            "import qsession as library", "import qsession as library\n        import qsession.errors"
        )
    )
    result = project.record("-rP")
    result.assert_outcomes(passed=1)
    assert message(result, "QS103") == (
        "A run is on already: one at a time in a process. [QS103]\n"
        f"  record of {project.folder}/cassettes/test_it/test_it.yaml\n"
        "To fix: leave the outer run first, or use it: the fixture qsession_run is the run of the test"
    )
