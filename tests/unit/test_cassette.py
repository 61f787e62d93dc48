"""The file format: what is written is what is read, and nothing else is accepted."""

import copy
import gc
import json
from dataclasses import replace

import pytest
import vcr
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qsession import _cassette
from qsession._model import InstanceShape, Interaction, Provenance, Recording, Request, Response
from qsession.errors import CassetteError

URL = "https://quantum.cloud.ibm.com/api/v1/jobs/"
RESTORE = "restore it from version control, or delete it and record again with pytest --qsession-record"

texts = st.text(max_size=40)
bodies = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    texts.map(str.encode),
    st.dictionaries(texts, st.one_of(st.integers(), texts, st.none())).map(lambda d: json.dumps(d).encode()),
    st.binary(min_size=1, max_size=8).map(lambda b: b * _cassette.LARGE),
)
headers = st.dictionaries(
    st.sampled_from(["accept", "content-type"]), st.sampled_from(["application/json", "*/*"])
)
micros = st.integers(0, 10**13)


@st.composite
def interactions(draw):
    at = draw(micros)
    seen = draw(st.integers(1, 5))
    return Interaction(
        draw(st.sampled_from(["jobs.get", "jobs.create"])),
        draw(st.integers(0, 2)),
        Request(
            draw(st.sampled_from(["GET", "POST"])),
            URL + draw(st.sampled_from(["a", "b"])),
            draw(headers),
            draw(bodies),
        ),
        Response(draw(st.integers(200, 599)), draw(texts), draw(headers), draw(bodies)),
        at,
        draw(micros),
        seen,
        at + draw(micros) if seen > 1 else at,
    )


provenances = st.builds(
    Provenance,
    target=st.sampled_from(["ibm", "emulator"]),
    recorded_at=st.integers(0, 4 * 10**15),
    test=texts,
    backend=st.sampled_from(["", "ibm_fez"]),
    versions=st.dictionaries(st.sampled_from(["qiskit", "qsession"]), st.just("1.0")),
    seed=st.one_of(st.none(), st.integers(0, 99)),
    isa_seed=st.one_of(st.none(), st.integers(0, 99)),
    qpu_seconds=st.floats(0, 1e6),
    instances=st.lists(st.builds(InstanceShape), max_size=2).map(tuple),
    literal_ids=st.lists(texts, max_size=2).map(tuple),
    layers=st.sets(st.sampled_from(["@a.yaml", "t/@b.yaml", "t/@C.d.yaml"])).map(sorted).map(tuple),
)
recordings = st.builds(Recording, provenances, st.lists(interactions(), max_size=4).map(tuple))


def decode(text, large=None):
    return _cassette.decode(text, (large or {}).__getitem__, where="some.yaml")


def small(body=b'{"id":"a"}'):
    exchange = Interaction("jobs.get", 0, Request("GET", URL + "a"), Response(200, body=body), 5, 7, last=5)
    return Recording(Provenance("emulator", 0), (exchange, exchange))


@given(recordings)
def test_decode_of_encode_is_the_same_recording(recording):
    """Nothing is lost and nothing is added on the way to disk and back."""
    text, large = _cassette.encode(recording)
    assert decode(text, large) == recording


@given(recordings)
def test_encode_twice_gives_the_same_bytes(recording):
    """A recording that did not change makes no difference in version control."""
    assert _cassette.encode(recording) == _cassette.encode(recording)


def test_encode_names_layers_once_in_their_order_and_says_nothing_of_none():
    """Who builds on what makes no noise in version control."""
    head = Provenance("emulator", 0, layers=("t/@b.yaml", "@a.yaml", "t/@b.yaml"))
    written = yaml.safe_load(_cassette.encode(Recording(head, ()))[0])["metadata"]["qsession"]
    assert written["layers"] == ["@a.yaml", "t/@b.yaml"]
    assert "layers" not in yaml.safe_load(_cassette.encode(small())[0])["metadata"]["qsession"]


@pytest.mark.parametrize(
    "path",
    ["../@a.yaml", "t/../../@a.yaml", "/@a.yaml", "t//@a.yaml", "a.yaml", "t/@a.txt", "C:/@a.yaml",
     "t\\@a.yaml", "./@a.yaml", "@a\nb.yaml", "@a.yaml/b.yaml", "", 7, None, ["@a.yaml"]],
)  # fmt: skip
def test_decode_layer_that_leads_elsewhere_is_refused(path):
    """It is opened, and a cassette may come from anybody."""
    text = _cassette.encode(Recording(Provenance("emulator", 0, layers=("@a.yaml",)), ()))[0]
    document = yaml.safe_load(text)
    document["metadata"]["qsession"]["layers"] = [path]
    text, _ = _cassette.resealed(_cassette.dump(document), where="some.yaml")
    with pytest.raises(CassetteError) as caught:
        decode(text)
    told = f"{str(path)[:80]!r} is no path of a layer below the cassette folder"
    assert str(caught.value) == (
        "The file is not a cassette that qsession wrote. It was left as it is. [QS202]\n"
        f"  a field is missing or of the wrong type: {ValueError(told)!r}\n"
        f"To fix: {RESTORE}\n"
        "Where: some.yaml, line 4"
    )


