# ruff: noqa: E501 - the files of the project are texts
"""A test project full of secrets: where each is planted, in which coding, and the code that plants it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

CODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda v: v,
    "percent": lambda v: quote(v, safe="").replace("@", "%40"),
    "percent, every byte": lambda v: "".join(f"%{byte:02X}" for byte in v.encode()),
    "JSON-escaped": lambda v: json.dumps({"in": v}).replace(v, "".join(f"\\u{ord(c):04x}" for c in v)),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64, second alignment": lambda v: base64.b64encode(f"<{v}> ".encode()).decode(),
    "base64, third alignment": lambda v: base64.b64encode(f"<<{v}>".encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "zlib in base64": lambda v: base64.b64encode(zlib.compress(f"see {v} there".encode())).decode(),
    "gzip in base64": lambda v: base64.b64encode(gzip.compress(f"see {v} there".encode(), mtime=0)).decode(),
}
"""The six encodings, percent and base64 in each of their forms."""

CODED_PLACES = (
    "answer: state_reason of a session",
    "answer: reason of a job, a traceback",
    "answer: tags of a job",
    "answer: calibration_id of a job",
    "answer: metadata of a result",
    "answer: logs",
    "answer: caller in metrics",
    "answer: cursor of workloads",
    "answer: message of an error",
    "answer: more_info of an error",
    "answer: header uber-trace-id",
    "answer: header location",
    "answer: search, doc of an instance",
    "answer: search, tags of an instance",
    "request: tags of a job",
    "request: name of a circuit",
    "request: metadata of a circuit",
    "request: body of PUT tags",
    "request: query of GET tags",
    "request: query of GET jobs",
    "request: unknown field of POST sessions",
    "request: header parent-job-id",
    "request: header x-qx-client-application",
    "pytest: local variable",
    "pytest: message of an assertion",
    "pytest: captured stdout",
    "pytest: captured stderr",
    "pytest: captured log",
    "pytest: log of the client",
    "pytest: warning",
    "pytest: property of junit",
    "pytest: reason of a skip",
    "pytest: cause of an exception",
    "pytest: failed set-up",
    "pytest: failed import",
)
"""Places where a text is planted in every coding."""

PLAIN_PLACES = (
    "answer: user_id of a session",
    "answer: user_id of a job",
    "answer: bucket_crn of a job",
    "answer: user_id of workloads",
    "answer: instance of workloads",
    "answer: instance_id of usage",
    "answer: subscription of an account",
    "answer: users of analytics",
    "answer: instances of analytics",
    "answer: crn of search",
    "answer: trace of an error",
    "request: account in a path",
    "request: user in a query",
    "request: instance in a query",
    "request: name of a parameter",
    "request: instance of POST sessions",
    "pytest: long value, cut in its middle",
)
"""Places that take one value of their own kind, as it is."""

_ID = {"crn": "crn", "instance": "crn", "bucket_crn": "crn", "instance_id": "crn", "instances": "crn"}
_OTHERS = {"account": "account", "subscription": "account", "trace": "uuid"}
_LONGEST_TAG = 86
_WITHOUT_COOKIES = frozenset(
    {
        "pytest: failed import",
        "request: tags of a job",
        "request: body of PUT tags",
        "request: query of GET tags",
        "request: query of GET jobs",
        "request: unknown field of POST sessions",
    }
)


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted secret."""

    name: str
    place: str
    coding: str
    value: str
    text: str


