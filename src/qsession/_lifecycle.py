"""The life of a session or batch: states, timers and usage as pure data.

A `Life` is a frozen value; each move takes one and gives the next. Time comes in
with every move, timers that ran out before it are applied first, and nothing here
knows of HTTP, JSON or a clock.

::

    open --start--> active --interactive TTL--> inactive --start--> active
      |               |                            |
      +---------------+----- close, TTL, cancel ---+----> closed

Marks of the rules: (D) documented by IBM, (P) observed in somebody's published
output, (I) inferred, (?) unknown and therefore a field of `Rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from qsession._model import SECOND, Instant, Micros

Mode = Literal["dedicated", "batch"]
State = Literal["open", "active", "inactive", "closed"]

DEFAULT_INTERACTIVE_TTL: Micros = 60 * SECOND
"""One minute for premium sessions, and for batches on every plan (D, sessions guide)."""

DEFAULT_MAX_TTL: Micros = 28_800 * SECOND
"""Eight hours (D, OpenAPI default of ``max_ttl``)."""

OPEN_PLAN_MAX_TTL: Micros = 600 * SECOND
"""Ten minutes for a batch on the open plan (D, batch guide)."""

UNUSED_TTL: Micros = 1_800 * SECOND
"""A session that gets no job closes itself after 30 minutes (D, sessions guide)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The timers of one session.

    Attributes:
        interactive_ttl: Idle time after a job until the session turns inactive (D).
        max_ttl: Time from the first job's start until the session closes (D).
        active_ttl: Total time in ``active``; equals ``max_ttl`` unless a channel
            partner asks for less (D, OpenAPI).
        unused_ttl: Time without any job until an open session closes (D).
    """

    interactive_ttl: Micros = DEFAULT_INTERACTIVE_TTL
    max_ttl: Micros = DEFAULT_MAX_TTL
    active_ttl: Micros = DEFAULT_MAX_TTL
    unused_ttl: Micros = UNUSED_TTL


@dataclass(frozen=True, slots=True)
class Rules:
    """What is not known of the service, each with its most likely value.

    Attributes:
        created: ``state_reason`` of a new session (P).
        activated: ``state_reason`` once a job started (?, no value published).
        idle: ``state_reason`` after the interactive TTL (P).
        closed_early: ``state_reason`` after a close or cancel (P for close, I for cancel).
        max_ttl_reached: ``state_reason`` after the maximum TTL (?).
        active_ttl_reached: ``state_reason`` when the active time is used up (?).
        unused: ``state_reason`` after 30 minutes without a job (?).
        at_active_ttl: State when the active time is used up (?, guides are silent).
        usage_spans_gaps: Whether the usage of a dedicated session counts from its first
            job to its last moment, time in ``inactive`` between two activations
            included (the guides' wording, D; the gap itself is not mentioned, ?).
        queued_jobs_end: What becomes of queued jobs when their session closes. Two
            guides say cancelled, one says failed with code 4001 (D, in disagreement).
        deletes_open_jobs: Whether a job that has not ended can be deleted, which cancels it. The
            API's document says that it must have ended (D); the client's integration tests
            delete a queued one and expect it to be gone (C, in disagreement).
    """

    created: str = "session_created"
    activated: str = "session_activated"
    idle: str = "session_inactivated_by_interactive_ttl"
    closed_early: str = "session_closed_early"
    max_ttl_reached: str = "session_closed_by_max_ttl"
    active_ttl_reached: str = "session_closed_by_active_ttl"
    unused: str = "session_closed_unused"
    at_active_ttl: Literal["closed", "inactive"] = "closed"
    usage_spans_gaps: bool = True
    queued_jobs_end: Literal["Cancelled", "Failed"] = "Cancelled"
    deletes_open_jobs: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """A session or batch at one moment.

    Attributes:
        mode: ``dedicated`` (a session) or ``batch``.
        created_at: When it was created.
        limits: Its timers.
        rules: The settings for what is unknown.
        state: ``open``, ``active``, ``inactive`` or ``closed`` (D, OpenAPI).
        state_reason: Why it is in that state.
        accepting_jobs: Whether a new job is taken.
        queued: Jobs submitted and not started.
        running: Jobs started and not finished.
        started_at: First start of a job (D: starts the maximum TTL).
        activated_at: Last time it turned active (I).
        closed_at: When it closed.
        last_job_submitted: Last submit of a job, not shown by the service.
        last_job_started: Last start of a job.
        last_job_completed: Last end of a job that ran.
        active_time: Time spent in ``active`` before the present activation.
        qpu_time: Summed run times of the finished jobs.
        inactivated_at: Last time it turned inactive.
        timestamps: Every state with the moment it was entered (D, OpenAPI).
    """

    mode: Mode
    created_at: Instant
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    state: State = "open"
    state_reason: str = "session_created"
    accepting_jobs: bool = True
    queued: int = 0
    running: int = 0
    started_at: Instant | None = None
    activated_at: Instant | None = None
    closed_at: Instant | None = None
    last_job_submitted: Instant | None = None
    last_job_started: Instant | None = None
    last_job_completed: Instant | None = None
    active_time: Micros = 0
    qpu_time: Micros = 0
    inactivated_at: Instant | None = None
    timestamps: tuple[tuple[State, Instant], ...] = ()


def begin(mode: Mode, at: Instant, *, limits: Limits | None = None, rules: Rules | None = None) -> Life:
    """A session as ``POST /sessions`` creates it: open, accepting jobs (D)."""
    rules = rules or Rules()
    return Life(
        mode,
        at,
        limits or Limits(),
        rules,
        state_reason=rules.created,
        timestamps=(("open", at),),
    )


def next_timer(life: Life) -> tuple[Instant, str] | None:
    """The timer that runs out next if nothing else happens.

    Returns:
        Its moment and its name (``unused``, ``interactive``, ``active`` or ``max``);
        None for a closed session.
    """
    due = [timer for timer in _timers(life) if timer is not None]
    if not due or life.state == "closed":
        return None
    # The active time usually equals the maximum: then it is the maximum that was reached.
    return min(due, key=lambda timer: (timer[0], timer[1] != "max"))


def _timers(life: Life) -> tuple[tuple[Instant, str] | None, ...]:
    limits, idle = life.limits, not life.queued and not life.running
    unused = interactive = active = maximum = None
    if life.state == "open" and idle:
        last = life.created_at if life.last_job_submitted is None else life.last_job_submitted
        unused = (last + limits.unused_ttl, "unused")
    if life.state == "active" and life.activated_at is not None:
        active = (life.activated_at + limits.active_ttl - life.active_time, "active")
        # Starts after each job completes; a job that is ready stops it (D).
        if idle and life.last_job_completed is not None:
            interactive = (life.last_job_completed + limits.interactive_ttl, "interactive")
    if life.started_at is not None:
        # Never pauses (D, execution modes guide).
        maximum = (life.started_at + limits.max_ttl, "max")
    return unused, interactive, active, maximum


def advance(life: Life, at: Instant) -> Life:
    """The session at a later moment: every timer that ran out has been applied.

    An earlier moment than the last move's changes nothing.
    """
    while (timer := next_timer(life)) is not None and timer[0] <= at:
        life = _RING[timer[1]](life, timer[0])
    return life


def submit(life: Life, at: Instant) -> Life:
    """A job of this session was taken into the queue.

    Raises:
        ValueError: If the session takes no jobs; ask `takes_jobs` first.
    """
    life = advance(life, at)
    if not takes_jobs(life):
        raise ValueError(f"a session that is {life.state} and not accepting jobs takes no job")
    return replace(life, queued=life.queued + 1, last_job_submitted=at)


def takes_jobs(life: Life) -> bool:
    """Whether a job may be submitted (D: a closed session or one told to stop refuses)."""
    return life.accepting_jobs and life.state != "closed"


def start(life: Life, at: Instant) -> Life:
    """A queued job started, which makes an open or inactive session active (D).

    Raises:
        ValueError: If no job is queued, as in a closed session.
    """
    life = advance(life, at)
    if not life.queued:
        raise ValueError(f"a session that is {life.state} has no queued job to start")
    life = replace(
        life,
        queued=life.queued - 1,
        running=life.running + 1,
        started_at=at if life.started_at is None else life.started_at,
        last_job_started=at,
    )
    if life.state == "active":
        return life
    return _enter(replace(life, activated_at=at), "active", at, life.rules.activated)


def finish(life: Life, at: Instant, *, ran: Micros) -> Life:
    """A running job ended, successfully or not; a closed session's too (D).

    Args:
        life: The session.
        at: When the job ended.
        ran: How long it held the QPU; failures and cancellations count (D).

    Raises:
        ValueError: If no job is running.
    """
    life = advance(life, at)
    if not life.running:
        raise ValueError(f"a session that is {life.state} has no running job to finish")
    life = replace(
        life,
        running=life.running - 1,
        last_job_completed=at,
        qpu_time=life.qpu_time + ran,
    )
    return _close_if_done(life, at)


def withdraw(life: Life, at: Instant) -> Life:
    """A queued job was cancelled before it started.

    Raises:
        ValueError: If no job is queued.
    """
    life = advance(life, at)
    if not life.queued:
        raise ValueError(f"a session that is {life.state} has no queued job to withdraw")
    return _close_if_done(replace(life, queued=life.queued - 1), at)


def stop_accepting(life: Life, at: Instant) -> Life:
    """``close()``: no new jobs; closed at once when none is left, else after the last (D, P)."""
    life = advance(life, at)
    return _close_if_done(replace(life, accepting_jobs=False), at)


def accept_again(life: Life, at: Instant) -> Life:
    """``PATCH accepting_jobs: true``: the flag comes back, a closed state does not (P)."""
    return replace(advance(life, at), accepting_jobs=True)


def cancel(life: Life, at: Instant) -> Life:
    """``cancel()``: closed at once; queued jobs never run, running ones finish (D)."""
    life = advance(life, at)
    return life if life.state == "closed" else _close(life, at, life.rules.closed_early)


def elapsed_time(life: Life) -> Micros | None:
    """The usage of a session or batch.

    Returns:
        None while it is ongoing, that is until it is closed and its last job ended
        (D "can be null for ongoing sessions"; the exact moment I); 0 if nothing ran
        (P). A batch: its jobs' summed QPU times (D). A session: from its first job's
        start to the last of turning inactive, closing and its last job's end (D).
    """
    if life.state != "closed" or life.running:
        return None
    if life.started_at is None:
        return 0
    if life.mode == "batch":
        return life.qpu_time
    if life.rules.usage_spans_gaps:
        return _last_moment(life) - life.started_at
    return life.active_time + max(0, _last_moment(life) - (life.closed_at or 0))


def time_so_far(life: Life, at: Instant) -> Micros:
    """What a session or batch has used of the QPU by a moment, over or not.

    `elapsed_time` once that is known (I: that the service reckons the rest alike). Of
    jobs of a batch that run at once, the last one to start counts.
    """
    known = elapsed_time(life)
    if known is not None:
        return known
    if life.mode == "batch":
        running_since = life.last_job_started if life.running else None
        return life.qpu_time + (0 if running_since is None else at - running_since)
    if life.started_at is None:
        return 0
    goes_on = life.state == "active" or life.running
    if life.rules.usage_spans_gaps:
        return (at if goes_on else _last_moment(life)) - life.started_at
    since = life.activated_at if life.state == "active" else life.closed_at
    return life.active_time + (at - since if goes_on and since is not None else 0)


def _last_moment(life: Life) -> Instant:
    moments = (life.inactivated_at, life.closed_at, life.last_job_completed)
    return max(moment for moment in moments if moment is not None)


def _close_if_done(life: Life, at: Instant) -> Life:
    if life.state == "closed" or life.accepting_jobs or life.queued or life.running:
        return life
    return _close(life, at, life.rules.closed_early)


def _close(life: Life, at: Instant, reason: str) -> Life:
    # Queued jobs will not run (D, DELETE close); what they become is Rules' to say.
    gone = replace(life, closed_at=at, accepting_jobs=False, queued=0)
    return _enter(gone, "closed", at, reason)


def _inactivate(life: Life, at: Instant, reason: str) -> Life:
    return _enter(replace(life, inactivated_at=at), "inactive", at, reason)


def _enter(life: Life, state: State, at: Instant, reason: str) -> Life:
    spent = life.active_time
    if life.state == "active" and life.activated_at is not None:
        spent += at - life.activated_at
    return replace(
        life,
        state=state,
        state_reason=reason,
        active_time=spent,
        timestamps=(*life.timestamps, (state, at)),
    )


def _use_up(life: Life, at: Instant) -> Life:
    if life.rules.at_active_ttl == "inactive":
        return _inactivate(life, at, life.rules.active_ttl_reached)
    return _close(life, at, life.rules.active_ttl_reached)


_RING: dict[str, Callable[[Life, Instant], Life]] = {
    "unused": lambda life, at: _close(life, at, life.rules.unused),
    "interactive": lambda life, at: _inactivate(life, at, life.rules.idle),
    "active": _use_up,
    "max": lambda life, at: _close(life, at, life.rules.max_ttl_reached),
}
