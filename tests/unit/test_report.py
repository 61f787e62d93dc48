"""The closing block."""

import pytest

from qsession._report import Summary, lines

HEAD = [
    "mode: replay (recording), tests: 2, requests answered: 5",
    "live requests: 0",
    "QPU seconds used: 0.0 (on the service these tests would use 0.0)",
    "sessions opened: 0, cassettes written: 0",
]
RUNS = (Summary("replay", "recording", answered=2), Summary("replay", "recording", answered=3))


def test_block_of_a_tidy_folder_says_nothing_of_it():
    """What is as it should be takes no line."""
    assert lines(RUNS, mode="replay") == HEAD


def test_block_names_each_thing_that_is_left_over_and_what_to_do():
    """In one piece, with what costs a recording first."""
    stale = "cassettes/@ibm.yaml: recorded 2026-08-29, 90 days ago; qsession_expire is 90d"
    runs = [
        Summary("replay", "recording", answered=2, unused=1, stale=stale),
        Summary("replay", "recording", answered=3, stale=f"cassettes/a.yaml: too old\n{stale}"),
    ]
    assert lines(
        runs,
        mode="replay",
        orphans=["test_a/test_gone.yaml"],
        renamed=["test_a/test_old.yaml: test_a.py::test_new", "test_a/@device.yaml: test_a/@machine.yaml"],
        layers=["test_a/@left.yaml"],
        unread=["GET /backends/ibm_torino/properties", "GET /backends/ibm_fez/properties"],
    ) == [
        *HEAD,
        "recorded writes not sent: 1, requests refused: 0",
        "stale cassettes: 2",
        "  cassettes/@ibm.yaml: recorded 2026-08-29, 90 days ago; qsession_expire is 90d",
        "  cassettes/a.yaml: too old",
        "cassettes that renamed tests may have left: 2 (qsession prune --rename)",
        "  test_a/test_old.yaml: test_a.py::test_new",
        "  test_a/@device.yaml: test_a/@machine.yaml",
        "cassettes without a test: 1 (qsession prune)",
        "  test_a/test_gone.yaml",
        "layers that no cassette builds on: 1 (qsession prune)",
        "  test_a/@left.yaml",
        "answers of a shared layer that no test asked for: 2",
        "  GET /backends/ibm_torino/properties",
        "  GET /backends/ibm_fez/properties",
    ]


@pytest.mark.parametrize("what", ["orphans", "renamed", "layers", "unread"])
def test_block_names_ten_and_counts_the_rest(what):
    """A suite that moved as a whole does not fill the screen."""
    told = lines(RUNS, mode="replay", **{what: [f"{number:02}" for number in range(12)]})[len(HEAD) :]
    assert [told[0].partition("(")[0].split()[-1], *told[1:]] == [
        "12",
        *(f"  {number:02}" for number in range(10)),
        "  and 2 more",
    ]