def test_encode_is_loaded_by_stock_vcrpy(tmp_path):
    """The file is a cassette of vcrpy with more in it."""
    path = tmp_path / "some.yaml"
    path.write_text(_cassette.encode(small())[0], encoding="utf-8")
    with vcr.use_cassette(str(path), record_mode="none") as stock:
        assert [request.uri for request in stock.requests] == [URL + "a"] * 2
        assert stock.responses[0]["body"]["string"] == b'{"id":"a"}'


def test_encode_large_body_stands_beside_the_file():
    """A backend's properties do not fill every cassette."""
    text, large = _cassette.encode(small(b"x" * _cassette.LARGE))
    entry = yaml.safe_load(text)["interactions"][0]
    assert entry["response"]["body"] == {"string": ""}
    assert list(large) == [entry["qsession"]["response_body"]]


def test_decode_reformatted_json_body_is_no_edit():
    """An editor that only lays out a body anew changes nothing."""
    text, _ = _cassette.encode(small())
    assert (
        decode(text.replace('{"id":"a"}', '{"id":   "a"}')).interactions[0].response.body == b'{"id":   "a"}'
    )


@pytest.mark.parametrize(
    ("old", "new", "evidence"),
    [
        ('"id":"a"', '"id":"b"', "the digest does not fit interaction 1 (GET " + URL + "a)"),
        ("at_us: 5", "at_us: 6", "the digest does not fit interaction 1 (GET " + URL + "a)"),
        ("code: 200", "code: 500", "the digest does not fit interaction 1 (GET " + URL + "a)"),
        ("took_us: 7", "took_us: 8", "the digest does not fit interaction 1 (GET " + URL + "a)"),
    ],
)
def test_decode_hand_edit_is_found(old, new, evidence):
    """What was changed by hand or by a merge is not replayed as if it had happened."""
    with pytest.raises(CassetteError) as caught:
        decode(_cassette.encode(small())[0].replace(old, new, 1))
    assert str(caught.value) == (
        "The cassette was changed after it was recorded, by hand or by a merge. It was left as it is. [QS205]\n"
        f"  {evidence}\n"
        f"To fix: {RESTORE}\n"
        "Where: some.yaml, line 15"
    )


def test_decode_swapped_interactions_are_found():
    """The order counts too."""
    one = Interaction("jobs.get", 0, Request("GET", URL + "a"), Response(200), 5, 7, last=5)
    two = Interaction("jobs.get", 0, Request("GET", URL + "b"), Response(200), 9, 7, last=9)
    document = yaml.safe_load(_cassette.encode(Recording(Provenance("emulator", 0), (one, two)))[0])
    document["interactions"].reverse()
    with pytest.raises(CassetteError, match=r"the head, or the order or the set of interactions"):
        decode(yaml.safe_dump(document))


def test_decode_interaction_twice_is_found():
    """A merge that keeps both sides is no longer recording."""
    text, _ = _cassette.encode(small())
    document = yaml.safe_load(text)
    document["interactions"].append(copy.deepcopy(document["interactions"][-1]))
    with pytest.raises(CassetteError) as caught:
        decode(yaml.safe_dump(document))
    assert "The cassette is not whole. It was left as it is. [QS204]\n" in str(caught.value)
    assert "  its head promises 2 interactions, it holds 3\n" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("target: emulator", "target: ibm"),
        ("qpu_seconds: 0.0", "qpu_seconds: 9.0"),
        ("contracts: []", "contracts: [x]"),
        ("literal_ids: []", "literal_ids: [x]"),
        ("recorded_at: '1970", "recorded_at: '1971"),
    ],
)
def test_decode_edited_head_is_found(old, new):
    """Where it comes from is part of the recording."""
    text, _ = _cassette.encode(small())
    assert old in text
    with pytest.raises(CassetteError, match=r"QS205"):
        decode(text.replace(old, new))


def test_decode_cut_at_an_interaction_is_found():
    """A file that lost its end is not a shorter recording."""
    text, _ = _cassette.encode(small())
    with pytest.raises(CassetteError) as caught:
        decode(text[: text.rindex("- request")])
    assert str(caught.value) == (
        "The cassette is not whole. It was left as it is. [QS204]\n"
        "  its head promises 2 interactions, it holds 1\n"
        f"To fix: {RESTORE}\n"
        "Where: some.yaml, line 12"
    )


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("", "it holds nothing, not a mapping"),
        ("- 1\n", "it holds a list, not a mapping"),
        ("a: [1\n", "it is not YAML: did not find expected ',' or ']'"),
        ("version: 1\n", "it has no metadata.qsession and interactions, which qsession writes"),
        ("!!python/object/apply:os.system ['true']", None),
    ],
    ids=["empty", "list", "no yaml", "no interactions", "python tag"],
)
def test_decode_something_else_is_refused(text, evidence):
    """Whatever is no cassette of ours is named as such, and never executed."""
    with pytest.raises(CassetteError) as caught:
        decode(text)
    assert (caught.value.code, caught.value.fix) == ("QS202", RESTORE)
    assert evidence in (None, *caught.value.evidence)


