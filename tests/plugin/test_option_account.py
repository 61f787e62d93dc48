"""``--qsession-account`` and ``--qsession-instance``: passed on to the client."""

from plugin_project import message
from qiskit_ibm_runtime.accounts import AccountManager

TOKEN = "a-token-that-opens-nothing-0001"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f:11111111-2222-3333-4444-555555555555::"


def active(**values):
    checks = "".join(f"    assert account[{key!r}] == {value!r}\n" for key, value in values.items())
    return f"def test_it(qsession_service):\n    account = qsession_service.active_account()\n{checks}"


def save(accounts, name):
    AccountManager.save(
        filename=str(accounts), name=name, token=TOKEN, channel="ibm_quantum_platform", instance=None
    )


def test_account_names_a_saved_one(project, accounts):
    """It is used, and nothing of it is written."""
    save(accounts, "mine")
    project.write(active(token=TOKEN))
    project.record("--qsession-account=mine").assert_outcomes(passed=1)
    assert all(TOKEN.encode() not in data for data in project.bytes(".").values())


def test_account_of_the_ini_file(project, accounts):
    """Every option has an ini key of the same stem."""
    save(accounts, "mine")
    project.write(active(token=TOKEN), ini="qsession_account = mine")
    project.record().assert_outcomes(passed=1)


def test_unknown_account_is_refused_before_the_service_is_reached(project):
    """By its name."""
    project.write("def test_it(qsession_service): pass")
    assert message(project.run("--qsession-record", "--qsession-account=yours"), "QS110") == (
        "To reach the service the client needs credentials, and it finds none. Nothing was sent. [QS110]\n"
        "  QISKIT_IBM_TOKEN is not set\n"
        "  no account named 'yours' is saved\n"
        "To fix: export QISKIT_IBM_TOKEN=<your API key> QISKIT_IBM_INSTANCE=<your instance>\n"
        "If this is intended: without an account, record against the emulator: --qsession-target=emulator\n"
        "Where: test_it.py::test_it"
    )


def test_instance_reaches_the_client(project):
    """As a CRN, in a replay as well, where nobody knows it."""
    project.write("def test_it(qsession_service): assert qsession_service.usage()")
    project.record().assert_outcomes(passed=1)
    project.write(f"def test_it(qsession_service): assert qsession_service.active_instance() == {CRN!r}")
    project.run(f"--qsession-instance={CRN}").assert_outcomes(passed=1)
    assert all(b"0f0f0f0f" not in data for data in project.bytes(".").values())
