"""Cassettes on disk."""

import ast
import gzip
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from qsession import _cassette, _meaning, _payload, _store
from qsession._endpoints import identify
from qsession._kept import Recent
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


def test_load_what_the_system_refuses_says_so(store, tmp_path, monkeypatch):
    """A folder, a link that leads to itself."""
    monkeypatch.chdir(tmp_path)
    Path("loop.yaml").symlink_to("loop.yaml")
    Path("folder.yaml").mkdir()
    for name, why in (("folder.yaml", "Is a directory"), ("loop.yaml", "Too many levels of symbolic links")):
        with pytest.raises(CassetteError) as caught:
            store.load(Path(name))
        message = str(caught.value).replace(str(tmp_path.resolve()) + "/", "")
        assert message == (
            "The cassette cannot be read. It was left as it is. [QS621]\n"
            f"  {why}\n"
            "To fix: give this user the right to read it, or name the file itself\n"
            f"Where: {name}"
        )


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
    assert caught.value.where == f"{path}, line 2"
    assert path.read_bytes() == b"version: 1\n\xff\xfe"


def test_load_two_files_that_differ_in_case_is_refused(store, tmp_path):
    """On another file system one of them would not be there."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    if path.with_name("A.yaml").exists():
        pytest.skip("case does not count here")
    path.with_name("A.yaml").write_bytes(path.read_bytes())
    with pytest.raises(CassetteError) as caught:
        store.load(path)
    assert str(caught.value) == (
        "There are two cassettes for one test, whose names differ in case only. Nothing was changed. [QS212]\n"
        "  A.yaml\n"
        "  a.yaml\n"
        "To fix: delete the one that is not the test's: where case does not count in names, one hides the other\n"
        f"Where: {path}"
    )


def test_load_two_names_of_one_file_is_fine(store):
    """A link hides nothing."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    path.with_name("A.yaml").symlink_to(path)
    assert store.load(path) == recording()


def bad_body(body, evidence, path):
    return (
        "A body that the cassette refers to cannot be used. Nothing was changed. [QS206]\n"
        f"  {body}: {evidence}\n"
        f"To fix: {RESTORE}\n"
        f"Where: {path}"
    )


@pytest.mark.parametrize("times", [0, 1, 2], ids=["never loaded", "loaded before", "loaded twice"])
def test_load_missing_body_is_found(store, times):
    """That a body is there is looked up whenever a recording is opened."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    for _ in range(times):
        store.load(path)
    body = next((store.folder / "bodies").iterdir())
    body.unlink()
    with pytest.raises(CassetteError) as caught:
        store.load(path)
    assert str(caught.value) == bad_body(body, "it is missing", path)


@pytest.mark.parametrize(
    ("damage", "evidence"),
    [
        (lambda path: path.unlink(), "it is missing"),
        (
            lambda path: path.write_bytes(b"no gzip"),
            "it cannot be unpacked: Error -3 while decompressing data: incorrect header check",
        ),
        (
            lambda path: path.write_bytes(b""),
            "it cannot be unpacked: it is cut, or something follows it, or its length is not what it says",
        ),
        (lambda path: path.write_bytes(gzip.compress(b"other")), "its content is not what its name says"),
        (
            lambda path: path.write_bytes(gzip.compress(b"other")[:-4] + b"\xff" * 4),
            "it cannot be unpacked: Error -3 while decompressing data: incorrect length check",
        ),
    ],
    ids=["missing", "damaged", "empty", "exchanged", "wrong length"],
)
def test_read_bad_body_is_found(store, damage, evidence):
    """A body is trusted only when it is what its name says, whenever it is asked for."""
    path = store.save(store.folder / "a.yaml", recording(), Redactor())
    body = next((store.folder / "bodies").iterdir())
    response = store.load(path).interactions[0].response
    damage(body)
    with pytest.raises(CassetteError) as caught:
        _ = response.body
    assert str(caught.value) == bad_body(body, evidence, path)


@pytest.fixture
def other_process(monkeypatch):
    """What this process remembers of earlier recordings is forgotten."""

    def begin():
        monkeypatch.setattr(_store, "_opened", Recent(2**20))
        monkeypatch.setattr(_store, "_bodies", Recent(2**20))

    begin()
    return begin


@pytest.fixture
def parsed(monkeypatch):
    """Texts that were parsed."""
    texts, decode = [], _cassette.decode

    def counting(text, fetch, *, where):
        texts.append(text)
        return decode(text, fetch, where=where)

    monkeypatch.setattr(_cassette, "decode", counting)
    return texts


def job(tags=()):
    body = json.dumps({"program_id": "sampler", "params": {"pubs": []}, "session_id": "s", "tags": tags})
    request = Request("POST", URL.replace("backends/ibm_fez/properties", "jobs"), body=body.encode())
    exchange = Interaction("jobs.create", 0, request, Response(200, body=b'{"id":"j"}'), 0, 1)
    return Recording(Provenance("emulator", 0), (exchange, *recording().interactions))


def kept(store):
    return sorted((store.scratch / "cache").glob("*.recording"))


def test_load_again_in_another_process_parses_nothing_and_gives_the_same(store, other_process, parsed):
    """From the second time on, a recording opens quickly."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    first = store.load(path)
    other_process()
    assert store.load(path) == first == job()
    assert len(parsed) == 1


