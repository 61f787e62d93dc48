"""Beside other tools that replace the clock: freezegun of the test's own, pytest-freezer, time-machine."""

from __future__ import annotations

import datetime
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import freezegun
import pytest
from clock_start import START
from freezegun.api import FakeDate, FrozenDateTimeFactory

from qsession import VirtualClock
from qsession.errors import UsageError

THEIRS = datetime.datetime(2030, 6, 1, 8, tzinfo=datetime.UTC)


def all_clocks() -> set[float]:
    """The one moment that all clocks tell, if they agree."""
    return {
        time.time(),  # noqa: TID251 - what is tested
        time.time_ns() / 1e9,
        datetime.datetime.now(datetime.UTC).timestamp(),  # noqa: TID251 - what is tested
    }


def test_clock_inside_of_a_freeze_wins_and_gives_back() -> None:
    """A run under ``@freeze_time`` has its own time; after it the frozen one is back."""
    with freezegun.freeze_time(THEIRS) as frozen:
        with VirtualClock(START) as clock:
            time.sleep(60)  # noqa: TID251 - the clock under test
            assert all_clocks() == {clock.now().timestamp()} == {START.timestamp() + 60}
        assert all_clocks() == {THEIRS.timestamp()}
        frozen.tick(5)
        assert all_clocks() == {THEIRS.timestamp() + 5}
        assert datetime.datetime is freezegun.api.FakeDatetime
    assert datetime.datetime is not freezegun.api.FakeDatetime


def test_freeze_inside_of_a_clock_wins() -> None:
    """What the test says itself counts; the run's time goes on below and is back after it."""
    with VirtualClock(START) as clock:
        time.sleep(60)  # noqa: TID251 - the clock under test
        with freezegun.freeze_time(THEIRS) as frozen:
            assert all_clocks() == {THEIRS.timestamp()}
            time.sleep(10)  # noqa: TID251 - the clock under test
            clock.advance("1h")
            threading.Event().wait(5)
            frozen.tick(7)
            assert all_clocks() == {THEIRS.timestamp() + 7}
            assert datetime.date.today() == THEIRS.date()  # noqa: DTZ011 - what is tested
        assert all_clocks() == {clock.now().timestamp()} == {START.timestamp() + 60 + 10 + 3600 + 5}


def test_freeze_that_ends_inside_of_the_clock() -> None:
    """A freeze from before that ends first does not end the run's time."""
    before = dict(vars(time))
    freezer = freezegun.freeze_time(THEIRS)
    freezer.start()
    with VirtualClock(START) as clock:
        freezer.stop()
        time.sleep(5)  # noqa: TID251 - the clock under test
        assert clock.monotonic() == 5.0
    assert freezegun.api.freeze_factories == []
    assert datetime.datetime is not freezegun.api.FakeDatetime
    assert vars(time).items() >= before.items()
    assert held_stand_ins() == []
    assert FakeDate is freezegun.api.FakeDate


def held_stand_ins() -> list[str]:
    """Where freezegun's functions and classes are held under the name of what they stand for."""
    own = {id(value): name for name, value in vars(freezegun.api).items() if name.lower().startswith("fake")}
    return [
        f"{name}.{key}"
        for name, module in list(sys.modules.items())
        for key, value in list(getattr(module, "__dict__", {}).items())
        if name.partition(".")[0] not in {"freezegun", "qsession"} and own.get(id(value), key) != key
    ]


def test_freeze_that_ends_inside_of_the_clock_leaves_nothing_in_modules_from_meanwhile() -> None:
    """What was imported while it was frozen holds the real names afterwards."""
    freezer = freezegun.freeze_time(THEIRS)
    freezer.start()
    module = ModuleType("imported_meanwhile")
    sys.modules[module.__name__] = module
    exec("from datetime import date, datetime\nfrom time import monotonic, sleep, time", vars(module))
    try:
        with VirtualClock(START) as clock:
            freezer.stop()
            vars(module)["sleep"](5)
            assert clock.monotonic() == 5.0
            assert vars(module)["time"]() == START.timestamp() + 5
    finally:
        del sys.modules[module.__name__]
    real = [datetime.date, datetime.datetime, time.monotonic, time.sleep, time.time]  # noqa: TID251 - compared only
    assert [vars(module)[name] for name in ("date", "datetime", "monotonic", "sleep", "time")] == real


@pytest.fixture
def freezer() -> Iterator[FrozenDateTimeFactory]:
    """As pytest-freezer makes it: ticking by hand, around the test."""
    with freezegun.freeze_time(THEIRS, ignore=["_pytest.terminal", "_pytest.runner"]) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


def test_fixture_freezer_before_the_clock(freezer: FrozenDateTimeFactory, clock: VirtualClock) -> None:
    """The clock began later: it wins."""
    time.sleep(1)  # noqa: TID251 - the clock under test
    assert all_clocks() == {START.timestamp() + 1}
    freezer.tick(5)
    assert all_clocks() == {START.timestamp() + 1}


def test_fixture_freezer_after_the_clock(clock: VirtualClock, freezer: FrozenDateTimeFactory) -> None:
    """The freeze began later: it wins."""
    clock.advance("1h")
    freezer.move_to("2031-01-01")
    assert all_clocks() == {datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC).timestamp()}


def test_freeze_as_decorator_around_and_inside() -> None:
    """Decorated functions under a clock see their own frozen time."""

    @freezegun.freeze_time(THEIRS)
    def now() -> set[float]:
        return all_clocks()

    with VirtualClock(START):
        assert now() == {THEIRS.timestamp()}
        assert all_clocks() == {START.timestamp()}
    assert now() == {THEIRS.timestamp()}


@pytest.fixture
def time_machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What of time-machine matters: whether it is travelling."""
    module = ModuleType("time_machine")
    state = SimpleNamespace(travelling=False)
    vars(module)["escape_hatch"] = SimpleNamespace(is_travelling=lambda: state.travelling)
    monkeypatch.setitem(sys.modules, "time_machine", module)
    return state


def test_clock_while_time_machine_travels_is_refused(time_machine: SimpleNamespace) -> None:
    """Two tools cannot replace the same functions; nothing is changed."""
    time_machine.travelling = True
    sleep = time.sleep  # noqa: TID251 - compared only
    with pytest.raises(UsageError) as caught, VirtualClock(START):
        pass
    assert str(caught.value) == (
        "time-machine is travelling: two tools cannot replace the same clock. [QS127]\n"
        "  it replaces the functions of the time module in C, freezegun those in Python\n"
        "To fix: leave travel(...) before the run begins; qsession_clock.travel_to(...) does the same inside of"
        " it"
    )
    assert time.sleep is sleep  # noqa: TID251 - compared only


def test_clock_beside_an_idle_time_machine_works(time_machine: SimpleNamespace) -> None:
    """That it is installed and imported is no reason."""
    with VirtualClock(START) as clock:
        time.sleep(5)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 5.0


def test_travel_of_time_machine_inside_of_a_clock_is_refused(
    time_machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would move nothing; after the clock it sets out again."""
    travel = type("travel", (), {"start": lambda _self: setattr(time_machine, "travelling", True)})
    monkeypatch.setattr(sys.modules["time_machine"], "travel", travel, raising=False)
    with VirtualClock(START) as clock, pytest.raises(UsageError) as caught:
        travel().start()
    assert str(caught.value).splitlines()[0] == (
        "time-machine cannot travel inside of a run: the time there is the run's own. [QS186]"
    )
    assert clock.now() == START
    travel().start()
    assert time_machine.travelling
