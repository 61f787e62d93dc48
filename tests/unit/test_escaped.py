"""What a recording says is shown, not obeyed: by a terminal, or by a runner of CI."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._escaped import as_json, escaped, one_line
from qsession._report import Summary, lines
from qsession.errors import CassetteError

# As the runners look for them, apart from what escapes them.
OBEYED = re.compile(r"^\s*::|##\[|##vso\[|##teamcity\[", re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error file=a::wrong", "\\x3a:error file=a::wrong"),
        ("  ::set-env name=A::b", "  \\x3a:set-env name=A::b"),
        ("a\n\n\u00a0::add-mask::b", "a\n\n\u00a0\\x3a:add-mask::b"),
        ("told ##[error]wrong", "told \\x23#[error]wrong"),
        ("###[debug]", "#\\x23#[debug]"),
        ("##vso[task.complete]", "\\x23#vso[task.complete]"),
        ("test_a.py::test_b ## [a] #[b]", "test_a.py::test_b ## [a] #[b]"),
        ("\x1b[2J\u202e", "\\x1b[2J\\u202e"),
    ],
)
def test_escaped_gives_no_orders(text, shown):
    """What is none stays as it is."""
    assert escaped(text) == shown


@given(st.lists(st.sampled_from(["::", ":", "#", "[", "error", "vso", "\n", " ", "\t", "\u2003", "x"])))
def test_escaped_leaves_no_order_whatever_the_pieces(pieces):
    """However they are put together."""
    assert not OBEYED.search(escaped("".join(pieces)))
    assert not OBEYED.search(one_line("".join(pieces)))


@given(st.lists(st.sampled_from(["##[", "::", "#", "[error]", "\n", '"', "\\", "é"])))
def test_json_means_the_same_and_gives_no_orders(pieces):
    """A runner looks for some orders anywhere in a line."""
    text = as_json({"::": "".join(pieces)})
    assert json.loads(text) == {"::": "".join(pieces)}
    assert not OBEYED.search(text)


def test_error_gives_no_orders():
    """Its evidence may be what a recording says, line ends and all."""
    error = CassetteError("QS202", "No.", evidence=["a\n::error::b", "::warning::c ##[group]d"], fix="e")
    assert str(error) == ("No. [QS202]\n  a\n\\x3a:error::b\n  \\x3a:warning::c \\x23#[group]d\nTo fix: e")


def test_closing_block_gives_no_orders():
    """Names of tests and cassettes stand in it."""
    runs = [Summary("replay", "recording", stale="::error::a: old", parked="pytest 'a[##[error]b]'")]
    block = lines(runs, mode="replay", orphans=["::debug::b.yaml"])
    assert block[4:] == [
        "parked, its job waits in the queue: pytest 'a[\\x23#[error]b]'",
        "stale cassettes: 1",
        "  \\x3a:error::a: old",
        "cassettes without a test: 1 (qsession prune)",
        "  \\x3a:debug::b.yaml",
    ]
