"""pytest-randomly: its order and its seeds for theirs, the recording's numbers for ours."""

from __future__ import annotations

import re

import pytest
from plugin_project import EMULATOR

OURS = """
import random
import numpy
import pytest

@pytest.mark.qsession
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_ours(qsession_service, name):
    assert qsession_service.usage()
    print(f"\\nOURS {name} {random.random()} {numpy.random.random()}")
"""
THEIRS = """
import random
import numpy
import pytest

@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_theirs(name):
    print(f"\\nTHEIRS {name} {random.random()} {numpy.random.random()}")
"""


def numbers(result, who):
    """What the tests drew, in the order in which they ran."""
    return re.findall(rf"^{who} (.*)", result.stdout.str(), re.MULTILINE)


def test_shuffled_tests_of_ours_replay(suite):
    """Whatever the seed, and whatever the order."""
    suite.holds(THEIRS, OURS)
    recorded = suite.beside("randomly", "-s", *EMULATOR, "-p", "randomly")
    recorded.assert_outcomes(passed=6)
    orders = set()
    for seed in range(5):
        result = suite.beside("randomly", "-s", f"--randomly-seed={seed}")
        result.assert_outcomes(passed=6)
        assert sorted(numbers(result, "OURS")) == sorted(numbers(recorded, "OURS"))
        orders.add(tuple(line[0] for line in numbers(result, "OURS")))
    assert len(orders) > 1


@pytest.mark.parametrize("option", [(), ("--randomly-dont-reset-seed", "--randomly-dont-reorganize")])
def test_theirs_draw_what_they_draw_without_us(suite, option):
    """Tests of ours before and between them take nothing from the numbers of theirs."""
    suite.holds(THEIRS, OURS)
    options = ("-s", "--randomly-seed=7", *option)
    suite.beside("randomly", *EMULATOR, *options)
    alone = suite.beside("randomly", *options, "-p", "no:qsession", "test_theirs.py")
    beside = suite.beside("randomly", *options)
    assert sorted(numbers(beside, "THEIRS")) == sorted(numbers(alone, "THEIRS"))
    assert len(numbers(alone, "THEIRS")) == 3
