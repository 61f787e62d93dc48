"""``qsession prune``: cassettes and layers are given to whom they belong now, and nothing else changes."""

import difflib
import json
import subprocess
import sys

import pytest

from qsession._cassette import LARGE
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._redaction import Redactor
from qsession._store import Store
from qsession.cli import _given, _prune, main
from qsession.errors import CassetteError

OLD, NEW, OTHER = "test_a.py::test_old", "test_a.py::test_new", "test_a.py::test_other"
DEVICE, MACHINE = "test_a/@device.yaml", "test_a/@machine.yaml"


@pytest.fixture
def prune(folder, monkeypatch, capsys):
    """Runs the command in a project that has some tests; gives its status and what it said."""
    monkeypatch.chdir(folder.root)

    def run(tests, *arguments):
        monkeypatch.setattr(_prune, "_collected", lambda: folder.collected(*tests))
        status = main(["prune", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def recorded(folder, path, **head):
    """A real recording, with a large body and one that YAML holds as binary."""
    url = "https://quantum.cloud.ibm.com/api/v1/backends/ibm_fez/properties"
    bodies = (b'{"x":"' + b"y" * LARGE + b'"}', b"\x00\xff", b'{"a": "b: c\\n"}')
    exchanges = (
        Interaction("backends.properties", 0, Request("GET", url), Response(200, body=body), at, 1, last=at)
        for at, body in enumerate(bodies)
    )
    store = Store(folder.cassettes, folder.root / ".qsession")
    return store.save(path, Recording(Provenance("emulator", 0, **head), tuple(exchanges)), Redactor())


def contents(folder):
    return {
        path.relative_to(folder.cassettes).as_posix(): path.read_bytes()
        for path in sorted(folder.cassettes.rglob("*"))
        if path.is_file()
    }


def changed(before, after):
    """Names of the lines that differ."""
    lines = difflib.ndiff(before.decode().splitlines(), after.decode().splitlines())
    return [f"{line[0]} {line[1:].strip()}" for line in lines if line[:1] in "+-"]


def test_renamed_test_takes_its_cassette_and_no_other_file_changes(folder, prune):
    """Its name, the test id in its head and the digest over that; bodies stay."""
    recorded(folder, folder.path(OLD), test=OLD, layers=(DEVICE,))
    recorded(folder, folder.path(OTHER), test=OTHER, layers=(DEVICE,))
    recorded(folder, folder.cassettes / DEVICE)
    folder.uses([DEVICE], NEW, OTHER)
    before = contents(folder)
    assert prune([NEW, OTHER], "--rename") == (
        0,
        "cassettes/test_a/test_old.yaml: moved to cassettes/test_a/test_new.yaml, for test_a.py::test_new\n",
    )
    after = contents(folder)
    one, other = before.pop("test_a/test_old.yaml"), after.pop("test_a/test_new.yaml")
    assert before == after
    lines = changed(one, other)
    assert [line for line in lines if "digest" not in line] == [f"- test: {OLD}", f"+ test: {NEW}"]
    assert len(lines) == 4
    read = Store(folder.cassettes, folder.root / ".q").load(folder.path(NEW))
    assert (read.provenance.test, len(read.interactions[0].response.body)) == (NEW, LARGE + 8)
    assert prune([NEW, OTHER]) == (0, "nothing is left over\n")
    assert not (folder.root / ".qsession").exists()


def test_renamed_fixture_takes_its_layer_and_its_tests_name_it(folder, prune):
    """Nothing of the layer changes but its name, of which its head speaks; in the cassettes that name."""
    for test in (OLD, OTHER):
        recorded(folder, folder.path(test), test=test, layers=("@session-1.yaml", DEVICE))
    recorded(folder, folder.cassettes / DEVICE, test="test_a.py::@device")
    recorded(folder, folder.cassettes / "@session-1.yaml")
    folder.uses([MACHINE, "@wide.yaml"], OLD)
    folder.uses([MACHINE], OTHER)
    before = contents(folder)
    assert prune([OLD, OTHER], "--rename") == (
        0,
        "cassettes/test_a/@device.yaml: moved to cassettes/test_a/@machine.yaml, for test_a/@machine.yaml\n",
    )
    after = contents(folder)
    lines = [line for line in changed(before.pop(DEVICE), after.pop(MACHINE)) if "digest" not in line]
    assert lines == ["- test: test_a.py::@device", "+ test: test_a.py::@machine"]
    different = {name for name in before if before[name] != after[name]}
    assert different == {"test_a/test_old.yaml", "test_a/test_other.yaml"}
    for name in different:
        lines = [line for line in changed(before[name], after[name]) if "digest" not in line]
        assert lines == [f"- - {DEVICE}", f"+ - {MACHINE}"]
    assert prune([OLD, OTHER]) == (0, "nothing is left over\n")


def test_renamed_file_takes_cassettes_and_layers_and_leaves_no_folder(folder, prune):
    """All at once, a layer that builds on a layer too."""
    inner = "test_a/@inner.yaml"
    recorded(folder, folder.path(OLD), test=OLD, layers=(DEVICE, inner))
    recorded(folder, folder.cassettes / inner, layers=(DEVICE,))
    recorded(folder, folder.cassettes / DEVICE)
    new = "tests/test_b.py::test_old"
    folder.uses(["tests/test_b/@device.yaml", "tests/test_b/@inner.yaml"], new)
    assert prune([new], "--rename")[0] == 0
    assert [name for name in contents(folder) if name.endswith(".yaml")] == [
        "tests/test_b/@device.yaml", "tests/test_b/@inner.yaml", "tests/test_b/test_old.yaml",
    ]  # fmt: skip
    assert not (folder.cassettes / "test_a").exists()
    store = Store(folder.cassettes, folder.root / ".q")
    layers = [store.load(folder.cassettes / name).provenance.layers
              for name in ("tests/test_b/test_old.yaml", "tests/test_b/@inner.yaml")]  # fmt: skip
    assert layers == [
        ("tests/test_b/@device.yaml", "tests/test_b/@inner.yaml"), ("tests/test_b/@device.yaml",)
    ]  # fmt: skip


def test_prune_tells_what_it_found_and_changes_nothing(folder, prune):
    """Each thing in a line, and what to do about it."""
    folder.record(OLD, "test_b.py::test_1", "test_b.py::test_2", "test_c.py::test_gone")
    folder.record(OTHER, layers=[DEVICE])
    folder.layer(DEVICE, "test_a/@left.yaml", "@ibm.yaml")
    folder.uses([MACHINE], OTHER)
    (folder.cassettes / "bodies").mkdir()
    (folder.cassettes / "bodies" / "0.gz").touch()
    before = contents(folder)
    tests = [NEW, OTHER, "test_b.py::test_3", "test_b.py::test_4"]
    assert prune(tests) == (
        1,
        "cassettes/test_c/test_gone.yaml: no test has it\n"
        "cassettes/test_a/test_old.yaml: test_a.py::test_old is gone; it may be that of test_a.py::test_new now\n"
        "cassettes/test_b/test_1.yaml: test_b.py::test_1 is gone; "
        "it may be that of test_b.py::test_3 or test_b.py::test_4 now\n"
        "cassettes/test_b/test_2.yaml: test_b.py::test_2 is gone; "
        "it may be that of test_b.py::test_3 or test_b.py::test_4 now\n"
        "cassettes/test_a/@device.yaml: test_a/@device.yaml is gone; "
        "it may be that of test_a/@machine.yaml now\n"
        "cassettes/test_a/@left.yaml: no cassette builds on it\n"
        "cassettes/bodies/0.gz: no cassette refers to it\n"
        "nothing was deleted; --delete does\n"
        "what may be somebody's stays; --rename moves it where there is no doubt, --take where you say\n",
    )
    told = json.loads(prune(tests, "--json")[1])
    assert told == {
        "cassettes": ["cassettes/test_c/test_gone.yaml"],
        "layers": ["cassettes/test_a/@left.yaml"],
        "bodies": ["cassettes/bodies/0.gz"],
        "offered": [
            {"path": "cassettes/test_a/test_old.yaml", "to": [NEW], "sure": True},
            {
                "path": "cassettes/test_b/test_1.yaml",
                "to": ["test_b.py::test_3", "test_b.py::test_4"],
                "sure": False,
            },
            {
                "path": "cassettes/test_b/test_2.yaml",
                "to": ["test_b.py::test_3", "test_b.py::test_4"],
                "sure": False,
            },
            {"path": "cassettes/test_a/@device.yaml", "to": [MACHINE], "sure": True},
        ],
        "moved": [],
        "unreadable": [],
        "deleted": False,
    }
    assert contents(folder) == before


def test_delete_spares_what_may_be_somebody_s(folder, prune):
    """A recording of the service costs QPU time: first it is said whose it is."""
    folder.record(OLD, "test_c.py::test_gone", layers=[DEVICE])
    folder.layer(DEVICE, "test_a/@left.yaml")
    assert prune([NEW], "--delete") == (
        1,
        "cassettes/test_c/test_gone.yaml: no test has it\n"
        "cassettes/test_a/test_old.yaml: test_a.py::test_old is gone; it may be that of test_a.py::test_new now\n"
        "cassettes/test_a/@left.yaml: no cassette builds on it\n"
        "deleted\n"
        "what may be somebody's stays; --rename moves it where there is no doubt, --take where you say\n",
    )
    assert list(contents(folder)) == [DEVICE, "test_a/test_old.yaml"]
    folder.record(NEW)
    assert prune([NEW], "--delete")[0] == 0
    assert list(contents(folder)) == ["test_a/test_new.yaml"]


def test_delete_leaves_layers_and_bodies_alone_while_a_cassette_cannot_be_read(folder, prune):
    """Nobody knows on what it builds."""
    folder.layer(DEVICE)
    (folder.cassettes / "broken.yaml").write_text("a: [")
    assert prune([], "--delete") == (
        0,
        "layers and bodies are left alone: cassettes/broken.yaml: "
        "The file is not a cassette that qsession wrote. It was left as it is. [QS202]\n",
    )
    assert list(contents(folder)) == ["broken.yaml", DEVICE]


def test_rename_moves_only_what_is_sure(folder, prune):
    """Of two that fit none is chosen; the user says which."""
    folder.record("test_b.py::test_1", "test_b.py::test_2")
    tests = ["test_b.py::test_3", "test_b.py::test_4"]
    before = contents(folder)
    assert prune(tests, "--rename")[0] == 1
    assert contents(folder) == before
    assert prune(tests, "--take", "cassettes/test_b/test_1.yaml", "test_b.py::test_4") == (
        1,
        "cassettes/test_b/test_1.yaml: moved to cassettes/test_b/test_4.yaml, for test_b.py::test_4\n"
        "cassettes/test_b/test_2.yaml: test_b.py::test_2 is gone; it may be that of test_b.py::test_3 now\n"
        "what may be somebody's stays; --rename moves it where there is no doubt, --take where you say\n",
    )
    assert prune(tests, "--rename")[0] == 0
    assert list(contents(folder)) == ["test_b/test_3.yaml", "test_b/test_4.yaml"]


def test_take_gives_a_cassette_that_was_not_offered(folder, prune):
    """The test moved to another file and has another name."""
    folder.record(OLD)
    status, said = prune(
        ["test_b.py::test_new"], "--take", "cassettes/test_a/test_old.yaml", "test_b.py::test_new"
    )
    assert (status, list(contents(folder))) == (0, ["test_b/test_new.yaml"]), said


def test_folder_that_is_reached_by_a_link_is_the_same(folder, prune):
    """A temporary folder is one on some systems."""
    folder.record(OLD, "test_c.py::test_gone")
    (folder.root / "link").symlink_to(folder.cassettes)
    status, said = prune(
        ["test_b.py::test_new"], "link", "--take", "link/test_a/test_old.yaml", "test_b.py::test_new"
    )
    assert (status, said) == (
        1,
        "cassettes/test_a/test_old.yaml: moved to cassettes/test_b/test_new.yaml, for test_b.py::test_new\n"
        "cassettes/test_c/test_gone.yaml: no test has it\n"
        "nothing was deleted; --delete does\n",
    )


def test_take_gives_a_layer_to_one_of_several_fixtures(folder, prune):
    """The tests that build on it name it from now on."""
    folder.record(OLD, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses(["test_a/@a.yaml", "test_a/@b.yaml"], OLD)
    assert prune([OLD], "--take", f"cassettes/{DEVICE}", "test_a/@b.yaml")[0] == 0
    assert list(contents(folder)) == ["test_a/@b.yaml", "test_a/test_old.yaml"]
    assert "- test_a/@b.yaml" in folder.path(OLD).read_text()


@pytest.mark.parametrize(
    ("cassette", "name", "why"),
    [
        ("cassettes/test_a/test_other.yaml", NEW,
         "cassettes/test_a/test_other.yaml: it is no cassette or layer that has lost its test or fixture"),
        ("cassettes/none.yaml", NEW,
         "cassettes/none.yaml: it is no cassette or layer that has lost its test or fixture"),
        ("cassettes/test_a/test_old.yaml", OTHER, f"{OTHER}: it has cassettes/test_a/test_other.yaml"),
        ("cassettes/test_a/test_old.yaml", "test_a.py::test_none",
         "test_a.py::test_none: there is no such test"),
        ("cassettes/test_a/@device.yaml", NEW, f"{NEW}: there is no such fixture"),
        ("cassettes/test_a/@device.yaml", "../@a.yaml", "../@a.yaml: there is no such fixture"),
    ],
)  # fmt: skip
def test_take_of_what_belongs_to_somebody_is_refused(folder, prune, cassette, name, why):
    """Nothing is taken away from a test, and none gets a second one."""
    folder.record(OLD)
    folder.record(OTHER, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses([MACHINE], OTHER)
    before = contents(folder)
    assert prune([NEW, OTHER], "--take", cassette, name) == (
        2,
        "qsession: A cassette without a test can be given to a test without a cassette. Nothing was moved. [QS230]\n"
        f"  {why}\n"
        "To fix: qsession prune, which shows what can be given to whom\n",
    )
    assert contents(folder) == before


def test_edited_cassette_is_not_moved_nor_any_other(folder, prune):
    """What it is called is no reason to trust it."""
    folder.record(OLD, "test_b.py::test_1")
    path = folder.path("test_b.py::test_1")
    path.write_text(path.read_text().replace("qpu_seconds: 0.0", "qpu_seconds: 1.0"))
    before = contents(folder)
    status, said = prune([NEW, "test_b.py::test_2"], "--rename")
    assert (status, "[QS205]" in said) == (1, True)
    assert contents(folder) == before


def test_target_that_is_there_by_now_is_refused(folder, prune, monkeypatch):
    """Somebody recorded it between the look and the move."""
    folder.record(OLD)
    collected = folder.collected(NEW)
    from qsession.cli._files import _pruning

    left = _pruning.left_in(collected, folder.cassettes)
    folder.record(NEW)
    before = contents(folder)
    monkeypatch.chdir(folder.root)
    with pytest.raises(CassetteError) as caught:
        _pruning.move(left.sure, collected)
    assert str(caught.value) == (
        "There is a file already where a cassette would be moved. Nothing was moved. [QS231]\n"
        "  cassettes/test_a/test_old.yaml would become cassettes/test_a/test_new.yaml\n"
        "To fix: look at both with qsession show, and delete the one that is not the test's\n"
        "Where: cassettes/test_a/test_new.yaml"
    )
    assert contents(folder) == before


def test_cassette_that_is_being_recorded_is_not_moved(folder, prune):
    """Its process holds a lock on it."""
    folder.record(OLD)
    before = contents(folder)
    code = (
        "import sys\nfrom pathlib import Path\nfrom qsession._lock import Lock\n"
        "Lock(Path('.qsession/locks'), Path(sys.argv[1])).take()\nprint('held', flush=True)\nsys.stdin.read()"
    )
    for held in (OLD, NEW):
        with subprocess.Popen(
            [sys.executable, "-c", code, folder.path(held)],
            cwd=folder.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as holder:  # fmt: skip
            assert holder.stdout.readline() == "held\n"
            status, said = prune([NEW], "--rename")
            holder.stdin.close()
        assert (status, f"process {holder.pid} holds it" in said) == (1, True)
    assert contents(folder) == before
    assert prune([NEW], "--rename")[0] == 0


def test_full_disk_leaves_everything_as_it_was(folder, prune, monkeypatch):
    """After half of it."""
    folder.record(OLD, layers=[DEVICE])
    folder.record(OTHER, layers=[DEVICE])
    folder.layer(DEVICE)
    folder.uses([MACHINE], NEW, OTHER)
    before, whole, times = contents(folder), _given.write_whole, []

    def full(path, data):
        times.append(path)
        if len(times) == 3:
            raise OSError(28, "No space left on device")
        whole(path, data)

    monkeypatch.setattr(_given, "write_whole", full)
    status, said = prune([NEW, OTHER], "--rename")
    assert (status, "[QS208]" in said, len(times)) == (1, True, 3)
    assert contents(folder) == before
    assert prune([NEW, OTHER], "--rename")[0] == 0
