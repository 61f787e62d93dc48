"""The states of one thing, read by their moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._model import SECOND, Interaction, Request, Response
from qsession._timeline import Timeline

REQUEST = Request("GET", "https://quantum.cloud.ibm.com/api/v1/jobs/j1")

moments = st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True).map(sorted)
barriers = st.none() | st.integers(0, 60)


def seen(at, last=None, *, times=1, took=1):
    """A state that was polled from one moment to another."""
    response = Response(200, "OK", {}, f"state {at}".encode())
    return Interaction("jobs.get", 0, REQUEST, response, at, took, times, at if last is None else last)


def timeline(*states):
    return Timeline(list(states))


def begin(shown):
    return shown.at


def test_read_between_two_sightings_shows_the_earlier_state():
    """Nobody knows when it changed; it is taken for what it was seen to be."""
    states = timeline(seen(0), seen(10), seen(20))
    assert [begin(states.read(now, None)) for now in (0, 9, 10, 19, 20, 99)] == [0, 0, 10, 10, 20, 20]


def test_read_twice_at_one_moment_shows_one_state():
    """Looking does not change anything."""
    states = timeline(seen(0), seen(10), seen(20))
    assert {begin(states.read(10, None)) for _ in range(100)} == {10}


def test_read_before_the_first_sighting_shows_the_first_state():
    """The code under test may be faster than it was."""
    assert begin(timeline(seen(10), seen(20)).read(3, None)) == 10


def test_read_that_comes_rarely_skips_states():
    """A state that nobody looked at is not caught up on."""
    states = timeline(seen(0), seen(10), seen(20))
    assert [begin(states.read(now, None)) for now in (0, 25)] == [0, 20]


def test_read_at_an_earlier_moment_does_not_go_back():
    """A job that was running is not queued again."""
    states = timeline(seen(0), seen(10))
    assert [begin(states.read(now, None)) for now in (10, 0)] == [10, 10]


def test_read_stops_at_a_write_that_was_not_sent():
    """What the write changed does not show before it, however late it is."""
    states = timeline(seen(0), seen(10), seen(20))
    assert begin(states.read(99, 15)) == 10
    assert begin(states.read(99, None)) == 20


def test_read_after_a_write_skips_what_was_last_seen_before_it():
    """Code that polls less often than when recorded still sees what the write did."""
    states = timeline(seen(0, 4), seen(5, 9), seen(20))
    assert begin(states.read(11, None, since=(10, 11))) == 20


def test_read_after_a_write_keeps_what_was_still_seen_after_it():
    """Not every write shows at once."""
    states = timeline(seen(0, 30), seen(40))
    assert begin(states.read(11, None, since=(10, 11))) == 0


def test_read_after_a_write_may_show_what_was_seen_while_it_was_on_its_way():
    """There is nothing later to show."""
    states = timeline(seen(0), seen(12))
    assert begin(states.read(20, None, since=(10, 15))) == 12


def test_next_change_is_the_begin_of_the_next_state():
    """That is where a leap ends."""
    states = timeline(seen(0), seen(10), seen(20))
    states.read(0, None)
    assert [states.next_change(now, None) for now in (0, 9, 10, 20)] == [10, 10, 20, None]


def test_next_change_behind_an_unsent_write_is_none():
    """Waiting alone does not bring it about."""
    states = timeline(seen(0), seen(10), seen(20))
    states.read(0, 15)
    assert [states.next_change(now, 15) for now in (0, 12)] == [10, None]


@pytest.mark.parametrize(
    ("state", "patience"),
    [
        (seen(0), SECOND),
        (seen(0, 10 * SECOND, times=11), 2 * SECOND + 1),
        (seen(0, 100 * SECOND, times=11, took=SECOND), 21 * SECOND),
        (seen(0, 100, times=11), SECOND),
    ],
)
def test_patience_is_two_intervals_of_polling_but_at_least_a_second(state, patience):
    """Two loops that poll alike see the last state at moments that differ by that."""
    states = timeline(state)
    states.read(0, None)
    assert states.patience() == patience


@given(moments, st.lists(st.tuples(st.integers(0, 60), barriers)))
def test_read_never_goes_back(begins, reads):
    """Whatever is asked when, in whatever order, and behind whichever barrier."""
    states, last = timeline(*map(seen, begins)), -1
    for now, barrier in reads:
        shown = states.read(now, barrier).at
        assert shown >= last
        last = shown


@given(moments, st.lists(st.integers(0, 60), min_size=1), st.integers(0, 60))
def test_read_never_passes_a_barrier(begins, nows, barrier):
    """No state is shown that began behind an unsent write, but the first of all."""
    states = timeline(*map(seen, begins))
    for now in nows:
        assert states.read(now, barrier).at <= max(barrier, begins[0])


@given(moments, st.integers(0, 60), barriers)
def test_next_change_is_when_a_read_first_differs(begins, now, barrier):
    """A leap that ends there misses nothing, and a leap that ends before would see nothing."""
    states = timeline(*map(seen, begins))
    before = states.read(now, barrier)
    change = states.next_change(now, barrier)
    later = range(now, 62) if change is None else range(now, change)
    assert {states.read(moment, barrier).at for moment in later} <= {before.at}
    if change is not None:
        assert states.read(change, barrier).at == change > now


@given(moments, st.data())
def test_read_at_recorded_moments_gives_the_recorded_states(begins, data):
    """Every poll of every run of equal polls."""
    ends = [data.draw(st.integers(a, b - 1)) for a, b in zip(begins, [*begins[1:], 70], strict=True)]
    states = timeline(*map(seen, begins, ends))
    for at, last in zip(begins, ends, strict=True):
        assert {begin(states.read(now, None)) for now in (at, (at + last) // 2, last)} == {at}