def plants(*, quick: bool) -> list[Plant]:
    """All of them: each value is another one, so that one that is found tells where it was."""
    draw = random.Random(7)
    made = []
    kinds = ("mail", "user", "crn", "token", "cookie")
    for n, place in enumerate(CODED_PLACES):
        for m, (coding, code) in enumerate(CODINGS.items()):
            if quick and (n + m) % 3:
                continue
            # What has no shape is known from its cookie; before the first answer nothing is.
            # And a replay, which sees no cookie, must know the tags for the recorded ones.
            known = kinds[:-1] if place in _WITHOUT_COOKIES else kinds
            value = _value(known[(n + m) % len(known)], draw)
            if place == "request: tags of a job" and (m > 7 or len(code(value)) > _LONGEST_TAG):
                continue  # the service takes eight tags of 86 characters (documented)
            made.append(Plant(f"{place} ({coding})", place, coding, value, code(value)))
    for place in PLAIN_PLACES:
        first = place.partition(": ")[2].split()[0]
        kind = (
            "mail"
            if "parameter" in place
            else "cookie"
            if "long" in place
            else (_ID | _OTHERS).get(first, "user")
        )
        value = _value(kind, draw)
        made.append(Plant(f"{place} (plain)", place, "plain", value, value))
    return made


def _value(kind: str, draw: random.Random) -> str:
    mark = hashlib.sha256(str(draw.random()).encode()).hexdigest()
    return {
        "mail": f"planted.{mark[:12]}@{mark[12:20]}.example.com",
        "user": f"IBMid-{mark[:20]}",
        "crn": f"crn:v1:bluemix:public:quantum-computing:eu-de:a/{mark[:32]}:{_uuid(mark[32:])}::",
        "token": ".".join(
            _segment(part) for part in ({"alg": "RS256"}, {"sub": mark[:24]}, {"s": mark[24:]})
        ),
        "cookie": f"Planted.{mark[:40]}",
        "account": mark[:32],
        "uuid": _uuid(mark[:32]),
    }[kind]


