"""When a recording is too old."""

import pytest

from qsession._model import Provenance, Recording
from qsession._redaction import Redactor
from qsession._staleness import Expiry, expiry
from qsession._store import Store, display
from qsession.errors import CassetteError, UsageError

DAY = 24 * 3600 * 10**6
TODAY = 1_795_780_800 * 10**6  # 2026-11-27
RECORDED = TODAY - 90 * DAY
SERVICE = Provenance("ibm", RECORDED, api_version="2026-04-15")


def test_age_counts_from_the_day_that_is_named():
    """A day before its time it is fresh."""
    assert Expiry(90).of_age(SERVICE, TODAY - 1, "a.yaml") == ""
    assert Expiry(90).of_age(SERVICE, TODAY, "a.yaml") == (
        "a.yaml: recorded 2026-08-29, 90 days ago; qsession_expire is 90d"
    )


def test_never_and_the_emulator_do_not_age():
    """Moments of the emulator are made up."""
    assert Expiry().of_age(SERVICE, TODAY + 10_000 * DAY, "a.yaml") == ""
    assert Expiry(1).of_age(Provenance("emulator", 0), TODAY, "a.yaml") == ""


def test_another_api_version_is_stale_and_none_is_not():
    """A client of another one may read fields under other names."""
    assert Expiry().of_version(SERVICE, "2026-04-15", "a.yaml") == ""
    assert Expiry().of_version(SERVICE, "", "a.yaml") == ""
    assert Expiry().of_version(SERVICE, "2025-05-01", "a.yaml") == (
        "a.yaml: recorded with API version 2026-04-15, the client asks for 2025-05-01"
    )


def test_stale_is_ignored_or_an_error_where_that_is_asked():
    """The three words."""
    assert Expiry(90, "ignore").of_age(SERVICE, TODAY, "a.yaml") == ""
    with pytest.raises(CassetteError) as caught:
        Expiry(90, "error").of_age(SERVICE, TODAY, "a.yaml")
    assert str(caught.value) == (
        "The recording is stale. [QS227]\n"
        "  recorded 2026-08-29, 90 days ago; qsession_expire is 90d\n"
        "To fix: pytest --qsession-record, which replaces it\n"
        "If this is intended: set qsession_on_stale to warn or ignore, or qsession_expire to never\n"
        "Where: a.yaml"
    )


@pytest.mark.parametrize(
    ("expire", "on_stale", "expected"),
    [
        (None, None, Expiry()),
        ("", "", Expiry()),
        ("never", "ignore", Expiry(None, "ignore")),
        (" 90d ", "error", Expiry(90, "error")),
    ],
)
def test_expiry_of_the_configuration(expire, on_stale, expected):
    """Numbers of days, never, and three words."""
    assert expiry(expire, on_stale) == expected


@pytest.mark.parametrize("text", ["90", "0d", "-1d", "3 months", "9999999d", "1.5d", "NEVER"])
def test_expiry_that_is_none_is_refused(text):
    """With the value that was given."""
    with pytest.raises(UsageError) as caught:
        expiry(text, None)
    assert str(caught.value) == (
        "After how long a recording is stale is a number of days, or never. [QS178]\n"
        f"  qsession_expire is {text!r}\n"
        "To fix: qsession_expire = 90d"
    )


def test_on_stale_that_is_none_is_refused():
    """There is no word that records anew."""
    with pytest.raises(UsageError) as caught:
        expiry("90d", "record")
    assert str(caught.value) == (
        "What happens to a stale recording is warn, error or ignore. [QS179]\n"
        "  qsession_on_stale is 'record'\n"
        "To fix: qsession_on_stale = warn"
    )


def test_layer_on_disk_ages_like_a_cassette(tmp_path, monkeypatch):
    """What a fixture of wide scope recorded, and what all tests share, are read and judged like all others."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "cassettes", tmp_path / ".qsession")
    for name in ("@ibm.yaml", "test_a/@device.yaml"):
        path = store.save(store.folder / name, Recording(SERVICE, ()), Redactor())
        head = store.load(path).provenance
        assert Expiry(91).of_age(head, TODAY, display(path)) == ""
        assert Expiry(90).of_age(head, TODAY, display(path)) == (
            f"cassettes/{name}: recorded 2026-08-29, 90 days ago; qsession_expire is 90d"
        )
        with pytest.raises(CassetteError, match=r"\[QS227\]"):
            Expiry(90, "error").of_version(head, "2025-05-01", display(path))
