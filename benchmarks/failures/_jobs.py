"""Which recorded answer a request gets: circuits, bodies, repeats, order, what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import requests

from benchmarks.failures._lab import (
    API,
    HEADERS,
    Experiment,
    Lab,
    Seen,
    Site,
    get,
    post,
    posted,
    read,
    recorded,
    refusal,
)

Make = Callable[[], object]


def job(circuit: object, *, shots: int = 100) -> bytes:
    """A sampler job with one circuit, as the client encodes it."""
    from qiskit_ibm_runtime.utils.json import RuntimeEncoder

    params = {"pubs": [[circuit, None, shots]], "version": 2, "support_qiskit": True, "shots": shots}
    body = {"program_id": "sampler", "backend": "ibm_fez", "params": params}
    return json.dumps(body, cls=RuntimeEncoder).encode()


def bell(*, turned: bool = False, named: bool = True) -> object:
    """A Bell pair, or with one gate more."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2, 2, name="bell" if named else None)
    circuit.sx(0)
    circuit.cz(0, 1)
    if turned:
        circuit.x(1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def _other_order() -> object:
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.measure([1, 0], [1, 0])
    return circuit


def _parametrised() -> object:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    circuit = QuantumCircuit(1, 1, name="turn")
    circuit.rz(Parameter("t"), 0)
    circuit.measure(0, 0)
    return circuit


EQUAL: Mapping[str, tuple[Make, Make]] = {
    "without a name": (lambda: bell(named=False), lambda: bell(named=False)),
    "with a parameter": (_parametrised, _parametrised),
    "with its measurements in another order": (bell, _other_order),
}


def _replay_stock(path: Path, first: bytes, then: bytes, **options: object) -> str:
    """What stock vcrpy answers to a job, when another was recorded; else by what it refuses it."""
    import vcr

    with Site(lambda *_: '{"id":"recorded"}') as site:
        with vcr.use_cassette(str(path), **options):
            requests.post(f"{site.url}/jobs", data=first, headers=HEADERS, timeout=30)
        with vcr.use_cassette(str(path), record_mode="none", **options):
            try:
                return requests.post(f"{site.url}/jobs", data=then, headers=HEADERS, timeout=30).text
            except Exception as refused:  # noqa: BLE001 - told by its words
                return str(refused)


def _replay_ours(lab: Lab, first: bytes, then: bytes) -> str:
    import qsession

    path = recorded(lab.folder, posted(first))
    told = []

    def submit() -> None:
        with qsession.replay(path):
            told.append(post("/jobs", then).text)

    try:
        submit()
    except qsession.errors.ReplayMismatch as refused:
        return str(refused)
    return told[0]


def _stock_body(lab: Lab) -> Seen:
    told = _replay_stock(lab.folder / "a.yaml", job(bell()), job(bell(turned=True)))
    return Seen(f"another circuit is answered {told}", "recorded" in told and "id" in told)


def _ours_body(lab: Lab) -> Seen:
    told = _replay_ours(lab, job(bell()), job(bell(turned=True)))
    named = "QS302" in told and "asked x on 1" in told
    return Seen("QS302, names the gate: `asked x on 1`" if named else told, not named)


_BODIES = ["method", "scheme", "host", "port", "path", "query", "body"]


def _stock_equal(lab: Lab) -> Seen:
    refused = [
        kind
        for number, (kind, (first, then)) in enumerate(EQUAL.items())
        if "id" not in json.loads(_answer_stock(lab.folder / f"{number}.yaml", first, then))
    ]
    told = "; ".join(refused) or "none"
    return Seen(
        f"with bodies compared, {len(refused)} of {len(EQUAL)} equal circuits are refused: {told}",
        bool(refused),
    )


def _answer_stock(path: Path, first: Make, then: Make) -> str:
    told = _replay_stock(path, job(first()), job(then()), match_on=_BODIES)
    return told if told.startswith("{") else "{}"


def _ours_equal(lab: Lab) -> Seen:
    told = [_replay_ours(lab, job(first()), job(then())) for first, then in EQUAL.values()]
    matched = sum('"id"' in each for each in told)
    return Seen(f"{matched} of {len(EQUAL)} equal circuits are matched", matched < len(EQUAL))


def _long() -> tuple[object, object]:
    """Two circuits that differ in their last gate, far behind what a line of a message may show."""
    from qiskit import QuantumCircuit

    both = []
    for last in (0.5, 0.25):
        circuit, dice = QuantumCircuit(4, name="long"), Random(1)
        for number in range(4000):
            circuit.rz(dice.random(), number % 4)
        circuit.rz(last, 0)
        both.append(circuit)
    return both[0], both[1]


def _stock_message(lab: Lab) -> Seen:
    first, then = _long()
    told = _replay_stock(lab.folder / "a.yaml", job(first), job(then), match_on=_BODIES)
    rows = [line.strip() for line in told.splitlines() if "__value__" in line or "eJ" in line]
    sides = {line[0]: line[1:] for line in rows if line[:1] in "+-"}
    same = len(sides) == 2 and sides["+"] == sides["-"]
    return Seen(f"the two sides of the difference are printed {'alike' if same else 'apart'}", same)


def _ours_message(lab: Lab) -> Seen:
    first, then = _long()
    told = _replay_ours(lab, job(first), job(then))
    line = next((each.strip() for each in told.splitlines() if "rz(0.25)" in each), "")
    return Seen(f"`{line}`", not ("rz(0.5)" in line and "operation" in line))


def _stock_repeat(lab: Lab) -> Seen:
    import vcr

    path = str(lab.folder / "a.yaml")
    with Site() as site:
        with vcr.use_cassette(path):
            requests.get(f"{site.url}/status", timeout=30)
        with vcr.use_cassette(path, record_mode="none"):
            requests.get(f"{site.url}/status", timeout=30)
            try:
                requests.get(f"{site.url}/status", timeout=30)
            except Exception as refused:  # noqa: BLE001 - told by its type
                return Seen(f"`{type(refused).__name__}` at the second read", True)
    return Seen("answered", False)


def _ours_repeat(lab: Lab) -> Seen:
    import qsession

    path = recorded(lab.folder, read("/backends/ibm_fez/status", '{"state":true}'))
    with qsession.replay(path):
        told = [get("/backends/ibm_fez/status").text for _ in range(3)]
    return Seen("answered as often as it is asked", told != ['{"state":true}'] * 3)


def _stock_unused(lab: Lab) -> Seen:
    import vcr

    path = str(lab.folder / "a.yaml")
    with Site() as site:
        with vcr.use_cassette(path):
            for number in range(2):
                requests.post(f"{site.url}/jobs", data=str(number), timeout=30)
        try:
            with vcr.use_cassette(path, record_mode="none") as cassette:
                requests.post(f"{site.url}/jobs", data="0", timeout=30)
        except Exception as refused:  # noqa: BLE001 - told by its type
            return Seen(type(refused).__name__, False)
    return Seen("no error; whoever wants one asks the cassette for `all_played`", not cassette.all_played)


def _ours_unused(lab: Lab) -> Seen:
    import qsession

    path = recorded(
        lab.folder, posted(job(bell())), posted(job(bell(turned=True)), number=1, at=1), name="two.yaml"
    )

    def leave_out() -> None:
        with qsession.replay(path):
            post("/jobs", job(bell()))

    code = refusal(leave_out)
    return Seen(f"{code}, names the job that was left out" if code else "no error", code != "QS306")


def _stock_nested(lab: Lab) -> Seen:
    import vcr

    outside, inside = (vcr.use_cassette(str(lab.folder / f"{name}.yaml")) for name in ("outer", "inner"))
    with Site() as site, outside as outer, inside as inner:
        requests.get(site.url, timeout=30)
    return Seen(
        f"of one request the outer cassette has {len(outer)}, the inner {len(inner)}", len(outer) == 0
    )


def _ours_nested(lab: Lab) -> Seen:
    import qsession

    path = recorded(lab.folder, read("/backends/ibm_fez/status", "{}"))
    with qsession.replay(path):
        code = refusal(lambda: qsession.replay(path).__enter__())
        outer = get("/backends/ibm_fez/status").status_code
    return Seen(f"{code}: one run at a time; the outer one goes on", not code or outer != 200)


def _stock_headers(lab: Lab) -> Seen:
    import http.client

    import vcr

    with Site() as site, vcr.use_cassette(str(lab.folder / "a.yaml")) as cassette:
        connection = http.client.HTTPConnection("127.0.0.1", site.server_port)
        connection.putrequest("GET", "/")
        for value in ("1", "2"):
            connection.putheader("x-tag", value)
        connection.endheaders()
        connection.getresponse().read()
    kept = cassette.requests[0].headers["x-tag"]
    return Seen(f"of two values of one header, through `http.client`, {kept!r} is kept", kept in ("1", "2"))


def _ours_headers(lab: Lab) -> Seen:
    import http.client

    import qsession

    path = recorded(lab.folder, read("/backends/ibm_fez/status", "{}"))

    def ask() -> None:
        with qsession.replay(path):
            http.client.HTTPSConnection("quantum.cloud.ibm.com").request("GET", API)

    code = refusal(ask)
    return Seen(f"{code}: what does not come through urllib3 is refused, never guessed", not code)


def _again(session: requests.Session) -> requests.Session:
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=Retry(2, backoff_factor=0)))
    return session


