"""What was read and verified once, kept: in this process and beside the cassettes."""

import copy
import hashlib
import io
import json
import os
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._kept import Kept, Known, Late, Recent, StoredRequest, StoredResponse, references
from qsession._kept._form import decode, encode
from qsession._model import InstanceShape, Interaction, Provenance, Recording, Request, Response

URL = "https://quantum.cloud.ibm.com/api/v1/jobs"
KEY = "a" * 64
LARGE = "sha256:" + hashlib.sha256(b"large").hexdigest()

texts = st.text(st.characters(), max_size=20)  # lone surrogates included
headers = st.dictionaries(st.sampled_from(["accept", "content-type"]), texts)
sources = st.one_of(st.binary(max_size=30), st.just(Late(LARGE, {LARGE: b"large"}.__getitem__)))
knowns = st.one_of(st.none(), st.builds(Known, texts, texts, st.one_of(st.none(), texts)))
whole = st.integers(0, 10**18)
requests = st.one_of(
    st.builds(Request, texts, texts, headers, st.binary(max_size=30)),
    st.builds(StoredRequest, texts, texts, headers, sources, known=knowns),
)
responses = st.one_of(
    st.builds(Response, whole, texts, headers, st.binary(max_size=30)),
    st.builds(StoredResponse, whole, texts, headers, sources),
)
interactions = st.builds(
    Interaction, texts, st.integers(0, 2), requests, responses, whole, whole, whole, whole
)
provenances = st.builds(
    Provenance,
    texts,
    whole,
    test=texts,
    versions=st.dictionaries(texts, texts),
    seed=st.one_of(st.none(), whole, texts),
    qpu_seconds=st.floats(allow_nan=False),
    instances=st.lists(st.builds(InstanceShape, texts, texts, texts, st.booleans()), max_size=2).map(tuple),
    literal_ids=st.lists(texts, max_size=2).map(tuple),
)
recordings = st.builds(Recording, provenances, st.lists(interactions, max_size=4).map(tuple))


def fetch(reference):
    return {LARGE: b"large"}[reference]


def written(recording, key=KEY, stamp="now"):
    return b"".join(encode(recording, key, stamp))


def read(raw, key=KEY, stamp="now"):
    return decode(io.BytesIO(raw), key, stamp, fetch)


def told(recording):
    return [i.request.known for i in recording.interactions if isinstance(i.request, StoredRequest)]


def small(body=b"{}"):
    known = Known(hashlib.sha256(body).hexdigest(), "meaning", "s")
    request = StoredRequest("POST", URL, {"accept": "*/*"}, body, known=known)
    one = Interaction("jobs.create", 0, request, StoredResponse(200, body=Late(LARGE, fetch)), 5, 7)
    two = Interaction("jobs.get", 0, Request("GET", URL), Response(200, body=b"answer"), 9, 1)
    return Recording(Provenance("emulator", 0), (one, two))


@given(recordings)
def test_decode_of_encode_is_the_same_recording(recording):
    """Nothing is lost and nothing is added, what is known of a meaning included."""
    again = read(written(recording))
    assert again == recording
    assert [known for known in told(again) if known] == [known for known in told(recording) if known]


@given(recordings)
def test_encode_twice_gives_the_same_bytes(recording):
    """Two processes that keep one recording write the same."""
    assert written(recording) == written(recording)


@given(st.data())
def test_decode_changed_byte_is_nothing(data):
    """Of a damaged file nothing is used, whichever byte it is."""
    raw = bytearray(written(small()))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    assert read(bytes(raw)) is None


@given(st.data())
def test_decode_cut_or_longer_is_nothing(data):
    """A part is not the whole, and neither is more than that."""
    raw = written(small())
    cut = data.draw(st.integers(0, len(raw) - 1))
    assert read(raw[:cut]) is None
    assert read(raw + data.draw(st.binary(min_size=1, max_size=20))) is None


@given(st.binary(max_size=300))
def test_decode_anything_else_is_nothing(raw):
    """Whatever stands there is no error."""
    assert read(raw) is None


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-5, 5), texts),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["head", "kinds", "lengths", "digest", "rows"]), inner, max_size=5
            ),
        ),
    )
)
def test_decode_foreign_content_under_right_digests_is_nothing(content):
    """Somebody else's file may be whole and still be no recording."""
    document = content if isinstance(content, dict) else {"rows": content}
    line = json.dumps(document | {"key": KEY, "stamp": "now"}).encode() + b"\n"
    assert read(hashlib.sha256(line).hexdigest().encode() + b"\n" + line) is None


@pytest.mark.parametrize(("key", "stamp"), [("b" * 64, "now"), (KEY, "later")], ids=["key", "stamp"])
def test_decode_other_key_or_stamp_is_nothing(key, stamp):
    """It speaks for the bytes and for the code that it was made from."""
    assert read(written(small()), key, stamp) is None


