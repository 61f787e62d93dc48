"""``--qsession-backend``, ``qsession_backend`` and ``QISKIT_IBM_QPU``."""

from plugin_project import message


def asks_for(name):
    return f'def test_it(qsession_backend): assert qsession_backend.name == "{name}"'


def test_default_on_the_emulator(project):
    """Nobody pays for it, so one is chosen."""
    project.write(asks_for("ibm_fez"))
    project.record().assert_outcomes(passed=1)


def test_environment_is_the_last_to_be_asked(project, monkeypatch):
    """The client's own variable."""
    monkeypatch.setenv("QISKIT_IBM_QPU", "ibm_torino")
    project.write(asks_for("ibm_torino"))
    project.record().assert_outcomes(passed=1)


def test_ini_wins_over_the_environment(project, monkeypatch):
    """What a project agreed on before what a machine says."""
    monkeypatch.setenv("QISKIT_IBM_QPU", "ibm_nowhere")
    project.write(asks_for("ibm_torino"), ini="qsession_backend = ibm_torino")
    project.record().assert_outcomes(passed=1)


def test_command_line_wins_over_ini(project):
    """What was typed last."""
    project.write(asks_for("ibm_torino"), ini="qsession_backend = ibm_nowhere")
    project.record("--qsession-backend=ibm_torino").assert_outcomes(passed=1)


def test_replay_takes_the_backend_of_the_recording(project, monkeypatch):
    """Whatever the options of this machine say."""
    project.write("def test_it(qsession): assert qsession.backend() == 'ibm_torino'")
    project.record("--qsession-backend=ibm_torino").assert_outcomes(passed=1)
    monkeypatch.setenv("QISKIT_IBM_QPU", "ibm_fez")
    project.run("--qsession-backend=ibm_fez").assert_outcomes(passed=1)


def test_replay_takes_the_backend_of_the_fixture(project):
    """Not one that the test itself asked for something before."""
    project.write(
        """
        from qiskit_ibm_runtime import Batch

        def test_it(qsession_service, qsession_backend):
            with Batch(backend=qsession_service.backend("ibm_torino")) as batch:
                batch.details()
            assert qsession_backend.name == "ibm_fez"
        """
    )
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_unknown_backend_is_refused(project):
    """With the nearest one."""
    project.write(asks_for("ibm_fez"))
    result = project.record("--qsession-backend=ibm_fes")
    result.assert_outcomes(errors=1)
    assert message(result, "QS115") == (
        "There is no backend of this name. [QS115]\n"
        "  'ibm_fes'; did you mean 'ibm_fez'?\n"
        "To fix: name another with --qsession-backend=NAME, in the marker, or in QISKIT_IBM_QPU\n"
        "Where: test_it.py::test_it"
    )
    assert project.files("cassettes") == []


def test_backend_that_was_not_recorded_is_refused(project):
    """A marker that was changed after the recording."""
    project.write(asks_for("ibm_fez"))
    project.record().assert_outcomes(passed=1)
    project.write('import pytest\n@pytest.mark.qsession(backend="ibm_nowhere")\n' + asks_for("ibm_nowhere"))
    result = project.run()
    result.assert_outcomes(errors=1)
    assert message(result, "QS115") == (
        "There is no backend of this name. [QS115]\n"
        "  'ibm_nowhere' is not in the recording\n"
        "To fix: name the backend that was recorded, or record again with --qsession-record\n"
        "Where: test_it.py::test_it"
    )