def _stock_broke(lab: Lab) -> Seen:
    import vcr

    recorder = vcr.use_cassette(str(lab.folder / "a.yaml"))
    site = Site(lambda _path, _body, before: None if before == 0 else "ok")
    with site, recorder as cassette, _again(requests.Session()) as session:
        session.get(site.url, timeout=30)
    return _broke(site.hits, len(cassette))


def _broke(tries: int, kept: int) -> Seen:
    return Seen(f"of {tries} tries, the first cut off, {kept} is in the file", kept < tries)


def _ours_broke(lab: Lab) -> Seen:
    import qsession
    from qsession._model import Instant, Request, Response
    from qsession._store import Store

    tries = []

    class Dropping(qsession.Emulator):
        def answer(self, request: Request, at: Instant) -> Response:
            tries.append(request.url)
            if len(tries) == 1:
                raise ConnectionResetError("hung up")
            return super().answer(request, at)

    path = lab.folder / "a.yaml"
    with qsession.record(path, target="emulator", emulator=Dropping()), _again(requests.Session()) as session:
        get("/jobs", session)
    return _broke(len(tries), len(Store(lab.folder, lab.folder).load(path).interactions))


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    "body-ignored": (_stock_body, _ours_body),
    "equal-circuits": (_stock_equal, _ours_equal),
    "message-cut": (_stock_message, _ours_message),
    "repeated-read": (_stock_repeat, _ours_repeat),
    "left-out": (_stock_unused, _ours_unused),
    "nested": (_stock_nested, _ours_nested),
    "connection-broke": (_stock_broke, _ours_broke),
    "header-twice": (_stock_headers, _ours_headers),
}
