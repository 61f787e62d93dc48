"""The errors of journals, each a whole message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qsession._clock import isoformat
from qsession._model import Instant
from qsession.errors import CassetteError, ReplayMismatch

_ANEW = "record it anew with --qsession-record, which submits everything once more and removes the journal"


def differs(what: str, evidence: Sequence[str], *, where: str) -> ReplayMismatch:
    """QS210: the code under test does something else than what the journal tells."""
    return ReplayMismatch(
        "QS210",
        f"The test {what} Nothing was sent.",
        evidence=evidence,
        fix="make the test do what it did when it was recorded, and resume again: the journal is as it was",
        intended=_ANEW,
        where=where,
    )


def damaged(path: Path, number: int, why: str) -> CassetteError:
    """QS211: a journal was changed, or the disk lost a part of it."""
    return CassetteError(
        "QS211",
        "The journal of a recording is damaged. Nothing was sent, and it was left as it is.",
        evidence=[f"line {number}: {why}"],
        fix="restore the file, or look for the job on the service's workloads page",
        intended=_ANEW,
        where=f"{path}, line {number}",
    )


def other_format(path: Path, number: object) -> CassetteError:
    """QS211: a journal of another version of qsession."""
    return CassetteError(
        "QS211",
        f"The journal has format {number}, which this version of qsession does not read. Nothing was sent.",
        fix="resume with the version of qsession that wrote it",
        intended=_ANEW,
        where=f"{path}, line 1",
    )


def lost(problems: Sequence[str], record: str, *, where: str) -> CassetteError:
    """QS213: what the recording waited for will not come."""
    return CassetteError(
        "QS213",
        "The recording cannot go on: the service has closed, cancelled or lost what it waits for. "
        "Nothing was submitted.",
        evidence=problems,
        fix=record,
        intended="sessions are cancelled when their run ends, is interrupted or killed; "
        "a batch or single job that is still queued outlives a run with --qsession-park",
        where=where,
    )


def unwritable(path: Path, error: OSError) -> CassetteError:
    """QS214: the disk does not take a submission down, so it is not sent."""
    return CassetteError(
        "QS214",
        "The journal cannot be written, so nothing is submitted that could be lost.",
        evidence=[f"{path}: {error.strerror or type(error).__name__}"],
        fix="make room, or give this user the right to write there, then go on with --qsession-resume",
        where=str(path),
    )


def unknown_outcome(what: str, candidates: Sequence[str], at: Instant, *, where: str) -> CassetteError:
    """QS215: a submission may or may not have arrived, and the service cannot tell which job it is."""
    return CassetteError(
        "QS215",
        f"Nobody knows whether {what} was submitted: the process died before the answer was there. "
        "Nothing was sent.",
        evidence=[f"asked at {isoformat(at)}", *candidates],
        fix="look on the service's workloads page, and cancel what is too much",
        intended=_ANEW,
        where=where,
    )


def other_instance(path: Path) -> CassetteError:
    """QS216: another instance, or another account, than the one where the job is."""
    return CassetteError(
        "QS216",
        "The recording was begun with another instance than the one that is asked now. Nothing was sent.",
        evidence=["the journal tells instances apart by a digest; it does not name them"],
        fix="use the account and the instance of before: QISKIT_IBM_TOKEN, QISKIT_IBM_INSTANCE, "
        "--qsession-account, --qsession-instance",
        intended=_ANEW,
        where=str(path),
    )


def other_test(path: Path, wanted: str, found: str) -> CassetteError:
    """QS216: a journal of another test."""
    return CassetteError(
        "QS216",
        "The journal is that of another test. Nothing was sent.",
        evidence=[f"it is of {found or 'a recording without a test'}, resumed is {wanted or 'none'}"],
        fix="undo the renaming, or record the test anew with --qsession-record",
        where=str(path),
    )


def withheld(path: Path, kinds: Sequence[str]) -> CassetteError:
    """QS218: the journal ends before a secret, so what came after it is not known."""
    return CassetteError(
        "QS218",
        "The journal is not whole: it stopped where a secret would have been written. Nothing was sent.",
        evidence=[f"kinds: {', '.join(kinds)} (the values are not shown)"],
        fix="keep the value out of what the test sends, and record it anew with --qsession-record",
        where=str(path),
    )
