"""Lines of an emulator under any requests: what one does, no other sees, until it adopts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from emulator_caller import Caller, encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from qsession.emulator import Emulator, Instance
from qsession.emulator._instances import fake_crn

MOMENTS = (0.0, 0.2, 0.7, 3.0, 70.0, 2_000.0, 40_000.0)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "batch", "submit", "submit", "alone", "cancel job", "stop", "accept", "close", "look"]
        ),
        st.integers(0, 5),
        st.sampled_from([0.0, 0.0, 0.001, 0.1, 0.3, 5.0, 61.0]),
    ),
    max_size=9,
)
LIMITS = st.sampled_from([None, None, 2, 70])


@dataclass
class Line:
    """One line, its clock, and what was made in it, in order."""

    caller: Caller
    now: float = 0.0
    sessions: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)

    def fork(self, name: str) -> Line:
        caller = Caller(self.caller.emulator._fork(name))
        return Line(caller, self.now, list(self.sessions), list(self.jobs))

    def play(self, steps: Sequence[tuple[str, int, float]]) -> Iterator[None]:
        for what, which, wait in steps:
            self.now += wait
            self._do(what, which)
            yield

    def _do(self, what: str, which: int) -> None:
        if what in {"open", "batch"}:
            self.sessions.append(
                self.caller.session("batch" if what == "batch" else "dedicated", at=self.now, max_ttl=900)
            )
        elif what == "alone":
            self._submit({})
        elif what == "look":
            self.shown()
        elif what == "cancel job" and self.jobs:
            self._send("POST", f"/jobs/{self.jobs[which % len(self.jobs)]}/cancel")
        elif what != "cancel job" and self.sessions:
            session = self.sessions[which % len(self.sessions)]
            if what == "submit":
                self._submit({"session_id": session})
            elif what == "close":
                self._send("DELETE", f"/sessions/{session}/close")
            else:
                self._send("PATCH", f"/sessions/{session}", {"accepting_jobs": what == "accept"})

    def _submit(self, more: dict[str, str]) -> None:
        # Its PUB is none: it fails when it has run, and nothing is simulated.
        body = {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [["x"]], "version": 2}}
        answer = self.caller.send("POST", "/jobs", encoded(body | more), at=self.now)
        if answer.status == 200:
            self.jobs.append(self.caller.json("GET", "/jobs?limit=1", at=self.now)["jobs"][0]["id"])

    def _send(self, method: str, path: str, body: object = None) -> None:
        self.caller.send(method, path, body, at=self.now)

    def shown(
        self, *, sessions: Sequence[str] = (), jobs: Sequence[str] = (), only: bool = False
    ) -> list[bytes]:
        """All that can be read, at moments from now on; with ``only`` of some sessions and jobs."""
        paths = [] if only else ["/jobs", "/workloads", "/instances/usage", "/analytics/usage"]
        paths += [f"/sessions/{each}" for each in (sessions if only else self.sessions)]
        parts = ("", "/metrics")
        paths += [f"/jobs/{each}{part}" for each in (jobs if only else self.jobs) for part in parts]
        answers = [self.caller.send("GET", path, at=self.now + wait) for wait in MOMENTS for path in paths]
        assert {answer.status for answer in answers} <= {200}
        return [answer.body for answer in answers]


def begun(steps: Sequence[tuple[str, int, float]], limit: int | None) -> Line:
    instances = (Instance(fake_crn(1), usage_limit_seconds=limit),)
    line = Line(Caller(Emulator(backends=("ibm_fez",), instances=instances)))
    play(line, steps)
    return line


def play(line: Line, steps: Sequence[tuple[str, int, float]]) -> None:
    for _ in line.play(steps):
        pass


@settings(deadline=None, max_examples=60)
@given(before=STEPS, here=STEPS, there=STEPS, limit=LIMITS)
def test_lines_are_as_if_each_were_alone(before, here, there, limit):
    """Whatever the other one does meanwhile, on its own clock."""
    parent = begun(before, limit)
    fork = parent.fork("fork")
    for _ in zip_longest(parent.play(here), fork.play(there)):
        pass
    alone, lone_fork = begun(before, limit), begun(before, limit).fork("fork")
    play(alone, here)
    play(lone_fork, there)
    assert parent.shown() == alone.shown()
    assert fork.shown() == lone_fork.shown()


@settings(deadline=None, max_examples=60)
@given(before=STEPS, here=STEPS, there=STEPS, after=STEPS)
def test_adopted_things_are_as_they_were(before, here, there, after):
    """The other's as there, one's own as before; nothing is torn, and a second time changes nothing."""
    root = begun(before, None)
    one, other = root.fork("one"), root.fork("other")
    play(one, here)
    play(other, there)
    own = {"sessions": one.sessions[len(root.sessions) :], "only": True}
    own["jobs"] = [j for j in one.jobs if j not in other.jobs]
    theirs = {"sessions": other.sessions[len(root.sessions) :], "only": True}
    theirs["jobs"] = [j for j in other.jobs if j not in one.jobs]
    now = one.now = other.now = max(one.now, other.now)
    mine, expected, whole = one.shown(**own), other.shown(**theirs), other.shown()
    one.caller.emulator._adopt(other.caller.emulator)
    assert one.shown(**own) == mine
    assert one.shown(**theirs) == expected
    one.sessions += theirs["sessions"]
    one.jobs += theirs["jobs"]
    merged = one.shown()
    one.caller.emulator._adopt(other.caller.emulator)
    assert one.shown() == merged
    play(one, after)
    one.shown()
    other.now = now
    assert other.shown() == whole
