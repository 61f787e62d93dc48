"""Attempts to make a message, a repr or a file of ours show whose account it is."""

import json

import pytest
import requests

import qsession
from qsession import _model
from qsession._config import Settings
from qsession._discovery import Discovery, fake_crn
from qsession._endpoints import identify
from qsession._model import Asked, Place, Provenance, Recording, Request, Response
from qsession._redaction import Redactor
from qsession._replay import Replay
from qsession.errors import ReplayMismatch

URL = "https://quantum.cloud.ibm.com/api/v1"
ACCOUNT = "0123456789abcdef0123456789abcdef"
INSTANCE = "11111111-2222-4333-8444-555555555555"
CRN = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{ACCOUNT}:{INSTANCE}::"
KEY = "FAKE-api-key-0123456789"
HEADERS = {"Service-CRN": CRN, "IBM-API-Version": "2026-04-15", "Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "value",
    [
        Request("POST", URL, {"authorization": KEY}, KEY.encode()),
        Response(200, "OK", {"set-cookie": KEY}, KEY.encode()),
        Asked(crn=CRN),
        Settings("replay", instance=CRN),
        _model.Interaction(
            "jobs.get", 0, Request("GET", URL, {"x": KEY}), Response(200, "OK", {}, b"x"), 0, 0
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_repr_of_a_value_shows_no_credential(value):
    """pytest prints local variables of our frames with --showlocals."""
    assert not [secret for secret in (KEY, ACCOUNT, INSTANCE) if secret in repr(value)]


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", f"{URL}/accounts/{ACCOUNT}"),
        Request("GET", f"{URL}/analytics/usage?instance={CRN}"),
        Request("PATCH", f"{URL}/sessions/{CRN}", {}, json.dumps({"note": CRN}).encode()),
        Request(
            "GET",
            f"https://resource-controller.cloud.ibm.com/v2/resource_instances/{CRN}".replace("/0", "%2F0"),
        ),
    ],
    ids=lambda request: request.url[-12:],
)
def test_mismatch_shows_no_account_and_no_instance(request_):
    """What was asked is named without saying by whom."""
    replay = Replay(Recording(Provenance("ibm", 0), ()), Discovery(()), Place("a.yaml"))
    with pytest.raises(ReplayMismatch) as caught:
        replay.answer(request_, 0)
    assert not [secret for secret in (ACCOUNT, INSTANCE) if secret in str(caught.value)]


def test_account_in_a_path_is_not_written_and_does_not_matter():
    """Another account replays the same recording."""
    theirs = Request("GET", f"{URL}/accounts/{ACCOUNT}")
    call = identify(theirs)
    assert call is not None
    written = Redactor().clean_request(call, theirs)
    assert ACCOUNT not in written.url
    interaction = _model.Interaction("accounts.get", 0, written, Response(200, "OK", {}, b"{}"), 0, 0)
    replay = Replay(Recording(Provenance("ibm", 0), (interaction,)), Discovery(()), Place("a.yaml"))
    assert replay.answer(Request("GET", f"{URL}/accounts/{'f' * 32}"), 0).body == b"{}"


def test_request_after_the_run_is_named_without_its_instance(tmp_path):
    """The path of the resource controller is a CRN."""
    with requests.Session() as http:
        url = "https://resource-controller.cloud.ibm.com/v2/resource_instances"
        with qsession.record(tmp_path / "a.yaml", target="emulator"):
            assert http.get(url, headers=HEADERS, timeout=5).status_code == 200
        with pytest.raises(ReplayMismatch) as caught:
            http.get(f"{url}/{CRN.replace('/', '%2F')}", headers=HEADERS, timeout=5)
    assert caught.value.code == "QS307"
    assert not [secret for secret in (ACCOUNT, INSTANCE) if secret in str(caught.value)]


def test_body_with_half_a_character_is_cleaned_and_kept():
    """JSON may hold a lone surrogate, which UTF-8 refuses: the recording must not break on it."""
    cleaned = Redactor().clean_body(b'{"user_id":"IBMid-5500000000","name":"\\ud800"}')
    assert json.loads(cleaned) == {"user_id": "IBMid-0000000000", "name": "\ud800"}


def test_instance_of_the_emulator_is_kept_as_the_code_saw_it():
    """Also when the caller brought an instance of its own: the replay shows the same."""
    redactor = Redactor()
    redactor.learn_crn(CRN)
    body = json.dumps({"instance_id": fake_crn(0, "us-east"), "asked": CRN}).encode()
    assert json.loads(redactor.clean_body(body)) == {
        "instance_id": fake_crn(0, "us-east"),
        "asked": fake_crn(0, "us-east"),
    }