def test_load_again_in_this_process_reads_no_kept_form(store, other_process, parsed):
    """The same process remembers, even where nothing can be kept."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    first = store.load(path)
    kept(store)[0].unlink()
    assert store.load(path) is first
    assert len(parsed) == 1


def test_load_edited_cassette_is_refused_though_it_was_read_before(store):
    """What was verified is these bytes, not this file: neither its name nor its time counts."""
    path = store.save(store.folder / "a.yaml", recording(b'{"x":1}'), Redactor())
    store.load(path)
    stamp = path.stat()
    path.write_bytes(path.read_bytes().replace(b'{"x":1}', b'{"x":2}'))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(CassetteError, match="QS205"):
        store.load(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw + b"x",
        lambda raw: raw.replace(b"jobs.create", b"jobs.cancel"),
        lambda raw: b"[" * 100_000,
        lambda raw: os.urandom(5_000),
    ],
    ids=["empty", "cut", "half", "longer", "edited", "deep", "foreign"],
)
def test_load_damaged_kept_form_is_ignored_and_written_anew(store, other_process, parsed, damage):
    """It is a convenience: never an error, never believed."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    store.load(path)
    (file,) = kept(store)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    other_process()
    assert store.load(path) == job()
    assert (len(parsed), kept(store), file.read_bytes()) == (2, [file], whole)


def test_load_form_kept_by_other_code_is_ignored_and_written_anew(store, other_process, parsed, monkeypatch):
    """Another version of qsession or qiskit may understand the same bytes differently."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    with monkeypatch.context() as older:
        older.setattr(_store, "_stamp", lambda: "older")
        store.load(path)
    (file,) = kept(store)
    before = file.read_bytes()
    other_process()
    assert store.load(path) == job()
    assert (len(parsed), kept(store)) == (2, [file])
    assert file.read_bytes() != before


def test_load_form_kept_of_another_cassette_is_ignored(store, other_process):
    """A file that was renamed does not speak for another one."""
    one = store.save(store.folder / "a.yaml", job(), Redactor())
    two = store.save(store.folder / "b.yaml", job(["other"]), Redactor())
    store.load(one)
    (of_one,) = kept(store)
    store.load(two)
    (of_two,) = set(kept(store)) - {of_one}
    of_two.write_bytes(of_one.read_bytes())
    other_process()
    assert store.load(two) == job(["other"])


def test_load_with_a_scratch_folder_that_cannot_be_made_gives_the_same(tmp_path, other_process):
    """A checkout that is read-only costs speed, nothing else."""
    (tmp_path / "file").write_text("no folder")
    store = Store(tmp_path / "cassettes", tmp_path / "file" / ".qsession")
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    for _ in range(2):
        other_process()
        assert store.load(path) == job()


def test_load_when_the_disk_refuses_to_keep_leaves_nothing_behind(store, monkeypatch):
    """A full disk costs speed, nothing else."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())

    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert store.load(path) == job()
    assert files(store.scratch) == []


def test_load_keeps_for_the_owner_only_and_ignored_by_git(store):
    """What is kept is nobody else's business."""
    store.load(store.save(store.folder / "a.yaml", job(), Redactor()))
    (file,) = kept(store)
    assert files(store.scratch) == ["cache/.gitignore", f"cache/{file.name}"]
    assert (store.scratch / "cache" / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_load_again_decodes_no_job(store, other_process, monkeypatch):
    """Decoding takes long: it is done for messages only."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    request = store.load(path).interactions[0].request
    expected = _meaning.read(identify(request), request)
    other_process()

    def fails(_program, _params):
        raise AssertionError

    monkeypatch.setattr(_payload, "read", fails)
    request = store.load(path).interactions[0].request
    ask = _meaning.read(identify(request), request)
    assert (ask.digest, ask.session) == (expected.digest, "s")


def test_load_in_processes_at_once_gives_each_the_same(store):
    """Workers of pytest-xdist open one cassette at the same time."""
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    code = (
        "import sys, pathlib, qsession._store as s\n"
        "a, b, c = map(pathlib.Path, sys.argv[1:])\n"
        "r = [s.Store(a, b).load(c) for _ in range(20) if s._opened.__init__(1) is None]\n"
        "assert all(each == r[0] for each in r)\n"
        "print(len(r[0].interactions))\n"
    )
    command = [sys.executable, "-c", code, str(store.folder), str(store.scratch), str(path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert [worker.communicate()[0].split() for worker in workers] == [[b"2"]] * 3
    assert files(store.scratch) == ["cache/.gitignore", f"cache/{kept(store)[0].name}"]
    assert store.load(path) == job()


def rooms_imported(room):
    """Rooms of the package that a room imports, wherever in its files."""
    package = Path(_store.__file__).parent
    place = package / room
    found = set()
    for file in place.glob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "qsession":
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("qsession."):
                found.add(node.module.split(".")[1])
    return found


def test_stamp_covers_every_room_that_says_what_is_read():
    """What was kept before one of them changed must not be used after."""
    reached, todo = set(), ["_cassette", "_meaning", "_kept"]
    while todo:
        room = todo.pop()
        reached.add(room)
        todo += rooms_imported(room) - reached
    # Messages do not change what is read; this file takes part itself.
    assert reached - {"errors"} | {"_store"} == set(_store._READERS)


def test_stamp_without_sources_is_empty_and_nothing_is_kept(store, monkeypatch):
    """Code that cannot be named vouches for nothing."""
    monkeypatch.setattr(_store, "_READERS", ("_missing",))
    monkeypatch.setattr(_store, "_stamp", _store._stamp.__wrapped__)
    path = store.save(store.folder / "a.yaml", job(), Redactor())
    assert store.load(path) == job()
    assert not store.scratch.exists()


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
