"""Cassettes on disk."""

import gzip

import pytest

from qsession import _cassette
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._redaction import Redactor
from qsession._store import Store, write_whole
from qsession.errors import CassetteError

URL = "https://quantum.cloud.ibm.com/api/v1/backends/ibm_fez/properties"
RESTORE = "restore it from version control, or delete it and record again with pytest --qsession-record"
LARGE = b'{"x":"' + b"y" * _cassette.LARGE + b'"}'


def recording(body=LARGE):
    exchange = Interaction("backends.properties", 0, Request("GET", URL), Response(200, body=body), 0, 1)
    return Recording(Provenance("emulator", 0), (exchange,))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cassettes", tmp_path / ".qsession")


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_save_then_load_gives_the_recording_back(store):
    """What lies on disk is the recording, bodies included."""
    path = store.save(store.folder / "deep" / "a.yaml", recording(), Redactor())
    assert store.load(path) == recording()


def test_save_large_body_once_for_two_cassettes(store):
    """Two recordings on one backend share its properties."""
    store.save(store.folder / "a.yaml", recording(), Redactor())
    store.save(store.folder / "b.yaml", recording(), Redactor())
    assert sum(name.endswith(".gz") for name in files(store.folder)) == 1
    assert files(store.folder)[0] == ".gitattributes"


def test_save_again_writes_the_same_bytes(store):
    """Recording the same again is no change."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    before = {name: (store.folder / name).read_bytes() for name in files(store.folder)}
    store.save(path, recording(), Redactor())
    assert {name: (store.folder / name).read_bytes() for name in files(store.folder)} == before


def test_save_keeps_what_gitattributes_said_before(store):
    """Somebody else's lines stay, and ours are added once."""
    write_whole(store.folder / ".gitattributes", b"*.png binary\n")
    for name in ("a.yaml", "b.yaml"):
        store.save(store.folder / name, recording(), Redactor())
    lines = (store.folder / ".gitattributes").read_text().splitlines()
    assert lines == [
        "*.png binary",
        "# Written by qsession: digests need the bytes as they are.",
        "*.yaml text eol=lf",
        "*.gz binary",
    ]


def test_save_secret_is_refused_and_nothing_is_written(store):
    """The last check before the disk."""
    redactor = Redactor()
    redactor.learn("API key", "FAKE-key-0000000001")
    with pytest.raises(CassetteError) as caught:
        store.save(store.folder / "a.yaml", recording(b'{"name":"FAKE-key-0000000001"}'), redactor)
    where = str(store.folder / "a.yaml")
    assert str(caught.value) == (
        "A secret would have been written. Nothing was. [QS207]\n"
        f"  {where} holds: API key (the value is not shown)\n"
        "To fix: keep the value out of what the test sends: circuit names, tags, options\n"
        f"Where: {where}"
    )
    assert not store.folder.exists()


def test_reject_keeps_the_recording_aside_and_ignored_by_git(store):
    """A failed run replaces nothing, and loses nothing."""
    kept = store.reject(store.folder / "tests" / "a.yaml", recording(), Redactor())
    assert kept == store.scratch / "rejected" / "tests" / "a.yaml"
    assert Store(store.scratch / "rejected", store.scratch).load(kept) == recording()
    assert (store.scratch / ".gitignore").read_text() == "*\n"
    assert not store.folder.exists()


def test_load_missing_cassette_names_the_command(store):
    """The first thing a newcomer meets."""
    with pytest.raises(CassetteError) as caught:
        store.load(store.folder / "none.yaml")
    where = str(store.folder / "none.yaml")
    assert str(caught.value) == (
        "There is no recording to replay. Nothing was sent. [QS201]\n"
        f"  no file {where}\n"
        "To fix: pytest --qsession-record --qsession-target=emulator\n"
        "If this is intended: record it on the service instead, which costs QPU time: "
        "pytest --qsession-record --qsession-target=ibm\n"
        f"Where: {where}"
    )


def test_load_wrong_encoding_is_refused_and_left_alone(store):
    """A file in another encoding is not an empty recording."""
    path = store.folder / "a.yaml"
    write_whole(path, b"version: 1\n\xff\xfe")
    with pytest.raises(CassetteError) as caught:
        store.load(path)
    assert caught.value.evidence == ("it is not UTF-8: byte 11 is 0xff",)
    assert path.read_bytes() == b"version: 1\n\xff\xfe"


@pytest.mark.parametrize(
    ("damage", "evidence"),
    [
        (lambda path: path.unlink(), "it is missing"),
        (lambda path: path.write_bytes(b"no gzip"), "it cannot be unpacked: Not a gzipped file (b'no')"),
        (lambda path: path.write_bytes(gzip.compress(b"other")), "its content is not what its name says"),
    ],
    ids=["missing", "damaged", "exchanged"],
)
def test_load_bad_body_is_found(store, damage, evidence):
    """A body is trusted only when it is what its name says."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    body = next((store.folder / "bodies").iterdir())
    damage(body)
    with pytest.raises(CassetteError) as caught:
        store.load(path)
    assert str(caught.value) == (
        "A body that the cassette refers to cannot be used. Nothing was changed. [QS206]\n"
        f"  {body}: {evidence}\n"
        f"To fix: {RESTORE}\n"
        f"Where: {path}"
    )


def test_save_on_a_full_disk_says_so_and_keeps_the_old_cassette(store, monkeypatch):
    """Nothing that was there is lost."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    before = path.read_bytes()

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CassetteError) as caught:
        store.save(path, recording(b"{}"), Redactor())
    assert str(caught.value) == (
        "The cassette could not be written. The one that was there stays. [QS208]\n"
        "  [Errno 28] No space left on device\n"
        "To fix: make room, or give this user the right to write there, and record again\n"
        f"Where: {path}"
    )
    assert path.read_bytes() == before


def test_write_whole_failure_leaves_the_old_content(tmp_path, monkeypatch):
    """A full disk costs nothing that was there."""
    path = tmp_path / "a.yaml"
    write_whole(path, b"old")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert files(tmp_path) == ["a.yaml"]
    assert path.read_bytes() == b"old"


def test_load_cassette_below_its_folder_finds_the_bodies(store):
    """A cassette of pytest lies deep in the folder, and is opened by its own path."""
    path = store.save(store.folder / "tests" / "deep" / "a.yaml", recording(), Redactor())
    assert Store(path.parent, store.scratch).load(path) == recording()
