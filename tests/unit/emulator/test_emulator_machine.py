"""The emulator's API under any order of requests: what must always hold of its answers."""

from __future__ import annotations

import json
from itertools import pairwise

from emulator_caller import T0, Caller, encoded
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from qsession._lifecycle import Rules
from qsession._model import SECOND
from qsession.emulator import Backend, Emulator, Instance
from qsession.emulator._instances import fake_crn

MS = SECOND // 1000
MOMENTS = ("started_at", "activated_at", "closed_at", "last_job_started", "last_job_completed")
LEGAL = {
    ("open", "active"),
    ("open", "closed"),
    ("active", "inactive"),
    ("active", "closed"),
    ("inactive", "active"),
    ("inactive", "closed"),
}
FINAL = {"Completed", "Failed", "Cancelled"}
AHEAD = {"Queued": 0, "Running": 1, "Completed": 2, "Failed": 2, "Cancelled": 2}
WAITS = st.sampled_from([0, 1, 1, 7, 100, 200, 500, 1_000, 9_000, 61_000, 1_801_000])


def submission(session: str | None) -> bytes:
    """A job; its PUB is none, so it fails when it has run and nothing is simulated."""
    more = {"session_id": session} if session else {}
    inputs = {"pubs": [["no circuit"]], "version": 2}
    return encoded({"program_id": "sampler", "backend": "ibm_fez", "params": inputs, **more})


