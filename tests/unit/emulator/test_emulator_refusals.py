from __future__ import annotations

import json
import subprocess
import sys

import pytest
from emulator_caller import GRANT, T0, Caller
from hypothesis import given
from hypothesis import strategies as st

from qsession._endpoints import ENDPOINTS
from qsession._model import SECOND, Request
from qsession.emulator import Emulator, Instance
from qsession.emulator._handlers import HANDLERS
from qsession.emulator._instances import fake_crn
from qsession.errors import UsageError

AUTH = {"code": 1219, "message": "Error authenticating user."}


def strict_caller(**options) -> Caller:
    caller = Caller(Emulator(backends=("ibm_fez",), strict=True, **options))
    body = f"{GRANT}&apikey=k".encode()
    token = json.loads(caller.send("POST", "https://iam.cloud.ibm.com/identity/token", body).body)
    caller.headers["authorization"] = "Bearer " + token["access_token"]
    caller.headers["service-crn"] = caller.emulator.instances[0].crn
    return caller


def test_missing_token_is_401(caller):
    """Without authorization the runtime API says 1219."""
    del caller.headers["authorization"]
    assert caller.refusal("GET", "/backends") == (401, AUTH)


@pytest.mark.parametrize("value", ["", "Bearer", "Basic abc", "planted-token"])
def test_unknown_authorization_is_401(caller, value):
    """Only bearer tokens and keys are credentials."""
    assert caller.refusal("GET", "/backends", authorization=value) == (401, AUTH)


def test_strict_accepts_its_own_token():
    """A token from its own IAM opens a strict emulator."""
    assert strict_caller().send("GET", "/backends").status == 200


@pytest.mark.parametrize("value", ["Bearer foreign", "Bearer a.b.c", "apikey k", "Bearer .", "Bearer ä.b.c"])
def test_strict_refuses_foreign_tokens(value):
    """A strict emulator takes no token that it did not issue, and no bare key."""
    assert strict_caller().refusal("GET", "/backends", authorization=value) == (401, AUTH)


def test_strict_accepts_its_own_key_only():
    """A client whose IAM call failed sends the key itself; the one that was set is taken."""
    caller = strict_caller(api_key="k")
    assert caller.send("GET", "/backends", authorization="apikey k").status == 200
    assert caller.refusal("GET", "/backends", authorization="apikey other") == (401, AUTH)


def test_strict_refuses_an_expired_token():
    """A token ends after its hour."""
    caller = strict_caller()
    assert caller.send("GET", "/backends", at=3599).status == 200
    assert caller.refusal("GET", "/backends", at=3600) == (401, AUTH)


def test_strict_refuses_a_token_of_another_emulator():
    """Two strict emulators of one seed do not take each other's tokens."""
    caller, other = strict_caller(), strict_caller()
    assert caller.refusal("GET", "/backends", authorization=other.headers["authorization"])[0] == 401


def test_strict_refuses_an_unknown_instance():
    """A CRN that is not its own gets code 1279 in a strict emulator."""
    assert strict_caller().refusal("GET", "/backends", service_crn="crn:other") == (
        404,
        {
            "code": 1279,
            "message": "Instance crn:other not found",
            "solution": "Verify the instance CRN and its region.",
        },
    )


def test_instance_of_another_region_is_unknown():
    """An instance of eu-de is not served under the host of us-east."""
    german = Instance(fake_crn(2, region="eu-de"), "g", region="eu-de")
    caller = strict_caller(instances=(german,))
    assert caller.refusal("GET", "/backends")[0] == 404
    assert caller.send("GET", "https://eu-de.quantum.cloud.ibm.com/api/v1/backends").status == 200


def test_unknown_instance_is_an_alias_unless_strict(caller):
    """Any CRN stands for the first instance, so a user's own works in a recording."""
    usage = caller.json("GET", "/instances/usage", service_crn="crn:whatever")
    assert usage["instance_id"] == caller.emulator.instances[0].crn