def test_encode_what_json_does_not_hold_is_not_kept():
    """A seed that is a date was never written by us, and would not come back as one."""
    odd = replace(small().provenance, seed=b"odd")
    assert encode(Recording(odd, ()), KEY, "now") is None


def test_decode_shares_what_polls_have_in_common():
    """Ten thousand polls of one job are one request."""
    poll = Interaction("jobs.get", 0, Request("GET", URL), Response(200), 1, 1)
    first, second = read(written(Recording(Provenance("emulator", 0), (poll, poll)))).interactions
    assert first.request is second.request
    assert first.response.headers is second.response.headers


@given(st.one_of(requests, responses))
def test_stored_part_is_equal_to_its_plain_copy(part):
    """Nobody needs to know that a body is read late, on either side of an equation."""
    plain = pickle.loads(pickle.dumps(part))
    assert type(plain) in (Request, Response)
    assert part == plain
    assert plain == part
    assert copy.deepcopy(part) == part


def test_stored_part_differs_from_another():
    """Equality looks at every field."""
    request, response = StoredRequest("GET", URL, {}, b"a"), StoredResponse(200, "OK", {}, b"a")
    assert request != Request("GET", URL, {}, b"b")
    assert response != Response(201, "OK", {}, b"a")
    assert request != "GET"
    assert response != 200


def test_stored_part_is_replaced_like_a_plain_one():
    """`dataclasses.replace` gives what it gives for a plain request or response."""
    late = Late(LARGE, fetch)
    assert replace(StoredRequest("GET", URL, {}, late), method="PUT") == Request("PUT", URL, {}, b"large")
    assert replace(StoredResponse(200, "OK", {}, late), status=404) == Response(404, "OK", {}, b"large")


def test_stored_part_hides_its_content_from_tracebacks():
    """Local variables are shown by pytest."""
    assert "large" not in repr(StoredRequest("GET", URL, {}, Late(LARGE, fetch)))


def test_late_body_is_not_read_before_it_is_asked_for():
    """Opening a recording of many megabytes reads none of them."""
    asked = []
    late = Late(LARGE, lambda reference: asked.append(reference) or b"large")
    request, response = StoredRequest("PUT", URL, {}, late), StoredResponse(200, body=late)
    recording = Recording(Provenance("emulator", 0), (Interaction("x", 0, request, response, 0, 0),))
    assert references(recording.interactions) == {LARGE}
    encode(recording, KEY, "now")
    assert asked == []
    assert response.body == b"large"


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "deep" / "cache", "now")


def names(kept):
    return sorted(path.name for path in kept.folder.iterdir())


def test_save_then_load_gives_the_recording(kept):
    """Where it lies is made when something is kept."""
    assert kept.load(KEY, fetch) is None
    kept.save(KEY, small())
    assert kept.load(KEY, fetch) == small()
    assert names(kept) == [".gitignore", f"{KEY}.recording"]


def test_save_beyond_the_bound_removes_what_was_used_longest_ago(kept):
    """A folder that only grows would fill the disk; other people's files are not ours to remove."""
    size = len(written(small()))
    bounded = replace(kept, most=3 * size)
    keys = [f"0{number}".ljust(64, "0") for number in range(5)]
    for moment, key in enumerate(keys[:3]):
        bounded.save(key, small())
        os.utime(bounded.folder / f"{key}.recording", (moment, moment))
    bounded.folder.joinpath("notes.txt").write_bytes(b"x" * 4 * size)
    os.utime(bounded.folder / "notes.txt", (0, 0))
    assert bounded.load(keys[0], fetch) is not None
    bounded.save(keys[3], small())
    kept_now = [f"{keys[number]}.recording" for number in (0, 2, 3)]
    assert names(bounded) == [".gitignore", *kept_now, "notes.txt"]


def test_load_a_folder_in_the_place_of_a_recording_is_nothing(kept):
    """Whatever is there is no error."""
    (kept.folder / f"{KEY}.recording").mkdir(parents=True)
    assert kept.load(KEY, fetch) is None
    kept.save(KEY, small())
    assert kept.load(KEY, fetch) is None


def test_recent_keeps_what_was_used_last():
    """What was asked for stays longer."""
    recent = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), max_size=40))
def test_recent_never_weighs_more_than_it_may(puts):
    """Whatever comes in which order, and under a key that is there already."""
    recent, weights = Recent(10), {}
    for key, weight in puts:
        weights[key] = weight
        recent.put(key, weight, weight=weight)
        assert recent.get(key) == (weight if weight <= 10 else None)
        assert sum(found for each in weights if (found := recent.get(each)) is not None) <= 10