class EmulatorMachine(RuleBasedStateMachine):
    """One emulator, asked on the whole milliseconds of a clock that never goes back."""

    sessions = Bundle("sessions")
    jobs = Bundle("jobs")

    @initialize(
        queue=st.sampled_from([0, 0.2, 30]),
        run=st.sampled_from([0.001, 0.3, 5]),
        end=st.sampled_from(["Cancelled", "Failed"]),
        choice=st.sampled_from(["closed", "inactive"]),
        limit=st.sampled_from([None, None, 2, 9, 70]),
    )
    def begin(self, queue, run, end, choice, limit):
        rules = Rules(queued_jobs_end=end, at_active_ttl=choice)
        backends = ("ibm_fez", Backend("ibm_torino", status="offline"))
        instances = (Instance(fake_crn(1), usage_limit_seconds=limit),)
        emulator = Emulator(
            backends=backends, instances=instances, queue_seconds=queue, run_seconds=run, rules=rules
        )
        self.caller, self.limit = Caller(emulator), limit
        self.opened_before_the_limit: set[str] = set()
        self.run, self.now = round(run * SECOND), 0
        self.seen: dict[str, dict] = {}
        self.deleted: set[str] = set()
        self.homes: dict[str, str | None] = {}
        self.used = 0.0

    def ask(self, method: str, path: str, body: object = None):
        return self.caller.send(method, path, body, at=self.now / 1000)

    def read(self, path: str) -> dict:
        return self.caller.json("GET", path, at=self.now / 1000)

    @rule(wait=WAITS)
    def pass_time(self, wait):
        self.now += wait

    @rule()
    def pass_time_to_the_next_change(self):
        """Nothing that can be read differs before it, and something does at it."""
        due = self.caller.emulator.next_change(T0 + self.now * MS)
        bodies = self.bodies()
        if due is None:
            self.now += 10_000_000
            assert self.bodies() == bodies
            return
        moment = (due - T0) // MS
        assert moment > self.now
        self.now = moment - 1
        assert self.bodies() == bodies
        self.now = moment
        assert self.bodies() != bodies

    def bodies(self) -> list[bytes]:
        paths = [f"/sessions/{i}" for i in self.seen if i not in self.homes]
        paths += [f"/jobs/{i}?exclude_params=true" for i in self.homes if i not in self.deleted]
        return [self.ask("GET", path).body for path in paths]

    @rule(
        target=sessions,
        mode=st.sampled_from(["dedicated", "batch"]),
        limits=st.sampled_from(
            [{}, {"max_ttl": 9}, {"max_ttl": 20, "active_ttl": 4}, {"interactive_ttl": 1}]
        ),
    )
    def open(self, mode, limits):
        made = json.loads(self.ask("POST", "/sessions", {"mode": mode, "backend": "ibm_fez", **limits}).body)
        assert (made["state"], made["accepting_jobs"], made["mode"]) == ("open", True, mode)
        assert made["id"] not in self.seen
        self.seen[made["id"]] = made
        if not self.is_used_up():
            self.opened_before_the_limit.add(made["id"])
        return made["id"]

    def is_used_up(self) -> bool:
        return self.read("/instances/usage").get("usage_limit_reached", False)

    @rule(target=jobs)
    def submit_alone(self):
        return self._submitted(None)

    @rule(target=jobs, session=sessions)
    def submit(self, session):
        """A job is taken exactly where the session says that it takes jobs and is not closed."""
        document = self.read(f"/sessions/{session}")
        if document["accepting_jobs"] and document["state"] != "closed":
            return self._submitted(session)
        refused = self.ask("POST", "/jobs", submission(session))
        if self.is_used_up():
            assert refused.status == 409
            return multiple()
        assert refused.status == 400
        assert json.loads(refused.body)["errors"][0]["code"] == 1217
        return multiple()

    def _submitted(self, session):
        used_up = self.is_used_up()
        answer = self.ask("POST", "/jobs", submission(session))
        assert answer.status == (409 if used_up else 200)
        if used_up:
            return multiple()
        job = json.loads(answer.body)["id"]
        assert job not in self.seen
        self.homes[job] = session
        self.seen[job] = self.read(f"/jobs/{job}")
        return job

    @rule(session=sessions, accepting=st.booleans())
    def tell(self, session, accepting):
        state = self.read(f"/sessions/{session}")["state"]
        assert self.ask("PATCH", f"/sessions/{session}", {"accepting_jobs": accepting}).status == 204
        document = self.read(f"/sessions/{session}")
        assert document["accepting_jobs"] == accepting
        assert state != "closed" or document["state"] == "closed"

    @rule(session=sessions)
    def cancel_session(self, session):
        assert self.ask("DELETE", f"/sessions/{session}/close").status == 204
        assert self.read(f"/sessions/{session}")["state"] == "closed"
        mine = [job for job, home in self.homes.items() if home == session and job not in self.deleted]
        assert "Queued" not in {self.read(f"/jobs/{job}")["status"] for job in mine}

    @rule(job=jobs)
    def cancel_job(self, job):
        if job in self.deleted:
            assert self.ask("POST", f"/jobs/{job}/cancel").status == 404
            return
        final = self.read(f"/jobs/{job}")["status"] in FINAL
        assert self.ask("POST", f"/jobs/{job}/cancel").status == (409 if final else 204)
        assert self.read(f"/jobs/{job}")["status"] in FINAL

    @rule(job=jobs)
    def delete_job(self, job):
        if job in self.deleted:
            assert self.ask("DELETE", f"/jobs/{job}").status == 404
            return
        final = self.read(f"/jobs/{job}")["status"] in FINAL
        assert self.ask("DELETE", f"/jobs/{job}").status == (204 if final else 409)
        if final:
            self.deleted.add(job)
            assert self.ask("GET", f"/jobs/{job}").status == 404

    @rule(job=jobs, tag=st.sampled_from(["one", "two"]))
    def tag(self, job, tag):
        if job not in self.deleted:
            assert self.ask("PUT", f"/jobs/{job}/tags", {"tags": [tag]}).status == 204
            assert self.read(f"/jobs/{job}")["tags"] == [tag]

    @rule(session=st.none() | sessions)
    def submit_to_an_offline_backend(self, session):
        more = {"session_id": session} if session else {}
        body = {"program_id": "sampler", "backend": "ibm_torino", "params": {"pubs": [["x"]]}, **more}
        assert json.loads(self.ask("POST", "/jobs", body).body)["errors"][0]["code"] == 1004

    @invariant()
    def sessions_keep_their_promises(self):
        for ident in [i for i in self.seen if i not in self.homes]:
            was, now = self.seen[ident], self.read(f"/sessions/{ident}")
            self.seen[ident] = now
            states = [stamp["status"] for stamp in now["timestamps"]]
            moments = [stamp["timestamp"] for stamp in now["timestamps"]]
            assert states[0] == "open"
            assert states[-1] == now["state"]
            assert set(pairwise(states)) <= LEGAL
            assert moments == sorted(moments)
            assert now["timestamps"][: len(was["timestamps"])] == was["timestamps"]
            assert ("closed_at" in now) == (now["state"] == "closed")
            if was["state"] == "closed":
                kept = set(was) - {"accepting_jobs", "last_job_completed"}
                assert {key: was[key] for key in kept} == {key: now[key] for key in kept}
            assert now.get("started_at", "") <= now.get("activated_at", "")
            assert all(was[name] <= now[name] for name in MOMENTS if name in was)

    @invariant()
    def usage_of_sessions_is_within_the_wall(self):
        for ident in [i for i in self.seen if i not in self.homes]:
            now = self.seen[ident]
            ran = [self.jobs_time(job) for job, home in self.homes.items() if home == ident]
            if "elapsed_time" not in now:
                continue
            used, ends = (
                round(now["elapsed_time"] * 1000),
                [now["closed_at"], now.get("last_job_completed", "")],
            )
            if "started_at" not in now:
                assert used == 0
            elif now["mode"] == "batch":
                assert used == sum(ran)
            else:
                assert sum(ran) <= used <= milliseconds(max(ends)) - milliseconds(now["started_at"])

    def jobs_time(self, job: str) -> int:
        return round(self.seen[job]["usage"]["qpu_charge_time_seconds"] * 1000)

    @invariant()
    def jobs_keep_their_promises(self):
        for job, home in self.homes.items():
            if job in self.deleted:
                continue
            was, now = self.seen[job], self.read(f"/jobs/{job}")
            self.seen[job] = now
            assert now["status"] == now["state"]["status"]
            assert AHEAD[was["status"]] <= AHEAD[now["status"]]
            assert was["status"] not in FINAL or (was["state"], was["usage"]) == (now["state"], now["usage"])
            assert now.get("session_id") == home
            metrics = self.read(f"/jobs/{job}/metrics")
            stamps = [metrics["timestamps"][name] for name in ("created", "running", "finished")]
            known = [stamp for stamp in stamps if stamp]
            assert known == sorted(known)
            assert (metrics["timestamps"]["finished"] is not None) == (now["status"] in FINAL)
            assert now["status"] != "Running" or stamps[1] is not None
            assert 0 <= self.jobs_time(job) * MS <= self.run
            assert (now["usage"]["status"] == "complete") == (now["status"] in FINAL)

    @invariant()
    def one_job_at_a_time_holds_a_session(self):
        for ident in {home for home in self.homes.values() if home}:
            mine = [job for job, home in self.homes.items() if home == ident and job not in self.deleted]
            assert sum(self.read(f"/jobs/{job}")["status"] == "Running" for job in mine) <= 1

    @invariant()
    def usage_of_the_instance_never_falls(self):
        used = self.read("/instances/usage")["usage_consumed_seconds"]
        assert used >= self.used
        self.used = used
        if self.limit is None:
            assert self.read("/analytics/usage")["usage"] == round(used * 1000)

    @invariant()
    def a_reached_limit_ends_what_was_open(self):
        if self.is_used_up():
            states = {self.read(f"/sessions/{session}")["state"] for session in self.opened_before_the_limit}
            assert states <= {"closed"}

    @invariant()
    def lists_agree_with_what_was_made(self):
        listed = self.read("/jobs")
        assert {job["id"] for job in listed["jobs"]} == set(self.homes) - self.deleted
        assert listed["count"] == len(listed["jobs"])
        pending = {job["id"] for job in self.read("/jobs?pending=true")["jobs"]}
        assert pending == {job["id"] for job in listed["jobs"] if job["status"] not in FINAL}
        alone = {job for job, home in self.homes.items() if home is None} - self.deleted
        workloads = self.read("/workloads?limit=50")
        expected = {i for i in self.seen if i not in self.homes} | alone
        assert workloads["total_count"] == len(expected)
        assert {w["id"] for w in workloads["workloads"]} == expected

    @invariant()
    def reads_change_nothing(self):
        paths = ["/jobs", "/workloads", "/instances/usage", "/analytics/usage_grouped?group_by=backend"]
        before = self.bodies() + [self.ask("GET", path).body for path in paths]
        later = T0 + (self.now + 999_999) * MS
        self.caller.emulator.next_change(later)
        self.caller.emulator.open_sessions(later)
        for path in paths:
            self.caller.send("GET", path, at=(self.now + 999_999) / 1000)
        assert self.bodies() + [self.ask("GET", path).body for path in paths] == before


def milliseconds(moment: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(moment).timestamp() * 1000)


TestEmulatorMachine = EmulatorMachine.TestCase
TestEmulatorMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