def _uuid(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def _segment(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def own() -> dict[str, str]:
    """What belongs to the account itself: it is used wherever the client uses it."""
    mark = hashlib.sha256(b"own").hexdigest()
    return {
        "API key of the account": f"Planted-Key_{mark[:32]}",
        "account id": mark[32:64],
        "instance id": _uuid(mark[:32]),
        "refresh token": f"Planted-refresh-{mark[:48]}",
        "user in a claim": f"IBMid-{mark[40:60]}",
        "mail in a claim": f"owner.{mark[:10]}@{mark[10:18]}.example.com",
        "name of the instance": f"planted-instance-{mark[:12]}",
    }


def write(folder: Path, planted: Sequence[Plant]) -> None:
    """Write the project."""
    folder.mkdir()
    (folder / "plants.json").write_text(json.dumps({"plants": [asdict(p) for p in planted], "own": own()}))
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in FILES.items():
        (folder / name).write_text(text)


FILES = {
    "plants.py": '''
"""Reads what is planted; no secret stands in a source."""
import json
from pathlib import Path

_ALL = json.loads(Path(__file__).with_name("plants.json").read_text())
OWN = _ALL["own"]
CRN = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{OWN['account id']}:{OWN['instance id']}::"


def texts(place):
    return [plant["text"] for plant in _ALL["plants"] if plant["place"] == place]


def value(place):
    return next(plant["value"] for plant in _ALL["plants"] if plant["place"] == place)


def cookies():
    return [plant["value"] for plant in _ALL["plants"] if plant["value"].startswith("Planted.")]
''',
    "planting.py": '''
"""A service that tells too much: what the emulator answers, with secrets in every place."""
import base64
import json
from dataclasses import replace
from qsession._endpoints import identify
from plants import CRN, OWN, cookies, texts, value


def planted(request, response):
    call = identify(request)
    name = call.endpoint.name if call else ""
    headers = dict(response.headers)
    headers["set-cookie"] = "; ".join(f"c{i}={each}" for i, each in enumerate(cookies()))
    headers["uber-trace-id"] = " ".join(texts("answer: header uber-trace-id"))
    headers["location"] = " ".join(texts("answer: header location"))
    headers = {name: text.encode("ascii", "replace").decode() for name, text in headers.items()}
    if name == "jobs.logs":
        body = "\\n".join(["Starting", *texts("answer: logs"), "Done"]).encode()
        return replace(response, status=200, reason="OK", headers=headers | {"content-type": "text/plain; charset=utf-8"}, body=body)
    if name == "jobs.results" and response.status == 200:
        document = json.loads(response.body)
        document["planted"] = {"metadata": texts("answer: metadata of a result")}
        return replace(response, headers=headers, body=json.dumps(document).encode())
    try:
        document = json.loads(response.body)
    except ValueError:
        return replace(response, headers=headers)
    if isinstance(document, dict):
        tell(name, document)
    if "content-type" in headers:
        headers["content-type"] = "application/json; charset=utf-8"
    return replace(response, headers=headers, body=json.dumps(document).encode())


def tell(name, document):
    if name == "sessions.get":
        document["user_id"] = value("answer: user_id of a session")
        document["state_reason"] = " ".join(texts("answer: state_reason of a session"))
    if name == "jobs.get" and "state" in document:
        document["user_id"] = value("answer: user_id of a job")
        document["remote_storage"] = {"bucket_crn": value("answer: bucket_crn of a job")}
        document["calibration_id"] = " ".join(texts("answer: calibration_id of a job"))
        document["state"]["reason"] = "Traceback:\\n  " + "\\n  ".join(texts("answer: reason of a job, a traceback"))
        document["tags"] = texts("answer: tags of a job")
    if name == "jobs.metrics":
        document["caller"] = " ".join(texts("answer: caller in metrics"))
    if name == "workloads.list":
        document["next"] = {"href": "https://quantum.cloud.ibm.com/api/v1/workloads?next=" + "+".join(texts("answer: cursor of workloads"))}
        for each in document.get("workloads", []):
            each["user_id"] = value("answer: user_id of workloads")
            each["instance"] = value("answer: instance of workloads")
    if name == "instances.usage":
        document["instance_id"] = value("answer: instance_id of usage")
    if name == "accounts.get":
        document["plans"] = [{"plan_id": "p", "subscription_id": value("answer: subscription of an account")}]
    if "filters" in name:
        document["users"] = [value("answer: users of analytics")]
        document["instances"] = [value("answer: instances of analytics")]
    if "errors" in document:
        document["trace"] = value("answer: trace of an error")
        document["errors"][0]["message"] = " ".join(texts("answer: message of an error"))
        document["errors"][0]["more_info"] = " ".join(texts("answer: more_info of an error"))
    if name == "iam.token":
        document["refresh_token"] = OWN["refresh token"]
        head, claims, tail = document["access_token"].split(".")
        told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        told |= {"iam_id": OWN["user in a claim"], "email": OWN["mail in a claim"], "account": {"bss": OWN["account id"]}}
        document["access_token"] = ".".join([head, base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode(), tail])
    if name == "search.resources":
        first = document["items"][0]
        first["name"] = OWN["name of the instance"]
        first["tags"] = texts("answer: search, tags of an instance")
        first["doc"]["note"] = texts("answer: search, doc of an instance")
        other = dict(first, crn=value("answer: crn of search"), name="another-instance")
        document["items"].append(other)
''',
    "flow.py": '''
"""What a program does: through the client, and beside it where the client has no call."""
import json
import requests
from plants import CRN, OWN, texts, value

URL = "https://quantum.cloud.ibm.com/api/v1"


def flow(service, url=URL, headers=None):
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import SamplerV2, Session

    backend = service.backend("ibm_fez")
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("angle " + value("request: name of a parameter")), 0)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)
    isa.name = "bell " + " ".join(texts("request: name of a circuit"))
    isa.metadata = {"notes": texts("request: metadata of a circuit"), "home": "/home/planted.person.of.theirs/x"}
    with Session(backend=backend) as session:
        sampler = SamplerV2(mode=session)
        sampler.options.environment.job_tags = texts("request: tags of a job")
        job = sampler.run([(isa, [0.5])], shots=10)
        job.result()
        session.details()
        job.metrics()
        job.logs()
    identity = {"service-crn": CRN, "ibm-api-version": "2026-04-15", "authorization": "apikey " + OWN["API key of the account"]}
    identity |= {"content-type": "application/json; charset=utf-8", **(headers or {})}
    identity["parent-job-id"] = " ".join(texts("request: header parent-job-id"))
    identity["x-qx-client-application"] = " ".join(texts("request: header x-qx-client-application"))

    def call(method, path, **more):
        return requests.request(method, url + path, headers=identity, timeout=30, **more)

    call("PUT", f"/jobs/{job.job_id()}/tags", data=json.dumps({"tags": texts("request: body of PUT tags")}))
    for text in texts("request: query of GET tags"):
        call("GET", "/tags", params={"type": "job", "search": text})
    call("GET", "/jobs", params={"tags": texts("request: query of GET jobs")})
    call("GET", "/workloads", params={"limit": 3})
    call("GET", "/instances/usage")
    call("GET", f"/accounts/{value('request: account in a path')}")
    call("GET", "/analytics/filters", params={"user_id": value("request: user in a query"), "instance": value("request: instance in a query")})
    call("GET", "/jobs/d0000000000000000000")
    body = {"mode": "batch", "backend": "ibm_fez", "instance": value("request: instance of POST sessions")}
    call("POST", "/sessions", data=json.dumps(body | {"note": texts("request: unknown field of POST sessions")}))


def service():
    from qiskit_ibm_runtime import QiskitRuntimeService

    return QiskitRuntimeService(channel="ibm_quantum_platform", token=OWN["API key of the account"], instance=CRN)
''',
    "conftest.py": """
import os
from qsession._sources import Embedded
from planting import planted

_answer = Embedded.answer


def answer(self, request, at):
    return planted(request, _answer(self, request, at))


Embedded.answer = answer

if os.environ.get("PLANTED_WITHOUT_REDACTION"):
    # To see that the search finds what is planted where nothing takes it out.
    from qsession._redaction import _edit, _redactor, _screen, _search

    _edit.Editor.data = _edit.Editor.text = lambda self, value, depth=0: value
    _redactor.Redactor._headers = lambda self, headers, kept: dict(headers)
    _redactor._is_private = lambda call: False
    _search.Search.found = lambda self, data: ()
    _screen.Screen.clean = lambda self, text: text
""",
    "test_flow.py": """
import pytest
from flow import flow, service


@pytest.mark.qsession(allow_unused=True)
def test_flow():
    flow(service())
""",
    "test_reports.py": """
import logging
import sys
import warnings
import pytest
from plants import OWN, texts, value
from flow import service

pytestmark = pytest.mark.qsession


@pytest.fixture
def asked(qsession_run):
    return service().backends()


def test_local_variable(asked):
    shown = texts("pytest: local variable")
    nested = {"a": tuple(shown), "key": OWN["API key of the account"]}
    assert not nested


def test_long_value(asked):
    long = "x" * 113 + value("pytest: long value, cut in its middle") + "y" * 400
    assert not long


def test_message(asked):
    raise AssertionError(" ".join(texts("pytest: message of an assertion")))


def test_output_passes(asked, record_property):
    for text in texts("pytest: captured stdout"):
        print(text)
    for text in texts("pytest: captured stderr"):
        print(text, file=sys.stderr)
    for i, text in enumerate(texts("pytest: property of junit")):
        record_property(f"told-{i}", text)


def test_log(asked):
    for text in texts("pytest: captured log"):
        logging.getLogger("theirs").warning("seen: %s", text)
    for text in texts("pytest: log of the client"):
        logging.getLogger("urllib3.connectionpool").debug("%s", text)
    try:
        raise ValueError(OWN["API key of the account"])
    except ValueError:
        logging.getLogger("theirs").exception("broken")


def test_warning(asked):
    for text in texts("pytest: warning"):
        warnings.warn(text, UserWarning, stacklevel=1)


def test_skip(asked):
    pytest.skip(" ".join(texts("pytest: reason of a skip")))


def test_cause(asked):
    try:
        raise KeyError(*texts("pytest: cause of an exception"))
    except KeyError as cause:
        raise RuntimeError("outer") from cause


@pytest.fixture
def broken(asked):
    raise RuntimeError(" ".join(texts("pytest: failed set-up")))


def test_set_up(broken):
    pass
""",
    "test_import.py": """
from plants import texts

raise RuntimeError(" ".join(texts("pytest: failed import")))
""",
}
