"""What a request asks for, decoded only when somebody needs it."""

import hashlib
import json

import pytest

from qsession import _meaning, _payload
from qsession._endpoints import identify
from qsession._kept import Known, Late, Recent, StoredRequest
from qsession._model import Request

URL = "https://quantum.cloud.ibm.com/api/v1/jobs"


def job(**fields):
    document = {"program_id": "sampler", "params": {"pubs": [], "x": 1}, "session_id": "s"} | fields
    return Request("POST", URL, body=json.dumps(document).encode())


def read(request):
    return _meaning.read(identify(request), request)


@pytest.fixture(autouse=True)
def decoded(monkeypatch):
    """Programs whose parameters were decoded."""
    programs, decode = [], _payload.read

    def counting(program, params):
        programs.append(program)
        return decode(program, params)

    monkeypatch.setattr(_payload, "read", counting)
    monkeypatch.setattr(_meaning, "_read_before", Recent(2))
    return programs


def test_read_same_bytes_again_decodes_nothing(decoded):
    """Equal bytes mean the same."""
    first = read(job())
    assert (read(job()), decoded) == (first, ["sampler"])


def test_read_same_bytes_again_still_explains_itself(decoded):
    """What a message needs is decoded for the message, once."""
    first, again = read(job()), read(job())
    assert (again.fields, again.summary, again.session) == (first.fields, first.summary, "s")
    assert again.job.digest == first.job.digest
    assert decoded == ["sampler", "sampler"]


def test_read_remembers_a_bounded_number(decoded):
    """A long session does not fill the memory."""
    for tag in ("a", "b", "c", "a"):
        read(job(tags=[tag]))
    assert len(decoded) == 4


def test_read_same_bytes_for_another_endpoint_is_not_the_same(decoded):
    """What a body means depends on what it is sent to."""
    created = read(job())
    other = Request("PUT", URL + "/a/tags", body=job().body)
    assert read(other).digest != created.digest
    assert dict(read(other).fields).keys() == {"params", "program_id", "session_id"}


def test_read_large_recorded_job_that_is_known_reads_no_body(decoded):
    """To open a recording, neither the disk nor the decoder is asked."""

    def fails(_reference):
        raise AssertionError

    plain = read(job())
    known = Known(hashlib.sha256(job().body).hexdigest(), plain.digest, "s")
    recorded = StoredRequest("POST", URL, {}, Late("sha256:0", fails), known=known)
    assert (read(recorded), decoded) == (plain, ["sampler"])


def test_read_job_with_the_bytes_of_a_known_one_decodes_nothing(decoded):
    """The code under test often sends the very bytes that were recorded."""
    known = _meaning.known(identify(job()), job())
    _meaning._read_before = Recent(2)
    recorded = StoredRequest("POST", URL, {}, job().body, known=known)
    assert read(recorded).digest == read(job()).digest == known.digest
    assert decoded == ["sampler"]


def test_known_of_a_request_without_body_is_nothing():
    """There is nothing to be spared."""
    cancel = Request("POST", URL + "/a/cancel")
    assert _meaning.known(identify(cancel), cancel) is None
    assert read(cancel) == _meaning.Ask("")


def test_known_tells_what_read_finds():
    """Digest and session, for those who open the recording later."""
    ask = read(job())
    assert _meaning.known(identify(job()), job()) == Known(
        hashlib.sha256(job().body).hexdigest(), ask.digest, "s"
    )


def test_differences_of_a_known_job_are_those_of_a_plain_one():
    """A message does not depend on whether the recording was opened before."""
    other = job(params={"pubs": [], "x": 2})
    known = _meaning.known(identify(other), other)
    recorded = StoredRequest("POST", URL, {}, other.body, known=known)
    expected = ("x: asked 1, recorded 2",)
    assert _meaning.differences(read(job()), read(other)) == expected
    assert _meaning.differences(read(job()), read(recorded)) == expected


def test_read_body_that_is_no_object_is_compared_as_it_is():
    """Bytes we do not understand equal the same bytes only."""
    request = Request("POST", URL, body=b"[1]")
    assert read(request) == _meaning.Ask(hashlib.sha256(b"[1]").hexdigest())
