"""Any JSON and any number."""

from __future__ import annotations

import copy
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_jobs import turns, wire

from qsession import _payload


def _raw(values: object) -> _payload.Meaning:
    return _payload.read("sampler", wire({"pubs": [[turns(), values, None]]}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["sampler", "estimator", "executor", "mystery"]), _JSON)
def test_any_json_equals_itself(program: str, params: object) -> None:
    """Whatever JSON there is reads without an error and means what its copy means."""
    ours, theirs = _payload.read(program, params), _payload.read(program, copy.deepcopy(params))

    assert ours.digest == theirs.digest
    assert _payload.differences(ours, theirs) == ()


_WHOLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["sampler", "executor", "mystery"]), _WHOLE, _WHOLE)
def test_any_two_different_json_differ(program: str, one: object, two: object) -> None:
    """No difference is without a line, wherever in the parameters it lies."""
    # Absent trailing parts of a PUB mean the same as null, so PUBs are left to other tests.
    inside = "options" if program == "sampler" else "pubs"
    for build in (lambda part: part, lambda part: {"pubs": [], inside: part}, lambda part: {inside: [part]}):
        ours, theirs = _payload.read(program, build(one)), _payload.read(program, build(two))
        # The representation tells 1 from True, which == does not.
        equal = repr(_sorted(one)) == repr(_sorted(two))

        assert (ours.digest == theirs.digest) is equal
        assert (_payload.differences(ours, theirs) == ()) is equal


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_equal_digests_are_never_different(one: float, two: float) -> None:
    """Numbers that share a digest lie within the tolerance."""
    ours, theirs = (_payload.read("sampler", {"pubs": [], "x": value}) for value in (one, two))

    assert (ours.digest != theirs.digest) or math.isclose(one, two, rel_tol=1e-8, abs_tol=1e-8)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e-9, 1e-9))
def test_differences_across_an_edge_of_the_grid(value: float, shift: float) -> None:
    """Numbers within the tolerance are equal wherever the edges of the digest's grid lie."""
    ours, theirs = (_payload.read("sampler", {"pubs": [], "x": each}) for each in (value, value + shift))
    array = [_raw(np.array([each, 0.0])) for each in (value, value + shift)]

    assert _payload.differences(ours, theirs) == ()
    assert _payload.differences(*array) == ()
