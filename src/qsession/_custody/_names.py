"""What a recording may be called: files, ids and reports go by the name of its test."""

from __future__ import annotations

from qsession._config import Settings
from qsession._naming import looks_secret
from qsession.errors import UsageError

_HIDDEN = "REDACTED"


def check_name(settings: Settings) -> None:
    """Make sure that no credential stands in the name of a test.

    Args:
        settings: What its run is made of.

    Raises:
        UsageError: If one does (QS620).
    """
    if settings.screen is None:
        return
    test, path = settings.test, settings.path.name if settings.path is not None else ""
    if settings.screen.clean(path) == path and settings.screen.clean(test) == test and not looks_secret(test):
        return
    raise UsageError(
        "QS620",
        "A credential stands in the name of a test. Nothing was written.",
        evidence=["recordings are called after the parameters of their tests, and pytest tells their ids"],
        fix="parametrise by a word such as 'owner', and look the value up in the test",
        where=f"{test.partition('[')[0]}[{_HIDDEN}]",
    )
