"""What failed runs recorded becomes the cassette, without QPU time."""

from __future__ import annotations

import json

import pytest
import requests

import qsession
from qsession._custody import listed
from qsession.cli import main

URL = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {"Service-CRN": "crn", "IBM-API-Version": "2026-04-15", "Authorization": "Bearer a.b.c"}


def get(path):
    return requests.get(URL + path, headers=HEADERS, timeout=5)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fail(name="cassettes/a.yaml", what="counts were wrong\x1b[2J", path="/backends"):
    with pytest.raises(AssertionError), qsession.record(name, target="emulator"):
        get(path)
        raise AssertionError(what)


def run_of(path):
    with qsession.replay(path, allow_unused=True):
        return get("/backends").status_code


def test_failed_run_is_kept_aside_and_ignored_by_git(folder):
    """A failed run replaces nothing, and loses nothing."""
    fail("cassettes/tests/a.yaml")
    (kept,) = listed(folder / ".qsession")
    assert kept.path == folder / ".qsession" / "rejected" / "a.yaml"
    assert [each.endpoint for each in kept.recording().interactions] == ["backends.list"]
    assert (folder / ".qsession" / ".gitignore").read_text() == "*\n"
    assert not (folder / "cassettes").exists()


def test_accepted_recording_is_the_cassette(folder, capsys):
    """It replays, and nothing is left aside."""
    fail()
    assert main(["accept", "cassettes/a.yaml"]) == 0
    (note, told) = capsys.readouterr().out.split("  failed at ")
    assert note == (
        "cassettes/a.yaml\n"
        "  would become cassettes/a.yaml\n"
        "  recorded at 2026-01-05T12:00:00.000Z from emulator, QPU seconds used: 0.0\n"
        "  interactions: 1\n"
    )
    assert told.partition(": ")[2] == (
        "AssertionError: counts were wrong\\x1b[2J\naccepted: cassettes/a.yaml\n"
    )
    assert run_of("cassettes/a.yaml") == 200
    assert list(listed(folder / ".qsession")) == []
    assert [p.suffix for p in folder.glob(".qsession/rejected/*") if p.suffix in (".yaml", ".json")] == []


def test_accept_as_json(folder, capsys):
    """One document, for machines."""
    fail()
    assert main(["accept", "cassettes/a.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("failed_at").endswith("Z")
    assert told == {
        "test": "",
        "cassette": "cassettes/a.yaml",
        "target": "emulator",
        "recorded_at": "2026-01-05T12:00:00.000Z",
        "failed": "AssertionError: counts were wrong\x1b[2J",
        "qpu_seconds": 0.0,
        "interactions": 1,
        "cassette_changed_since": False,
        "accepted": True,
    }


def test_accept_without_a_test_lists_all(folder, capsys):
    """And changes nothing."""
    fail("cassettes/a.yaml")
    fail("cassettes/b.yaml")
    assert main(["accept", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["cassette"] for each in told["rejected"]] == ["a.yaml", "b.yaml"] or [
        each["cassette"] for each in told["rejected"]
    ] == ["cassettes/a.yaml", "cassettes/b.yaml"]
    assert main(["accept"]) == 0
    assert capsys.readouterr().out.count("would become") == 2
    assert not (folder / "cassettes").exists()


def test_accept_of_nothing_says_so(folder, capsys):
    """No failed run, no list."""
    assert main(["accept"]) == 0
    assert capsys.readouterr().out == "no failed run was kept aside\n"


def test_accept_of_an_unknown_test_is_a_usage_error(folder, capsys):
    """With the nearest name."""
    fail("cassettes/bell.yaml")
    assert main(["accept", "cassettes/bel.yaml"]) == 2
    assert capsys.readouterr().err == (
        "qsession: No failed run of this test was kept aside. [QS169]\n"
        "  'cassettes/bel.yaml'; did you mean 'cassettes/bell.yaml'?\n"
        "To fix: qsession accept, without a test, lists what there is\n"
    )
    assert main(["accept", "x", "--folder", "elsewhere"]) == 2
    assert "'x'; there is none at all" in capsys.readouterr().err


def test_accept_keeps_a_cassette_that_was_written_later(folder, capsys):
    """Unless told to replace it."""
    fail(path="/backends")
    with qsession.record("cassettes/a.yaml", target="emulator"):
        get("/backends")
        get("/jobs")
    before = (folder / "cassettes" / "a.yaml").read_bytes()
    assert main(["accept", "cassettes/a.yaml"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "qsession: The cassette was changed after the run had failed: it may be the newer one. "
        "It was left as it is. [QS217]\n  failed at "
    )
    assert said.endswith(
        "To fix: look at both; qsession accept --replace takes what the failed run recorded\n"
        "Where: cassettes/a.yaml\n"
    )
    assert (folder / "cassettes" / "a.yaml").read_bytes() == before
    assert main(["accept", "cassettes/a.yaml", "--replace"]) == 0
    assert (folder / "cassettes" / "a.yaml").read_bytes() != before


def test_accept_replaces_the_cassette_that_the_run_would_have_replaced(folder):
    """That is what it is for."""
    with qsession.record("cassettes/a.yaml", target="emulator"):
        get("/jobs")
    fail()
    assert main(["accept", "cassettes/a.yaml"]) == 0
    assert run_of("cassettes/a.yaml") == 200


def test_accept_of_a_damaged_recording_is_an_error(folder, capsys):
    """The cassette stays as it was."""
    fail()
    (kept,) = listed(folder / ".qsession")
    kept.path.write_text(kept.path.read_text().replace("ibm_fez", "ibm_fake"))
    assert main(["accept", "cassettes/a.yaml"]) == 1
    assert "[QS205]" in capsys.readouterr().err
    assert not (folder / "cassettes").exists()


def test_what_failed_holds_no_secret(folder):
    """An assertion may print a token."""
    key = "FAKE-api-key-0000000001"
    with pytest.raises(AssertionError), qsession.record("a.yaml", target="emulator"):
        form = f"grant_type=urn&apikey={key}"
        requests.post("https://iam.cloud.ibm.com/identity/token", data=form, timeout=5)
        get("/backends")
        raise AssertionError(f"{key} and {key.encode().hex()}")
    (kept,) = listed(folder / ".qsession")
    assert kept.note.failed == f"AssertionError: REDACTED and {b'REDACTED'.hex()}"


def test_accepted_recording_of_the_service_has_no_journal_any_more(service):
    """There is nothing to go on with."""
    with pytest.raises(AssertionError), service.record():
        first = service.submit()
        service.until_done(first)
        raise AssertionError("a wrong bound")
    assert service.journal.exists()
    asked = len(service.platform.asked)
    assert main(["accept", "cassettes/a.yaml"]) == 0
    assert len(service.platform.asked) == asked
    assert list(service.scratch.glob("journal/*.jsonl")) == []
    with qsession.replay(service.cassette):
        assert service.until_done(service.submit()) == "Completed"