def test_instances_do_not_see_each_other(make_caller, bell):
    """Sessions and jobs belong to the instance that made them."""
    two = (Instance(fake_crn(1), "a"), Instance(fake_crn(2), "b"))
    caller = make_caller(instances=two)
    caller.headers["service-crn"] = two[0].crn
    session = caller.session()
    job = caller.job([[bell, None, 1]])
    assert caller.refusal("GET", f"/sessions/{session}", service_crn=two[1].crn)[0] == 404
    assert caller.refusal("GET", f"/jobs/{job}", service_crn=two[1].crn)[0] == 404


@pytest.mark.parametrize(
    "url",
    [
        "/nothing",
        "/jobs/a/b/c",
        "https://quantum.cloud.ibm.com/",
        "https://elsewhere.example/x",
        "http://[",
        "",
    ],
)
def test_unknown_path_is_404(caller, url):
    """What is no call of the service is not found."""
    request = Request(
        "GET", url if "/" not in url or ":" in url else f"https://quantum.cloud.ibm.com/api/v1{url}"
    )
    assert caller.emulator.answer(request, T0).status == 404


def test_known_path_with_another_method_is_405(caller):
    """A path that exists names the methods it takes."""
    response = caller.send("DELETE", "/sessions")
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert caller.send("PUT", "/jobs/abc").headers["allow"] == "DELETE, GET"


def test_every_call_of_the_grammar_has_a_handler():
    """No call that the grammar knows is without an answer of the emulator."""
    assert set(HANDLERS) == {endpoint.name for endpoint in ENDPOINTS}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"tags": [], "program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": ["x"], "y": [1e400]}}',
        b'\xef\xbb\xbf{"tags": []}',
        '{"tags": []}'.encode("utf-16"),
        '{"tags": []}'.encode("utf-32-le"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/sessions"), ("POST", "/jobs"), ("PUT", "/jobs/x/tags")]
)
def test_malformed_body_is_400(caller, method, path, body):
    """A body that is no JSON object is refused, whatever it is."""
    status, error = caller.refusal(method, path, body)
    assert (status, error["code"]) == (400, 1208)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sessions"),
        ("PATCH", "/sessions/x"),
        ("PUT", "/jobs/x/tags"),
        ("PUT", "/instances/configuration"),
        ("POST", "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search"),
    ],
)
def test_body_of_megabytes_is_413_but_for_a_job(caller, method, path):
    """Read, it would take many times its size in memory; what is just short enough is read."""
    body = b'{"a": "' + b"x" * 999_991 + b'"}'
    assert len(body) == 1_000_000
    assert caller.send(method, path, body).status != 413
    assert caller.refusal(method, path, body + b" ")[0] == 413
    assert caller.refusal("POST", "/jobs", body + b" ")[0] == 400


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (b",".join([b"[]"] * 299_997), None),
        (b",".join([b"[]"] * 299_998), "the body must not hold more than 300000 lists and objects"),
        (b",".join([b'"{"'] * 300_000), "the body must not hold more than 300000 lists and objects"),
        (b",".join([b"1"] * 1_999_996), None),
        (b",".join([b"1"] * 1_999_997), "the body must not hold more than 2000000 values"),
    ],
)
def test_body_of_millions_of_values_is_refused_unread(caller, entries, reason):
    """Reading them takes many seconds and gigabytes; what is just few enough is read."""
    body = b'{"program_id":"nope","backend":"ibm_fez","params":{"pubs":[%s]}}' % entries
    status, error = caller.refusal("POST", "/jobs", body)
    if reason is None:
        assert (status, error["message"]) == (404, "program not found")
    else:
        assert (status, error["code"]) == (400, 1208)
        assert error["message"].endswith(reason)


def test_errors_are_compact_json(caller):
    """Bodies are written as the service does: programs search them for "code":1217."""
    body = caller.send("GET", "/jobs/nope").body
    assert b": " not in body.replace(b"ID: ", b"")
    assert body.startswith(b'{"errors":[{"code":"not_found","message":"Job not found. Job ID: nope"')


