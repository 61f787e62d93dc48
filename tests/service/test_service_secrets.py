"""No planted key, token, CRN or account id in any file or in what is said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from emulated_service import KEY, SECRETS, EmulatedService, Outcome
from planted import forms, found_below, found_in

_WRONG_KEY = "planted-wrong-key-of-somebody-0123456789"


def _secrets(service: EmulatedService) -> dict[str, str]:
    tokens = {f"token {n}": token for n, token in enumerate(service.handed_out()["token"])}
    return {**SECRETS, "wrong key": _WRONG_KEY, **tokens}


def _leaks(service: EmulatedService, outcome: Outcome) -> list[str]:
    secrets = _secrets(service)
    # The home of the process and its mapping are the test's own.
    written = [hit for hit in found_below(outcome.folder, secrets) if not hit.startswith("home/")]
    return written + found_in(outcome.stdout.encode(), secrets) + found_in(outcome.stderr.encode(), secrets)


@pytest.mark.parametrize("form", [name for name, _ in forms(KEY)])
def test_search_for_secrets_finds_each_form(tmp_path: Path, form: str) -> None:
    """The search that the tests below rely on finds a secret inside of a packed file."""
    needle = dict(forms(KEY))[form]
    (tmp_path / "body.gz").write_bytes(gzip.compress(b"before " + needle + b" after"))
    assert f"body.gz: key ({form})" in found_below(tmp_path, SECRETS)


def test_recording_writes_no_secret(service: EmulatedService, recorded: Outcome) -> None:
    """Neither the cassette, nor its bodies, nor the notes, nor the output hold one."""
    names = {path.suffix for path in recorded.folder.rglob("*") if path.is_file()}
    assert {".yaml", ".gz"} <= names
    assert _leaks(service, recorded) == []


def test_failed_recording_keeps_its_part_aside_without_secrets(
    service: EmulatedService, tmp_path: Path
) -> None:
    """Code that breaks leaves no cassette and no open session, only a clean part in .qsession/rejected."""
    outcome = service.run(tmp_path, "record", [{"steps": "failing", "cassette": "cassettes/failing.yaml"}])
    assert "RuntimeError: the code under test broke on purpose" in outcome.stderr
    assert not (tmp_path / "cassettes").exists()
    assert (tmp_path / ".qsession" / "rejected" / "failing.yaml").exists()
    assert service.open_sessions() == []
    assert _leaks(service, outcome) == []


def test_recording_with_a_wrong_key_tells_nobody_the_key(service: EmulatedService, tmp_path: Path) -> None:
    """IAM refuses; neither a file nor the traceback holds the key that was tried."""
    runs = [{"steps": "account", "cassette": "wrong.yaml"}]
    outcome = service.run(tmp_path, "record", runs, account={"QISKIT_IBM_TOKEN": _WRONG_KEY})
    (run,) = outcome.runs
    assert run["error"] != ""
    assert outcome.statuses("iam.token")[0] == 400
    assert not (tmp_path / "wrong.yaml").exists()
    assert _leaks(service, outcome) == []


def test_recording_with_a_key_inside_of_a_circuit_is_written_without_it(
    service: EmulatedService, tmp_path: Path
) -> None:
    """Circuits are packed and encoded; the circuit is edited as a circuit, and replays."""
    runs = [{"steps": "leaking", "cassette": "cassettes/leaking.yaml", "name": f"bell {KEY}"}]
    outcome = service.run(tmp_path, "record", runs)
    (run,) = outcome.runs
    assert run["error"] == ""
    assert (tmp_path / "cassettes" / "leaking.yaml").exists()
    assert _leaks(service, outcome) == []
    (again,) = service.run_alone(tmp_path, runs).runs
    assert again["error"] == ""
