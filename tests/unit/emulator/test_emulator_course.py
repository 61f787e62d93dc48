from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qsession import _lifecycle
from qsession._model import SECOND
from qsession.emulator import _course
from qsession.emulator._course import Control, JobPlan, Story

MOMENTS = st.integers(0, 200 * SECOND)


@st.composite
def plans(draw):
    """Jobs in the order of their submission, some of them cancelled."""
    created = sorted(draw(st.lists(st.integers(0, 60 * SECOND), max_size=8)))
    made = []
    for number, moment in enumerate(created):
        cancelled = draw(st.none() | st.integers(moment, moment + 30 * SECOND))
        lengths = draw(st.integers(0, 20 * SECOND)), draw(st.integers(0, 20 * SECOND))
        made.append(JobPlan(f"job-{number}", moment, *lengths, cancelled))
    return made


@given(
    plans(), st.sampled_from(["dedicated", "batch"]), st.sampled_from(["stop", "cancel"]), MOMENTS, MOMENTS
)
def test_course_is_consistent(jobs, mode, wish, later, at):
    """Fates and life tell one story: no job starts after the closing, usage is what ran."""
    controls = [Control(60 * SECOND + later, wish)]
    story = Story(_lifecycle.begin(mode, 0), controls, jobs)
    life, fates, ran = story.life(at), [story.fate(plan.job, at) for plan in jobs], 0
    for fate in fates:
        assert fate.is_final == (fate.ended is not None)
        if fate.started is not None:
            assert fate.started <= (at if fate.ended is None else fate.ended)
            assert life.closed_at is None or fate.started <= life.closed_at
            ran += (fate.ended - fate.started) if fate.ended is not None else 0
    assert life.qpu_time == ran
    assert life.running == sum(fate.phase == "Running" for fate in fates)


@given(plans(), st.lists(MOMENTS, min_size=2, max_size=6))
def test_fates_only_go_forward(jobs, moments):
    """A job that reached a final phase has the same end for ever."""
    ends: dict[str, object] = {}
    story = Story(_lifecycle.begin("dedicated", 0), [], jobs)
    for at in sorted(moments):
        for job, fate in ((plan.job, story.fate(plan.job, at)) for plan in jobs):
            if job in ends:
                assert fate == ends[job]
            elif fate.is_final:
                ends[job] = fate


@given(plans(), st.lists(MOMENTS, min_size=1, max_size=6), st.sampled_from(["stop", "cancel"]))
def test_story_does_not_depend_on_what_was_asked_before(jobs, moments, wish):
    """A moment looks the same whether it is asked for first or after others."""
    told = Story(_lifecycle.begin("dedicated", 0), [Control(60 * SECOND, wish)], jobs)
    for at in moments:
        fresh = Story(_lifecycle.begin("dedicated", 0), [Control(60 * SECOND, wish)], jobs)
        told.next_change(at)
        assert told.life(at) == fresh.life(at)
        assert [told.fate(p.job, at) for p in jobs] == [fresh.fate(p.job, at) for p in jobs]


@given(plans(), MOMENTS)
def test_jobs_of_one_session_do_not_overlap(jobs, at):
    """At most one job of a session holds the QPU."""
    story = Story(_lifecycle.begin("batch", 0), [], jobs)
    fates = [story.fate(plan.job, at) for plan in jobs]
    spans = sorted((f.started, at if f.ended is None else f.ended) for f in fates if f.started is not None)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_job_alone_is_cancelled_at_its_moment():
    """A cancelled job is Queued before and Cancelled after."""
    plan = JobPlan("j", 0, 10, 10, 5)
    assert [_course.alone(plan, at).phase for at in (4, 5, 15, 99)] == ["Queued", *["Cancelled"] * 3]


def test_cancel_at_the_start_ends_a_running_job():
    """Who cancels in the very moment of a job's start has seen it running: the session stays active."""
    plan = JobPlan("job", 0, 5, 10, cancelled=5)
    story = Story(_lifecycle.begin("dedicated", 0), (), [plan])
    fate = story.fate("job", 5)
    assert (fate.phase, fate.started, fate.ended) == ("Cancelled", 5, 5)
    assert story.life(5).timestamps == (("open", 0), ("active", 5))
    assert _course.alone(plan, 5) == fate
    assert _course.alone(replace(plan, cancelled=4), 5).started is None
