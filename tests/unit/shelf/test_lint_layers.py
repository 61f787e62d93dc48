"""``qsession lint``: whether cassettes and the layers that they build on fit together."""

import json

import pytest

from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._naming import ATTRIBUTES
from qsession._redaction import Redactor
from qsession._store import Store
from qsession.cli import main

ONE, TWO = "test_a.py::test_1", "test_a.py::test_2"
DEVICE = "test_a/@device.yaml"


@pytest.fixture
def lint(folder, monkeypatch, capsys):
    """Runs the command; gives its status and what it said."""
    monkeypatch.chdir(folder.root)
    folder.cassettes.mkdir()
    (folder.cassettes / ".gitattributes").write_text(ATTRIBUTES)

    def run(*arguments):
        status = main(["lint", *arguments])
        return status, capsys.readouterr().out

    return run


def whole(folder, test, *, target="emulator", layers=()):
    """A cassette that says itself which backends there are."""
    request = Request("GET", "https://quantum.cloud.ibm.com/api/v1/backends")
    exchange = Interaction("backends.list", 0, request, Response(200, body=b'{"devices":[]}'), 0, 1)
    head = Provenance(target, 0, test=test, layers=tuple(layers))
    store = Store(folder.cassettes, folder.root / ".q")
    store.save(folder.path(test), Recording(head, (exchange,)), Redactor())


def test_missing_layer_is_found_with_the_command_that_records_it(folder, lint):
    """For each cassette that builds on it: any of these tests records it."""
    whole(folder, ONE, layers=[DEVICE])
    whole(folder, TWO, layers=[DEVICE], target="ibm")
    text = "it builds on cassettes/test_a/@device.yaml, which is not there; pytest"
    assert lint() == (
        1,
        f"cassettes/test_a/test_1.yaml: missing-layer: {text} "
        "'test_a.py::test_1' --qsession-record --qsession-target=emulator records it\n"
        f"cassettes/test_a/test_2.yaml: missing-layer: {text} "
        "'test_a.py::test_2' --qsession-record --qsession-target=ibm records it\n"
        "2 cassettes, 0 bodies, 2 findings, 0 notices\n",
    )


def test_missing_layer_of_a_layer_is_found(folder, lint):
    """It has no test of its own to record, but perhaps a file."""
    whole(folder, ONE, layers=["@outer.yaml", "test_a/@wide.yaml"])
    folder.layer("@outer.yaml", "test_a/@wide.yaml", layers=["@inner.yaml"])
    assert lint() == (
        1,
        "cassettes/@outer.yaml: missing-layer: it builds on cassettes/@inner.yaml, which is not there; "
        "pytest --qsession-record --qsession-target=emulator records it\n"
        "cassettes/test_a/@wide.yaml: missing-layer: it builds on cassettes/@inner.yaml, which is not there; "
        "pytest 'test_a.py' --qsession-record --qsession-target=emulator records it\n"
        "3 cassettes, 0 bodies, 2 findings, 0 notices\n",
    )


def test_layer_that_no_cassette_names_is_a_notice(folder, lint):
    """A test that asks for nothing itself has no cassette; whether there is one is not known without the tests."""
    whole(folder, ONE)
    folder.layer(DEVICE, "@emulator.yaml")
    folder.layer("@ibm.yaml", target="ibm")
    text = (
        "unnamed-layer: no cassette of this folder builds on it; qsession prune says whether a test uses it"
    )
    assert lint() == (
        0,
        f"cassettes/@ibm.yaml: {text}\ncassettes/test_a/@device.yaml: {text}\n"
        "4 cassettes, 0 bodies, 0 findings, 2 notices\n",
    )


