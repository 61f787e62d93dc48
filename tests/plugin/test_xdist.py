"""Several workers."""

from plugin_project import EMULATOR, USAGE, answered, block, message


def test_one_block_counts_all_workers(project):
    """Recorded and replayed by two workers, as by one."""
    project.write("".join(USAGE.replace("test_usage", f"test_{name}") for name in "abcd"))
    result = project.run_apart("-n2", *EMULATOR)
    result.assert_outcomes(passed=4)
    assert block(result) == [
        "mode: record (emulator), tests: 4, requests answered: N",
        "live requests: 0",
        "QPU seconds used: 0.0 (on the service these tests would use 0.0)",
        "sessions opened: 0, cassettes written: 4",
    ]
    assert project.files("cassettes/test_it") == [f"test_{name}.yaml" for name in "abcd"]
    alone = project.run()
    alone.assert_outcomes(passed=4)
    assert answered(result) == answered(alone)


def test_refusal_reaches_the_controller(recorded):
    """The message, whole, and the counts of the worker that met it."""
    recorded.write("def test_bell(qsession): pass")
    result = recorded.run_apart("-n2")
    result.assert_outcomes(passed=1, errors=1)
    assert message(result, "QS306").startswith(
        "The code under test left out 1 recorded request(s) that change something. [QS306]\n"
        "  not sent: POST /jobs, recorded at "
    )
    assert block(result)[-1] == "recorded writes not sent: 1, requests refused: 0"


def test_no_block_without_our_tests(project):
    """Workers that did nothing say nothing."""
    project.write("def test_it(): pass")
    result = project.run_apart("-n2")
    result.assert_outcomes(passed=1)
    assert block(result) == []
