"""Which parts of a text a test may have invented, and which are literals."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession import _invented

MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MICROS = int(MOMENT.timestamp()) * 1_000_000


def kinds(text: str) -> list[str]:
    return [part.kind for part in _invented.parts(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0f8fad5b-d9cb-469f-a165-70867728950e", ["uuid"]),
        ("0F8FAD5B-D9CB-469F-A165-70867728950E", ["uuid"]),
        ("run-0f8fad5b-d9cb-469f-a165-70867728950e_2", ["uuid"]),
        ("0f8fad5bd9cb469fa16570867728950e", ["hex32"]),
        ("5d74074777654474", ["hex16"]),
        ("5D74074777654474", ["HEX16"]),
        ("t_5d74074777654474.t_5d74074777654475", ["hex16", "hex16"]),
        ("2026-01-05T12:00:00", ["moment 0000-00-00T00:00:00"]),
        ("2026-01-05 12:00:00.123456", ["moment 0000-00-00 00:00:00"]),
        ("2026-01-05T12:00:00.5+00:00", ["moment 0000-00-00T00:00:00+00:00"]),
        ("2026-01-05T12:00:00Z", ["moment 0000-00-00T00:00:00Z"]),
        ("bell 2026-01-05_12-00-00", ["moment 0000-00-00_00-00-00"]),
        ("20260105T120000", ["compact 00000000T000000"]),
        ("20260105120000", ["compact 00000000000000"]),
        ("1767614400", ["epoch 0000000000"]),
        ("1767614400.25", ["epoch 0000000000"]),
        ("1767614400123", ["epoch 0000000000000"]),
        ("1767614400123456", ["epoch 0000000000000000"]),
        ("1767614400123456789", ["epoch 0000000000000000000"]),
    ],
)
def test_part_that_may_be_invented(text: str, found: list[str]) -> None:
    """UUIDs, long hexadecimal numbers and moments, whatever stands around them."""
    assert kinds(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "literal",
        "phantom_tags",
        "test_sampler.test_bell",
        "5d7407477765447",  # 15 digits
        "abcdefabcdefabcd",  # a word, as far as one can tell
        "2026-01-05",  # a date is written by hand
        "12:00:00",
        "2026-13-05T12:00:00",
        "99999999999999",
        "0999999999",  # before 2001
        "4102444800",  # 2100
        "12345678901",
        "x5d74074777654474",
        "5d74074777654474x",
        "5d7407477765447G",
        "0f8fad5b-d9cb-469f-a165-70867728950",
        "zf8fad5b-d9cb-469f-a165-70867728950e",
        "éa5d74074777654474z",
        "5d74074777654474éx5D74a74777654474",
    ],
)
def test_literal_is_no_such_part(text: str) -> None:
    """Names, numbers, dates and short words are compared as they are."""
    whole = "5d74074777654474" if text.startswith("5d74074777654474é") else ""
    assert [part.text for part in _invented.parts(text)] == ([whole] if whole else [])
    assert _invented.shape(text) == text.replace(whole or "\0", "\0hex16\0")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05T12:00:00", MICROS),
        ("2026-01-05T13:00:00+01:00", MICROS),
        ("2026-01-05T07:30:00-0430", MICROS),
        ("2026-01-05 12:00:00Z", MICROS),
        ("20260105_120000", MICROS),
        ("1767614400", MICROS),
        ("1767614400.25", MICROS + 250_000),
        ("1767614400123", MICROS + 123_000),
        ("1767614400123456", MICROS + 123_456),
        ("1767614400123456789", MICROS + 123_456),
        ("5d74074777654474", None),
    ],
)
def test_moment_of_a_part(text: str, moment: int | None) -> None:
    """What names a moment is known by it, in microseconds since 1970; without a zone it is UTC."""
    (part,) = _invented.parts(text)

    assert part.moment == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05T12:00:00", MICROS),
        ("2026-01-05T12:00:00.000001+00:00", MICROS + 1),
        ("2026-01-05", MICROS - 43_200 * 1_000_000),
        ("yesterday", None),
        ("", None),
    ],
)
def test_moment_of_a_text(text: str, moment: int | None) -> None:
    """A parameter of a query is a moment as a whole, or none."""
    assert _invented.moment(text) == moment


def test_shape_keeps_what_stands_around() -> None:
    """Two texts have one shape if they differ in such parts only, kind by kind."""
    one, two = uuid.uuid4(), uuid.uuid4()

    assert _invented.shape(f"a {one} b") == _invented.shape(f"a {two} b")
    assert _invented.shape(f"a {one} b") != _invented.shape(f"a {two} c")
    assert _invented.shape(f"a {one} b") != _invented.shape(f"a {one.hex} b")
    assert _invented.shape("x 1767614400.5") == _invented.shape("x 1767614401")


@given(st.text(max_size=60))
def test_shape_of_any_text_is_made_of_its_parts(text: str) -> None:
    """Whatever stands in a tag, what is no part of such a kind is kept."""
    end, kept = 0, ""
    for part in _invented.parts(text):
        assert text[part.start : part.start + len(part.text)] == part.text
        kept += text[end : part.start] + f"\0{part.kind}\0"
        end = part.start + len(part.text)

    assert _invented.shape(text) == kept + text[end:]


@given(st.integers(0, 2**128 - 1))
def test_every_uuid_is_a_part(number: int) -> None:
    """In its usual spelling, always; as 32 digits, unless all are of one kind."""
    value = uuid.UUID(int=number, version=4)

    assert kinds(str(value)) == ["uuid"]
    assert kinds(value.hex) == ([] if value.hex.isdigit() else ["hex32"])


def test_random_token_is_a_part() -> None:
    """As `secrets` makes them."""
    assert kinds(f"job-{secrets.token_hex(16)}") == ["hex32"]
