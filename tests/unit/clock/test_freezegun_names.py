"""Private names of freezegun: each may be missing or useless, and the clock is correct all the same."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import freezegun
import pytest
from clock_start import START
from freezegun import api

from qsession import VirtualClock
from qsession._clock import _freezegun, findings

THEIRS = datetime.datetime(2030, 6, 1, 8, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def _untried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process in which no clock was on yet."""
    with VirtualClock(START):
        pass
    monkeypatch.setattr(_freezegun, "_found", _freezegun._Found())
    yield
    monkeypatch.undo()
    with VirtualClock(START):
        pass


def without_sys(patch: pytest.MonkeyPatch) -> None:
    """The module no longer imports sys by that name."""
    patch.setattr(api, "sys", SimpleNamespace(modules=sys.modules))


def with_a_useless_sys(patch: pytest.MonkeyPatch) -> None:
    """The module has the name, but looks at the modules in another way."""
    start = api._freeze_time.start

    def search(self: api._freeze_time) -> object:
        begun = start(self)
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType) and vars(module).get("clock") is api.real_time:
                vars(module)["clock"] = api.fake_time
        return begun

    patch.setattr(api._freeze_time, "start", search)


def without(*names: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Some names are not where they were, for us."""

    def hide(patch: pytest.MonkeyPatch) -> None:
        find = _freezegun._private
        patch.setattr(_freezegun, "_private", lambda name: None if name in names else find(name))

    return hide


def check_the_clock() -> None:
    """What a clock promises, in short."""
    before = dict(vars(time))
    with VirtualClock(START) as clock:
        time.sleep(3600)  # noqa: TID251 - the clock under test
        assert datetime.datetime.now(datetime.UTC) == clock.now()  # noqa: TID251
        assert time.time() == START.timestamp() + 3600  # noqa: TID251
        with freezegun.freeze_time(THEIRS):
            assert datetime.datetime.now(datetime.UTC) == THEIRS  # noqa: TID251
            assert time.time() == THEIRS.timestamp()  # noqa: TID251
        assert time.time() == START.timestamp() + 3600  # noqa: TID251
    with freezegun.freeze_time(THEIRS):
        with VirtualClock(START) as clock:
            time.sleep(1)  # noqa: TID251 - the clock under test
            assert time.time() == START.timestamp() + 1  # noqa: TID251
            assert datetime.datetime.now(datetime.UTC) == clock.now()  # noqa: TID251
        assert time.time() == THEIRS.timestamp()  # noqa: TID251
    assert dict(vars(time)).items() >= before.items()
    assert datetime.datetime.__module__ == "datetime"
    assert api.freeze_factories == []


SLOW = (
    f"freezegun {freezegun.__version__}: its search through all modules cannot be left out: the virtual clock is"
    " correct, and slow to begin"
)
BY_VALUE = (
    f"freezegun {freezegun.__version__}: its list of nested uses is not where it was: the virtual clock tells them"
    " by the frozen moment"
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_sys, [SLOW]),
        (with_a_useless_sys, [SLOW]),
        (without("freeze_factories"), [BY_VALUE]),
        (without("FakeDatetime", "FakeDate"), []),
        (without("sys"), [SLOW]),
        (without("time"), []),
        (without("sys", "freeze_factories", "FakeDatetime"), [SLOW, BY_VALUE]),
    ],
)
def test_clock_is_correct_without_a_private_name(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], said: list[str]
) -> None:
    """The slower way does the same, and says that it is in use."""
    change(monkeypatch)
    check_the_clock()
    assert findings() == said


def test_nothing_is_found_with_the_installed_freezegun() -> None:
    """All names are as known, whether or not a clock was on before."""
    assert findings() == []
    check_the_clock()
    assert findings() == []


def test_trying_leaves_no_trace() -> None:
    """The module that shows whether there is a search is gone, and time is real."""
    before = set(sys.modules), dict(vars(time))
    assert findings() == []
    assert (set(sys.modules), dict(vars(time))) == (before[0], {**before[1]})
    assert datetime.datetime.__module__ == "datetime"


IMPORTED_FROZEN = """
import datetime, freezegun, time
with freezegun.freeze_time("2030-06-01"):
    kept = {{name: vars(freezegun.api).pop(name) for name in {hidden}}}
    from qsession import VirtualClock
    from qsession._clock import SystemClock
    vars(freezegun.api).update(kept)
    assert SystemClock().now() > 1_700_000_000_000_000 and SystemClock().now() != 1906502400000000
    with VirtualClock(datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc)) as clock:
        time.sleep(3600)
        assert clock.monotonic() == 3600.0
        assert time.time() == clock.now().timestamp() == datetime.datetime.now().timestamp()
    assert datetime.datetime.now() == datetime.datetime(2030, 6, 1)
    assert time.time() == 1906502400.0
assert datetime.datetime.__module__ == "datetime"
print("fine")
"""


@pytest.mark.parametrize("hidden", [[], ["real_time", "real_time_ns", "real_monotonic"]])
def test_package_may_be_imported_under_a_freeze(hidden: list[str]) -> None:
    """The machine's own clock is found although the modules hold stand-ins, by its record or without it."""
    program = IMPORTED_FROZEN.format(hidden=hidden)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.parametrize("name", ["time", "sleep", "monotonic"])
def test_machines_own_clock_is_found_behind_any_stand_in(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also where freezegun's own record of it is missing."""
    from qsession._clock import _real

    monkeypatch.setattr(time, name, lambda *_: 0)
    monkeypatch.delattr(api, f"real_{name}", raising=False)
    found = _real._true(name)
    assert (type(found).__name__, found.__name__) == ("builtin_function_or_method", name)