def test_decode_recording_of_vcrpy_names_the_way_to_take_it_over():
    """It can be taken over."""
    with pytest.raises(CassetteError) as caught:
        decode("interactions: []\nversion: 1\n")
    assert str(caught.value) == (
        "The file is not a cassette that qsession wrote. It was left as it is. [QS202]\n"
        "  it has no metadata.qsession and interactions, which qsession writes\n"
        "To fix: qsession migrate with this file, if vcrpy or pytest-recording wrote it\n"
        "Where: some.yaml"
    )


def test_decode_newer_format_says_what_to_upgrade():
    """A cassette from the future is not guessed at."""
    with pytest.raises(CassetteError) as caught:
        decode(_cassette.encode(small())[0].replace("format: 1", "format: 99"))
    assert str(caught.value) == (
        "The cassette has format 99; this version of qsession reads format 1. [QS203]\n"
        "To fix: pip install --upgrade qsession\n"
        "If this is intended: delete the file and record again with pytest --qsession-record\n"
        "Where: some.yaml, line 4"
    )


def test_decode_markers_of_a_merge_are_named():
    """Not as the YAML that they break, but as what they are, with their line."""
    text, _ = _cassette.encode(small())
    place = text.index("- request", text.index("- request") + 1)
    merged = f"{text[:place]}<<<<<<< HEAD\n{text[place:]}=======\n>>>>>>> other\n"
    with pytest.raises(CassetteError) as caught:
        decode(merged)
    line = text.count("\n", 0, place) + 1
    assert str(caught.value) == (
        "The file is not a cassette that qsession wrote. It was left as it is. [QS202]\n"
        "  a merge left its markers in it\n"
        f"To fix: {RESTORE}\n"
        f"Where: some.yaml, line {line}"
    )


def test_decode_says_in_which_line_a_field_is_missing():
    """Of which interaction it is."""
    text, _ = _cassette.encode(small())
    second = text.rindex("- request")
    with pytest.raises(CassetteError) as caught:
        decode(text[:second] + text[second:].replace("  response:", "  reply:"))
    assert caught.value.where == f"some.yaml, line {text.count(chr(10), 0, second) + 1}"


@given(st.data())
def test_decode_cut_anywhere_is_refused(data):
    """No prefix of a cassette is a cassette."""
    text, _ = _cassette.encode(small())
    cut = data.draw(st.integers(0, len(text) - 2))
    with pytest.raises(CassetteError):
        decode(text[:cut])


def content(recording):
    """A recording, its JSON bodies by what they say."""
    bodies = [(i.request.body, i.response.body) for i in recording.interactions]
    rest = [
        replace(i, request=replace(i.request, body=b""), response=replace(i.response, body=b""))
        for i in recording.interactions
    ]
    return recording.provenance, rest, [[_cassette._decoded(body.decode()) for body in b] for b in bodies]


@given(st.data())
def test_decode_changed_byte_is_refused_or_says_the_same(data):
    """Whichever byte is damaged, no other recording comes of it."""
    raw = bytearray(_cassette.encode(small())[0].encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.one_of(st.integers(0, 127), st.sampled_from(b" \n\t'\"#:-{}[]&*!0123456789")))
    try:
        found = decode(raw.decode())
    except CassetteError:
        return
    assert content(found) == content(small())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("took_us: 7", "took_us: 2020-01-01"),
        ("took_us: 7", "took_us: 2020-99-99"),
        ("took_us: 7", "took_us: " + "7" * 5000),
        ("contracts: []", "contracts: [2020-01-01]"),
        ("contracts: []", "contracts: {1: a, b: c}"),
        ("contracts: []", "contracts: !!binary aaaa"),
    ],
)
def test_decode_value_of_another_kind_is_refused(old, new):
    """YAML knows kinds of values that we never write."""
    text, _ = _cassette.encode(small())
    assert old in text
    with pytest.raises(CassetteError):
        decode(text.replace(old, new, 1))


@pytest.fixture
def collecting():
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.usefixtures("collecting")
def test_decode_leaves_garbage_collection_as_it_was(enabled):
    """It is off for the length of the parsing only, however that ends."""
    (gc.enable if enabled else gc.disable)()
    decode(_cassette.encode(small())[0])
    with pytest.raises(CassetteError):
        decode("a: [1")
    assert gc.isenabled() is enabled


def test_decode_body_reference_that_is_a_path_is_refused():
    """A reference names content; it never leads anywhere."""
    document = yaml.safe_load(_cassette.encode(small(b"x" * _cassette.LARGE))[0])
    for entry in document["interactions"]:
        entry["qsession"]["response_body"] = "../../etc/passwd"
        entry["qsession"]["digest"] = _cassette._digest(entry)
    with pytest.raises(CassetteError, match=r"'../../etc/passwd' is no reference to a body"):
        decode(yaml.safe_dump(document))