def test_equal_runs_give_equal_bytes(bell):
    """Two emulators of one seed answer byte by byte alike."""

    def run(seed: int) -> list[bytes]:
        caller = Caller(Emulator(backends=("ibm_fez",), seed=seed))
        session = caller.session()
        job = caller.job([[bell, None, 100]], session_id=session)
        paths = [f"/sessions/{session}", f"/jobs/{job}", f"/jobs/{job}/results", f"/jobs/{job}/metrics", "/x"]
        return [caller.send("GET", path, at=1).body for path in paths]

    assert run(3) == run(3)
    assert run(3)[2] != run(4)[2]


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    endpoint=st.sampled_from(ENDPOINTS),
    ident=st.text(max_size=20),
    query=st.text(max_size=30),
    body=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "mode",
                            "backend",
                            "max_ttl",
                            "program_id",
                            "params",
                            "pubs",
                            "options",
                            "tags",
                            "session_id",
                            "accepting_jobs",
                            "cost",
                            "log_level",
                            "__type__",
                            "__value__",
                            "private",
                        ]
                    )
                    | st.text(max_size=3),
                    inner | st.sampled_from(["ibm_fez", "sampler", "dedicated", "QuantumCircuit", "ndarray"]),
                    max_size=6,
                )
            ),
            max_leaves=15,
        ).map(lambda document: json.dumps(document).encode()),
    ),
)
def test_anything_gets_an_answer(method, endpoint, ident, query, body):
    """No request whatever makes the emulator raise or answer 500."""
    path = endpoint.template
    for name in ("plan", "crn", "backend", "session", "job", "account"):
        path = path.replace("{" + name + "}", ident)
    url = f"https://quantum.cloud.ibm.com/api/v1{path}?{query}"
    response = Caller(_SHARED).emulator.answer(
        Request(method, url, Caller(_SHARED).headers, body), T0 + 5 * SECOND
    )
    assert response.status in {200, 204, 400, 401, 404, 405, 409}


_SHARED = Emulator(backends=("ibm_fez",))


def test_unknown_backend_is_a_usage_error():
    """A backend without a snapshot is named with its neighbours and a line to paste."""
    with pytest.raises(UsageError) as caught:
        Emulator(backends=("ibm_fezz",))
    assert str(caught.value) == (
        "The emulator has no backend named ibm_fezz. [QS121]\n"
        "  It serves the device snapshots of the installed qiskit-ibm-runtime.\n"
        "  Nearest names: ibm_fez\n"
        "To fix: Emulator(backends=('ibm_fez',))"
    )


@pytest.mark.parametrize("options", [{"backends": ()}, {"instances": ()}])
def test_emulator_of_nothing_is_a_usage_error(options):
    """An emulator without backends or instances cannot serve anybody."""
    with pytest.raises(
        UsageError, match=r"^An emulator needs at least one backend and one instance\. \[QS122\]"
    ):
        Emulator(**options)


@pytest.mark.parametrize("options", [{"queue_seconds": -1}, {"run_seconds": -0.1}])
def test_negative_times_are_a_usage_error(options):
    """Time does not run backwards."""
    with pytest.raises(UsageError, match=r"^A job cannot wait or run for a negative time\. \[QS123\]"):
        Emulator(**options)


def test_import_is_light():
    """Importing the package loads neither qiskit nor a simulator nor a web library."""
    code = (
        "import sys, qsession.emulator\n"
        "heavy = {'qiskit', 'qiskit_aer', 'cryptography', 'h11', 'qiskit_ibm_runtime', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "package"), [("qiskit_aer", "qiskit-aer"), ("h11", "h11"), ("cryptography", "cryptography")]
)
def test_missing_extra_names_the_command(monkeypatch, caller, module, package):
    """Without the extra, the error says what to install."""
    import importlib.util

    from qsession.emulator import EmulatorServer, _programs
    from qsession.emulator._serving import own_authority

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else real(name))
    _programs._need_aer.cache_clear()
    with pytest.raises(UsageError) as caught:
        EmulatorServer(caller.emulator, tls=own_authority())
    _programs._need_aer.cache_clear()
    assert str(caught.value) == (
        f"The emulator needs {package}, which is not installed. [QS120]\n"
        "  It is not needed to replay recordings, so it comes with the extra emulator.\n"
        "To fix: pip install 'qsession[emulator]'"
    )
