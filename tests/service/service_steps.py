"""What code under test does, in a process of its own.

``python service_steps.py record|replay RUNS`` works off a JSON list of runs, each
``{"steps": name, "cassette": path, ...}`` with the arguments of the steps, and prints,
as its last line, what the code saw. It uses the client as its users do.
"""

from __future__ import annotations

import json
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable

import qsession
from qsession import _run
from qsession.errors import Parked, QSessionError

_EVENTS: Counter[str] = Counter()


def _note(event: str, _arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        _EVENTS[event] += 1


def whole() -> dict[str, object]:
    """Service, backend, session, job, everything a session tells, and once more by its id."""
    from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

    service = QiskitRuntimeService()
    backend = service.backend("ibm_fez")
    with Session(backend=backend, max_time="50s") as session:
        job = SamplerV2(mode=session).run([_bell(backend)], shots=100)
        seen = {"counts": job.result()[0].data.meas.get_counts()}
        seen |= {"details": session.details(), "status": session.status(), "usage": session.usage()}
    again = Session.from_id(str(session.session_id), service)
    return seen | {
        "session": session.session_id,
        "job": job.job_id(),
        "closed": session.status(),
        "usage at the end": session.usage(),
        "from_id": again.details(),
        "metrics": job.metrics(),
        "counts again": service.job(job.job_id()).result()[0].data.meas.get_counts(),
        "job's session": service.job(job.job_id()).session_id,
    }


def account(**asked: object) -> dict[str, object]:
    """A service made as told, a session opened and closed, no job."""
    from qiskit_ibm_runtime import QiskitRuntimeService, Session

    service = QiskitRuntimeService(**asked)
    session = Session(backend=service.backend("ibm_fez"), max_time="50s")
    details = session.details()
    session.close()
    return {"session": session.session_id, "details": details, "status": session.status()}


def failing() -> dict[str, object]:
    """A job submitted in an open session, and then the code breaks."""
    _submit("bell")
    raise RuntimeError("the code under test broke on purpose")


def leaking(name: str) -> dict[str, object]:
    """A circuit whose name is told: circuits go to the service packed and encoded."""
    _submit(name)[1].close()
    return {}


def waiting() -> dict[str, object]:
    """A job submitted in a session and in a batch; then nothing until something comes in."""
    from qiskit_ibm_runtime import Batch, QiskitRuntimeService

    _submit("bell")
    batch = Batch(backend=QiskitRuntimeService().backend("ibm_fez"), max_time="40s")
    print("open", batch.session_id, flush=True)
    sys.stdin.read()
    return {}


def overspending() -> dict[str, object]:
    """A session that is held open, and polled, until somebody stops it."""
    from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

    backend = QiskitRuntimeService().backend("ibm_fez")
    session = Session(backend=backend)
    SamplerV2(mode=session, options={"max_execution_time": 1}).run([_bell(backend)], shots=10)
    while session.status() != "Closed":
        threading.Event().wait(0.1)
    return {"status": "closed without an error"}


def moving() -> dict[str, object]:
    """A job runs, then the test moves the clock past the end of the session and goes on."""
    from qiskit_ibm_runtime.exceptions import IBMRuntimeError

    clock = _run.active().clock
    job, session = _submit("bell")
    job.result()
    clock.advance(0)  # from here on the model answers
    before = clock.now()
    clock.advance("39s")
    seen: dict[str, object] = {"moved": (clock.now() - before).total_seconds(), "early": session.status()}
    clock.advance("2s")
    seen |= {"late": session.status(), "job": str(job.status())}
    try:
        _again(session)
    except IBMRuntimeError as refused:
        seen["refused"] = "1217" in str(refused)
    session.close()
    return seen


def refusing() -> dict[str, object]:
    """Services that the account has and has not, before and after the test moves the clock."""
    from qiskit_ibm_runtime import QiskitRuntimeService
    from qiskit_ibm_runtime.exceptions import IBMInputValueError

    def made(**wish: object) -> str:
        try:
            return ", ".join(backend.name for backend in QiskitRuntimeService(**wish).backends())
        except IBMInputValueError:
            return "refused"

    nobodys = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{'7' * 32}:nobody::"
    wishes: list[dict[str, object]] = [{}, {"instance": "no-such-team"}, {"instance": nobodys}]
    before = [made(**wish) for wish in wishes]
    _run.active().clock.advance(0)
    return {"before": before, "after": [made(**wish) for wish in wishes]}


def queued(mode: str = "job", shots: int = 100, stop: str = "") -> dict[str, object]:
    """A job on its own, in a batch or in a session; at a word of the code it waits to be killed."""
    from qiskit_ibm_runtime import Batch, QiskitRuntimeService, SamplerV2, Session

    backend = QiskitRuntimeService().backend("ibm_fez")
    kinds = {"batch": Batch, "session": Session}
    where = kinds[mode](backend=backend, max_time="50s") if mode in kinds else backend
    _stop("opened", stop)
    job = SamplerV2(mode=where).run([_bell(backend)], shots=shots)
    _stop("submitted", stop)
    seen: dict[str, object] = {"job": job.job_id(), "first": str(job.status())}
    _stop("asked", stop)
    seen["counts"] = job.result()[0].data.meas.get_counts()
    _stop("done", stop)
    if mode in kinds:
        where.close()
        seen["session"] = where.session_id
    return seen


def _stop(here: str, where: str) -> None:
    if here == where:
        print(here, flush=True)
        sys.stdin.read()
        raise RuntimeError("the code under test broke on purpose")


def _again(session) -> None:
    from qiskit_ibm_runtime import SamplerV2

    SamplerV2(mode=session).run([_bell(session._backend)], shots=10)


def _submit(name: str):
    from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

    backend = QiskitRuntimeService().backend("ibm_fez")
    session = Session(backend=backend, max_time="40s")
    circuit = _bell(backend)
    circuit.name = name
    return SamplerV2(mode=session).run([circuit], shots=10), session


def _bell(backend):
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)


STEPS: dict[str, Callable[..., dict[str, object]]] = {
    each.__name__: each
    for each in (whole, account, failing, leaking, waiting, overspending, moving, refusing, queued)
}


def _one(
    mode: str,
    *,
    steps: str,
    cassette: str,
    budget: float = 60,
    resume: bool = False,
    park: str | None = None,
    **arguments: object,
) -> dict[str, object]:
    if mode == "record":
        run = qsession.record(cassette, target="ibm", budget=budget, resume=resume, park=park)
    else:
        run = qsession.replay(cassette)
    # Not above: a run must work for code that imports the client inside of it, too.
    from qiskit.exceptions import QiskitError

    seen: dict[str, object] = {}
    error = ""
    try:
        with run:
            seen = STEPS[steps](**arguments)
    except (QSessionError, QiskitError, Parked) as problem:
        error = str(problem)
    told = {"requests": run.requests, "live": run.live_requests, "spent": run.summary().spent}
    return {"seen": seen, "error": error, **told}


def main(mode: str, runs: str) -> None:
    import qiskit_ibm_runtime  # noqa: F401 - importing is not what is watched

    # The client announces its own move to client-side primitives from 0.50 on.
    warnings.filterwarnings("ignore", message=".*SamplerV2.*", category=DeprecationWarning)
    sys.addaudithook(_note)
    done = [_one(mode, **run) for run in json.loads(runs)]
    print(json.dumps({"runs": done, "events": _EVENTS}))


if __name__ == "__main__":
    main(*sys.argv[1:])
