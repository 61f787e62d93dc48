"""One local time: everything that tells it agrees, in any zone, on both sides of each change."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import tzlocal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit_ibm_runtime.utils.converters import local_to_utc, utc_to_local

from qsession import VirtualClock

ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe")
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
ANY_MOMENT = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def changes(zone: str) -> Iterator[datetime]:
    """The moments of 2025 and 2026 at which a zone changes its offset."""
    info, moment = ZoneInfo(zone), datetime(2025, 1, 1, tzinfo=UTC)
    while moment.year < 2027:
        later = moment + timedelta(minutes=30)
        if moment.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
            yield later
        moment = later


def local_times(zone: str) -> dict[str, datetime]:
    """The local wall clock time as each way to ask for it tells it."""
    text = time.strftime("%Y-%m-%d %H:%M:%S")
    return {
        "now": datetime.now(),  # noqa: DTZ005, TID251 - what is compared
        "today": datetime.today(),  # noqa: DTZ002
        "fromtimestamp": datetime.fromtimestamp(time.time()),  # noqa: DTZ006, TID251
        "localtime": datetime(*time.localtime()[:6]),  # noqa: DTZ001
        "localtime of time": datetime(*time.localtime(time.time())[:6]),  # noqa: DTZ001, TID251
        "astimezone": datetime.now(UTC).astimezone().replace(tzinfo=None),  # noqa: TID251
        "dateutil": datetime.now(tzlocal()).replace(tzinfo=None),  # noqa: TID251
        "dateutil of UTC": datetime.now(UTC).astimezone(tzlocal()).replace(tzinfo=None),  # noqa: TID251
        "zoneinfo": datetime.now(ZoneInfo(zone)).replace(tzinfo=None),  # noqa: TID251
        "strftime": datetime.strptime(text, "%Y-%m-%d %H:%M:%S"),  # noqa: DTZ007
        "ctime": datetime.strptime(time.ctime(), "%a %b %d %H:%M:%S %Y"),  # noqa: DTZ007
        "asctime": datetime.strptime(time.asctime(), "%a %b %d %H:%M:%S %Y"),  # noqa: DTZ007
        "combined": datetime.combine(date.today(), datetime.now().time()),  # noqa: DTZ005, DTZ011, TID251
    }


def check_all_agree(moment: datetime, zone: str) -> None:
    with VirtualClock(moment) as clock:
        expected = moment.astimezone(ZoneInfo(zone))
        wall = expected.replace(tzinfo=None, microsecond=0, fold=0)
        seen = {name: time.replace(microsecond=0, fold=0) for name, time in local_times(zone).items()}
        assert seen == dict.fromkeys(seen, wall)
        now = datetime.now()  # noqa: DTZ005, TID251 - what is compared
        assert (now.fold, now.microsecond) == (expected.fold, moment.microsecond)
        assert now.timestamp() == moment.timestamp() == time.time()  # noqa: TID251
        assert now.astimezone(UTC) == moment == clock.now()
        # By timestamp: Python calls moments of the hour that is there twice unequal across zones.
        assert datetime.now(tzlocal()).timestamp() == moment.timestamp()  # noqa: TID251
        assert datetime.now(UTC).astimezone().utcoffset() == expected.utcoffset()  # noqa: TID251
        assert time.localtime().tm_isdst == int(bool(expected.dst()) and zone != "UTC")
        assert time.localtime().tm_gmtoff == expected.utcoffset().total_seconds()
        assert datetime(*time.gmtime()[:6], tzinfo=UTC) == moment.replace(microsecond=0)
        assert time.mktime(time.localtime()) == int(moment.timestamp())


@pytest.mark.parametrize("zone", ZONES)
@ANY_MOMENT
@given(moment=MOMENTS)
def test_all_that_tells_local_time_agrees(
    in_zone: Callable[[str], None], zone: str, moment: datetime
) -> None:
    """At any moment from 1990 to 2037."""
    in_zone(zone)
    check_all_agree(moment, zone)


SIDES = [-3600, -1800, -1, 0, 1, 1800, 3599, 3600, 5400]
CHANGES = [(zone, change) for zone in ZONES for change in changes(zone)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("zone", "change"), CHANGES, ids=lambda value: str(value).replace(" ", "T"))
def test_all_that_tells_local_time_agrees_around_each_change(
    in_zone: Callable[[str], None], zone: str, change: datetime, side: int
) -> None:
    """Before and after the clocks are put forward or back, within the hour that is there twice."""
    in_zone(zone)
    check_all_agree(change + timedelta(seconds=side, microseconds=7), zone)


def test_time_runs_on_through_the_hour_that_is_there_twice(in_zone: Callable[[str], None]) -> None:
    """Waiting an hour leads to the same wall clock time once more, told apart by its fold."""
    in_zone("America/New_York")
    with VirtualClock(datetime(2026, 11, 1, 5, 30, tzinfo=UTC)) as clock:
        first = datetime.now()  # noqa: DTZ005, TID251 - what is tested
        clock.advance("1h")
        second = datetime.now()  # noqa: DTZ005, TID251 - what is tested
    assert (first.fold, second.fold, first.replace(fold=1)) == (0, 1, second)
    assert second.timestamp() - first.timestamp() == 3600


def test_day_begins_at_local_midnight(in_zone: Callable[[str], None]) -> None:
    """``date.today`` is the day here, not the one in UTC."""
    in_zone("Asia/Kathmandu")
    with VirtualClock(datetime(2026, 1, 5, 18, 14, 59, tzinfo=UTC)) as clock:
        assert date.today() == date(2026, 1, 5)  # noqa: DTZ011 - what is tested
        clock.advance(1)
        assert date.today() == date(2026, 1, 6)  # noqa: DTZ011 - what is tested


@pytest.mark.parametrize("zone", ZONES[:3])
@ANY_MOMENT
@given(moment=MOMENTS)
def test_conversions_of_the_client_agree_with_the_clock(
    in_zone: Callable[[str], None], zone: str, moment: datetime
) -> None:
    """What the client turns into local time is now, and turned back is the moment."""
    in_zone(zone)
    with VirtualClock(moment):
        local = utc_to_local(moment)
        assert local.timestamp() == datetime.now(UTC).timestamp()  # noqa: TID251 - what is compared
        assert local.replace(tzinfo=None) == datetime.now()  # noqa: DTZ005, TID251
        assert local_to_utc(local) == moment


def test_naive_utc_is_that_of_the_clock(clock: VirtualClock) -> None:
    """The deprecated ``utcnow`` tells UTC without a zone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        seen = datetime.utcnow()  # noqa: DTZ003, TID251 - what is tested
    assert seen == clock.now().replace(tzinfo=None)


def test_given_moments_are_not_replaced(clock: VirtualClock) -> None:
    """Functions that are given a moment tell that one."""
    assert time.gmtime(0)[:6] == (1970, 1, 1, 0, 0, 0)
    assert time.strftime("%Y", time.gmtime(0)) == "1970"
    assert time.asctime(time.gmtime(0)) == "Thu Jan  1 00:00:00 1970"
    assert datetime.fromtimestamp(0, UTC).year == 1970
    assert time.ctime(86_400 * 365).endswith(("1970", "1971"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=MOMENTS)
def test_moment_survives_each_clock_to_the_microsecond(moment: datetime) -> None:
    """No rounding anywhere."""
    with VirtualClock(moment) as clock:
        assert clock.now() == datetime.now(UTC) == moment  # noqa: TID251 - what is tested
        assert time.time_ns() % 10**9 == moment.microsecond * 1000
        assert round(time.time() * 10**6) % 10**6 == moment.microsecond  # noqa: TID251
