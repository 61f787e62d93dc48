"""Answers of the emulator, gathered by what they are of."""

from __future__ import annotations

import json

from emulator_caller import encoded

from qsession.emulator import Instance
from qsession.emulator import _calibrations as calibrations
from qsession.emulator._devices import device
from qsession.emulator._instances import fake_crn


def session_answers(caller, bell):
    yield caller.json("POST", "/sessions", {"mode": "batch", "backend": "ibm_fez", "max_ttl": 20})
    yield caller.json("POST", "/sessions", {"mode": "dedicated", "backend_name": "ibm_fez"})
    ident = caller.session()
    yield caller.json("GET", f"/sessions/{ident}")
    caller.job([[bell]], session_id=ident)
    for at in (0.1, 0.3, 1, 100):
        yield caller.json("GET", f"/sessions/{ident}", at=at)
    caller.send("PATCH", f"/sessions/{ident}", {"accepting_jobs": False}, at=101)
    yield caller.json("GET", f"/sessions/{ident}", at=102)
    batch = caller.session("batch", interactive_ttl=5, active_ttl=9, max_ttl=10)
    caller.job([[bell]], session_id=batch)
    caller.send("DELETE", f"/sessions/{batch}/close", at=0.3)
    for at in (0.4, 1):
        yield caller.json("GET", f"/sessions/{batch}", at=at)


def job_answers(caller, bell):
    jobs = [
        caller.job([[bell]], tags=["a"], session_id=caller.session()),
        caller.job([[bell]], private=True, runtime="a:b"),
        caller.job(["broken"]),
        caller.job([[bell]], program="estimator"),
    ]
    for at in (0.1, 0.3, 1):
        yield from (caller.json("GET", f"/jobs/{job}", at=at) for job in jobs)
    cancelled = caller.job([[bell]], at=2)
    caller.send("POST", f"/jobs/{cancelled}/cancel", at=2)
    yield caller.json("GET", f"/jobs/{cancelled}", at=3)


def list_answers(caller, bell):
    calibration = caller.json("POST", "/jobs", calibrated(bell))
    dropped = caller.session()
    caller.job([[bell]], session_id=dropped, tags=["t" * 86] * 8)
    caller.send("DELETE", f"/sessions/{dropped}/close")
    caller.job(["broken"], private=True)
    assert calibration["calibration_id"]
    for query in ("", "?exclude_params=false", "?sort=ASC&limit=1&offset=1"):
        for at in (0.1, 0.3, 1):
            yield from caller.json("GET", f"/jobs{query}", at=at)["jobs"]


def calibrated(bell) -> bytes:
    calibration = calibrations.ident(device("ibm_fez"), 1)
    params = {"pubs": [[bell]], "version": 2}
    return encoded(
        {"program_id": "sampler", "backend": "ibm_fez", "params": params, "calibration_id": calibration}
    )


def calibrated_answers(caller, bell):
    yield caller.json("POST", "/jobs", calibrated(bell))
    session = caller.session()
    yield caller.json("POST", "/jobs", encoded(json.loads(calibrated(bell)) | {"session_id": session}))


def tag_answers(caller, bell):
    caller.job([[bell]], tags=["abc", "abd"])
    yield caller.json("GET", "/tags?type=job&search=abc")["tags"]


def metrics_answers(caller, bell):
    yield caller.json("GET", f"/jobs/{caller.job([[bell]])}/metrics", at=1)
    yield caller.json("GET", f"/jobs/{caller.job(['broken'])}/metrics", at=1)


def submit_answers(caller, bell):
    body = {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [[bell]]}, "private": True}
    yield caller.json("POST", "/jobs", encoded(body))


def pending_metrics_answers(caller, bell):
    yield caller.json("GET", f"/jobs/{caller.job([[bell]])}/metrics", at=0.1)


def error_answers(caller, bell):
    yield json.loads(caller.send("POST", "/sessions", {"mode": "dedicated"}).body)
    yield json.loads(caller.send("GET", "/jobs/nope").body)
    open_plan = type(caller)(type(caller.emulator)(instances=(Instance(fake_crn(1), plan="Open"),)))
    yield json.loads(open_plan.send("POST", "/sessions", {"mode": "dedicated", "backend": "ibm_fez"}).body)
    yield json.loads(caller.send("GET", "/sessions/nope").body)
    yield json.loads(caller.send("GET", "/jobs", authorization="").body)
    yield json.loads(caller.send("POST", "/jobs", {"program_id": "x", "backend": "ibm_fez"}).body)
    final = caller.job(["broken"])
    yield json.loads(caller.send("POST", f"/jobs/{final}/cancel", at=9).body)
