"""Attempts to lose a recording, to hang a run, or to hide an error behind another."""

import gzip
import os
from unittest import mock

import pytest
import requests
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

import qsession
from qsession.errors import CassetteError

URL = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {"Service-CRN": "crn", "IBM-API-Version": "2026-04-15", "Authorization": "Bearer a.b.c"}


def record(path):
    with qsession.record(path, target="emulator"):
        requests.get(f"{URL}/backends/ibm_fez/properties", headers=HEADERS, timeout=5)


def replay(path):
    with qsession.replay(path):
        return requests.get(f"{URL}/backends/ibm_fez/properties", headers=HEADERS, timeout=5).json()


@pytest.fixture
def cassette(tmp_path):
    record(tmp_path / "a.yaml")
    return tmp_path / "a.yaml"


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:100] + b"\xff" * 50 + raw[150:],
        lambda raw: gzip.compress(b"{}"),
        lambda raw: raw[:-40],
    ],
    ids=["changed bytes", "other content", "cut"],
)
def test_damaged_body_is_refused_and_mended_by_recording_again(cassette, damage):
    """Recording again is what the message tells to do: it must help."""
    body = next(cassette.parent.joinpath("bodies").glob("*.gz"))
    body.write_bytes(damage(body.read_bytes()))
    with pytest.raises(CassetteError, match="QS206"):
        replay(cassette)
    record(cassette)
    assert replay(cassette)["backend_name"] == "ibm_fez"


def test_cassette_is_written_where_it_was_named_when_the_folder_changes(tmp_path, monkeypatch):
    """Code under test may go elsewhere before the run ends."""
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("elsewhere").mkdir()
    with qsession.record("a.yaml", target="emulator"):
        requests.get(f"{URL}/backends", headers=HEADERS, timeout=5)
        os.chdir("elsewhere")
    assert tmp_path.joinpath("a.yaml").exists()
    assert not list(tmp_path.joinpath("elsewhere").iterdir())


def test_linked_cassette_stays_a_link(cassette):
    """What it points to is written."""
    link = cassette.with_name("link.yaml")
    link.symlink_to(cassette.name)
    before = cassette.read_bytes()
    with qsession.record(link, target="emulator"):
        requests.get(f"{URL}/backends", headers=HEADERS, timeout=5)
    assert link.is_symlink()
    assert cassette.read_bytes() != before


def test_full_disk_leaves_the_old_recording(cassette):
    """Nothing is half written."""
    before = sorted((path, path.read_bytes()) for path in cassette.parent.rglob("*") if path.is_file())
    full = mock.patch.object(os, "fsync", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(CassetteError, match="No space left"):
        record(cassette)
    assert (
        sorted((path, path.read_bytes()) for path in cassette.parent.rglob("*") if path.is_file()) == before
    )


def test_full_disk_does_not_hide_the_error_of_the_program(cassette, monkeypatch):
    """What went wrong first is raised; the disk is said beside it."""
    monkeypatch.chdir(cassette.parent)
    full = mock.patch.object(os, "fsync", side_effect=OSError(28, "No space left on device"))
    with full, pytest.raises(ZeroDivisionError) as caught, qsession.record(cassette, target="emulator"):
        requests.get(f"{URL}/backends", headers=HEADERS, timeout=5)
        raise ZeroDivisionError
    assert "No space left" in caught.value.__notes__[0]


def test_pool_with_connections_of_its_own_does_not_hang_a_run(cassette):
    """Docker's client makes such pools, to a unix socket."""

    class OwnPool(HTTPConnectionPool):
        def _new_conn(self):
            return HTTPConnection("127.0.0.1", 9)

    with qsession.replay(cassette), pytest.raises(NewConnectionError):
        OwnPool("127.0.0.1", 9).request("GET", "/", retries=False)


def test_pool_with_connections_of_its_own_does_not_lead_out(cassette):
    """The guard on sockets stands behind the seam."""

    class OwnPool(HTTPConnectionPool):
        def _new_conn(self):
            return HTTPConnection("192.0.2.1", 80)

    run = qsession.replay(cassette)
    with pytest.raises(qsession.errors.ReplayMismatch, match=r"to 192\.0\.2\.1"), run:
        OwnPool("192.0.2.1", 80).request("GET", "/", retries=False)