def test_part_of_the_folder_is_looked_at_with_the_layers_of_the_whole(folder, lint):
    """What is named in another part is not left over, and layers lie where the folder's paths lead."""
    whole(folder, ONE, layers=["@wide.yaml", DEVICE])
    folder.layer("@wide.yaml", DEVICE, "test_a/@other.yaml")
    assert lint("cassettes/test_a") == (0, "3 cassettes, 0 bodies, 0 findings, 0 notices\n")


def test_no_layer_is_called_unnamed_while_a_cassette_cannot_be_read(folder, lint):
    """Nobody knows on what it builds."""
    folder.layer(DEVICE)
    (folder.cassettes / "broken.yaml").write_text("a: 1\n")
    status, said = lint("--json")
    told = json.loads(said)
    assert (status, told["notices"]) == (1, [])
    assert [(each["kind"], each["path"]) for each in told["findings"]] == [
        ("unreadable", "cassettes/broken.yaml")
    ]


def test_shared_layer_that_is_missing_is_a_notice_for_those_that_need_it(folder, lint):
    """Older recordings hold everything themselves, those made from Python do too."""
    whole(folder, ONE)
    folder.write(folder.cassettes / "mine.yaml", Provenance("emulator", 0))
    assert lint() == (0, "2 cassettes, 0 bodies, 0 findings, 0 notices\n")
    folder.record(TWO)
    assert lint() == (
        0,
        "cassettes/@emulator.yaml: no-shared-layer: 1 cassette of a test does not say which backends there are, "
        "and this layer is not there to say it\n"
        "3 cassettes, 0 bodies, 0 findings, 1 notices\n",
    )
    folder.layer("@emulator.yaml")
    assert lint() == (0, "4 cassettes, 0 bodies, 0 findings, 0 notices\n")


def test_layer_of_another_target_is_a_notice(folder, lint):
    """Part of the tests was recorded on the service, part without an account."""
    whole(folder, ONE, target="ibm", layers=[DEVICE])
    folder.layer(DEVICE)
    status, said = lint("--json")
    assert (status, json.loads(said)["notices"]) == (
        0,
        [
            {
                "path": "cassettes/test_a/test_1.yaml",
                "kind": "other-target",
                "text": "recorded from ibm; cassettes/test_a/@device.yaml, on which it builds, from emulator",
                "code": "",
            }
        ],
    )


def test_shared_layer_needs_no_order_and_a_cassette_does(folder, lint):
    """What all tests share is looked up by what is asked, not by when."""
    exchanges = tuple(
        Interaction("backends.list", 0, Request("GET", "https://quantum.cloud.ibm.com/api/v1/backends"),
                    Response(200, body=b"{}"), at, 1, last=at)
        for at in (5, 0)
    )  # fmt: skip
    store = Store(folder.cassettes, folder.root / ".q")
    for path in (folder.cassettes / "@emulator.yaml", folder.path(ONE)):
        store.save(path, Recording(Provenance("emulator", 0, test=ONE), exchanges), Redactor())
    assert lint() == (
        1,
        "cassettes/test_a/test_1.yaml: disorder: the interactions are not in the order of their moments\n"
        "2 cassettes, 0 bodies, 1 findings, 0 notices\n",
    )


def test_names_that_differ_in_case_only_are_found_with_the_code_of_the_replay(folder, lint):
    """In one folder a replay refuses both; in two it is the file system that does not take them."""
    whole(folder, ONE)
    for name in ("test_a/TEST_1.yaml", "Test_A/test_1.yaml"):
        (folder.cassettes / name).parent.mkdir(exist_ok=True)
        (folder.cassettes / name).write_bytes(folder.path(ONE).read_bytes())
    found = [each for each in json.loads(lint("--json")[1])["findings"] if each["kind"] == "same-name"]
    first = "where case does not count it is the same file as cassettes/Test_A/test_1.yaml"
    assert [(each["path"], each["text"], each["code"]) for each in found] == [
        ("cassettes/test_a/TEST_1.yaml", first, ""),
        ("cassettes/test_a/test_1.yaml", first, "QS212"),
    ]
