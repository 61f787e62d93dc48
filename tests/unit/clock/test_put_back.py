"""Everything that a clock replaces is put back: after success, failure and interruption."""

from __future__ import annotations

import copyreg
import datetime
import importlib
import importlib.util
import pickle
import queue
import sys
import textwrap
import threading
import time
import traceback
import uuid
from asyncio import base_events, selector_events
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import freezegun
import pytest
from clock_start import START
from freezegun import api

from qsession import VirtualClock

OWNERS: dict[str, Any] = {
    "time": time,
    "datetime": datetime,
    "uuid": uuid,
    "queue": queue,
    "threading": threading,
    "Thread": threading.Thread,
    "Condition": threading.Condition,
    "BaseEventLoop": base_events.BaseEventLoop,
    "BaseSelectorEventLoop": selector_events.BaseSelectorEventLoop,
    "freezegun.api": api,
    "FakeDatetime": api.FakeDatetime,
    "FakeDate": api.FakeDate,
    "FakeDatetimeMeta": type(api.FakeDatetime),
    "FakeDateMeta": type(api.FakeDate),
}


def globals_now() -> dict[str, dict[str, object]]:
    kept = {name: dict(vars(owner)) for name, owner in OWNERS.items()}
    kept["copyreg"] = dict(copyreg.dispatch_table)  # type: ignore[arg-type]
    kept["stack"] = {str(n): factory for n, factory in enumerate(api.freeze_factories)}
    return kept


def succeed() -> None:
    time.sleep(5)  # noqa: TID251 - the clock under test
    uuid.uuid1()


def fail() -> None:
    raise ZeroDivisionError


def interrupt() -> None:
    raise KeyboardInterrupt


def leave_threads() -> None:
    thread = threading.Thread(target=time.sleep, args=[50])  # noqa: TID251 - the clock under test
    thread.start()
    time.sleep(1)  # it waits by now  # noqa: TID251


@pytest.mark.parametrize("body", [succeed, fail, interrupt, leave_threads])
def test_all_globals_are_as_before(body: Callable[[], None]) -> None:
    """Each name of each module and class that is touched is the very object that it was."""
    with VirtualClock(START):
        pass  # what is imported and made once, is
    uuid.getnode()
    before = globals_now()
    with pytest.MonkeyPatch.context():
        try:
            with VirtualClock(START):
                assert globals_now() != before
                body()
        except (ZeroDivisionError, KeyboardInterrupt):
            pass
    after = globals_now()
    for name, names in before.items():
        assert after[name].keys() == names.keys(), name
        for key, value in names.items():
            assert after[name][key] is value, (name, key)


def test_start_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a piece cannot be replaced, those before it are put back."""
    from qsession._clock import _frozen

    with VirtualClock(START):
        pass
    before = globals_now()
    with monkeypatch.context() as patch:
        patch.setattr(_frozen._modules, "holders", fail)
        with pytest.raises(ZeroDivisionError), VirtualClock(START):
            pass
    assert globals_now() == before


@pytest.fixture
def make_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Write a module that can be imported; forgotten afterwards."""
    made: list[str] = []
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        made.append(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


ALIASES = """\
    from datetime import date, datetime
    from queue import SimpleQueue
    from time import ctime, monotonic, perf_counter_ns, sleep, time
    """
NAMES = ("ctime", "date", "datetime", "monotonic", "perf_counter_ns", "sleep", "SimpleQueue", "time")
REAL = {name: getattr(time, name, None) or getattr(datetime, name, None) for name in NAMES}
REAL["SimpleQueue"] = queue.SimpleQueue


def aliases(module: ModuleType) -> dict[str, object]:
    return {name: getattr(module, name) for name in NAMES}


def test_aliases_of_a_module_from_before_follow_and_come_back(
    make_module: Callable[[str, str], None],
) -> None:
    """``from time import sleep`` in a module that was imported long ago."""
    make_module("aliases_before", ALIASES)
    module = importlib.import_module("aliases_before")
    with VirtualClock(START) as clock:
        module.sleep(30)
        assert module.time() == module.datetime.now(datetime.UTC).timestamp() == clock.now().timestamp()
        assert not any(aliases(module)[name] is REAL[name] for name in NAMES)
    assert aliases(module) == REAL


def test_aliases_of_a_module_imported_meanwhile_are_cleaned(make_module: Callable[[str, str], None]) -> None:
    """It took the stand-ins for the real thing; afterwards it holds the real thing."""
    make_module("aliases_meanwhile", ALIASES)
    with VirtualClock(START) as clock:
        module = importlib.import_module("aliases_meanwhile")
        module.sleep(30)
        assert clock.monotonic() == 30.0
    assert aliases(module) == REAL


def test_aliases_of_a_module_reloaded_meanwhile_come_back(make_module: Callable[[str, str], None]) -> None:
    """A reload takes the names anew, while they are replaced."""
    make_module("aliases_reloaded", ALIASES)
    module = importlib.import_module("aliases_reloaded")
    with VirtualClock(START):
        pass
    with VirtualClock(START):
        importlib.reload(module)
    assert aliases(module) == REAL


def test_aliases_that_a_known_module_takes_later_follow_and_come_back(
    make_module: Callable[[str, str], None],
) -> None:
    """A module that imports lazily into its own namespace is looked at again."""
    make_module("aliases_later", "def take():\n    global sleep\n    from time import sleep\n")
    module = importlib.import_module("aliases_later")
    with VirtualClock(START):
        pass
    module.take()
    with VirtualClock(START) as clock:
        module.sleep(30)
        assert clock.monotonic() == 30.0
    assert module.sleep is REAL["sleep"]


def test_aliases_taken_meanwhile_by_a_known_module_come_back(make_module: Callable[[str, str], None]) -> None:
    """The same, while the clock is on."""
    make_module("aliases_taken", "def take():\n    global sleep\n    from time import sleep\n")
    module = importlib.import_module("aliases_taken")
    with VirtualClock(START):
        pass
    with VirtualClock(START):
        module.take()
    assert module.sleep is REAL["sleep"]


def test_module_that_is_made_anew_under_its_name_is_looked_at(
    make_module: Callable[[str, str], None],
) -> None:
    """Test runs in one process import other modules by the same name."""
    make_module("aliases_anew", ALIASES)
    importlib.import_module("aliases_anew")
    with VirtualClock(START):
        pass
    del sys.modules["aliases_anew"]
    module = importlib.import_module("aliases_anew")
    with VirtualClock(START) as clock:
        module.sleep(30)
    assert (clock.monotonic(), aliases(module)) == (30.0, REAL)


def test_name_that_is_kept_in_a_function_works_after_the_clock() -> None:
    """What cannot be found to be put back, such as a default argument, does the real thing."""
    with VirtualClock(START):

        def late(
            read: Any = time.time,  # noqa: TID251
            now: Any = datetime.datetime.now,  # noqa: TID251
            kept: Any = datetime,
        ) -> list[float]:
            return [read(), now(datetime.UTC).timestamp(), kept.datetime.now().timestamp()]

    assert late()[::2] == pytest.approx([time.time()] * 2, abs=60)  # noqa: TID251 - the machine's


def test_moments_of_the_run_are_real_ones_and_outlive_it() -> None:
    """They are plain datetimes: they keep their timestamp, pickle and pass checks of the exact class."""
    with VirtualClock(START):
        moments = [
            datetime.datetime.now(),  # noqa: DTZ005, TID251 - the clock under test
            datetime.datetime(2026, 1, 5, 12),  # noqa: DTZ001 - naive on purpose
            datetime.datetime.fromisoformat("2026-01-05T12:00"),
            datetime.datetime.now(datetime.UTC) + datetime.timedelta(1),  # noqa: TID251
            datetime.datetime.strptime("2026", "%Y"),  # noqa: DTZ007 - naive on purpose
        ]
        days = [datetime.date.today(), datetime.date(2026, 1, 5)]  # noqa: DTZ011 - the clock under test
        assert all(isinstance(moment, datetime.datetime) for moment in moments)
        assert all(isinstance(day, datetime.date) for day in days)
        packed = pickle.dumps([*moments, *days])
    assert {type(moment) for moment in moments} == {datetime.datetime}
    assert {type(day) for day in days} == {datetime.date}
    assert [moment.timestamp() for moment in moments]
    assert b"freezegun.api" not in packed
    assert pickle.loads(packed) == [*moments, *days]


def test_class_of_moments_made_meanwhile_works(clock: VirtualClock) -> None:
    """A subclass that the code under test defines is instantiated as itself."""

    class Stamp(datetime.datetime):
        """One's own."""

    stamp = Stamp(2026, 1, 5, 12, tzinfo=datetime.UTC)
    assert type(stamp) is Stamp
    assert stamp == START


def test_uuids_of_the_run_carry_its_time(clock: VirtualClock) -> None:
    """A time-based id is made of the virtual moment."""
    moment = (uuid.uuid1().time - 0x01B21DD213814000) / 1e7
    assert moment == pytest.approx(START.timestamp())


def test_readers_in_other_threads_meet_no_error() -> None:
    """Clocks that begin and end while four threads read the time: 57 errors in 125 with freezegun alone."""
    over, errors, reads = threading.Event(), [], [0]

    def read() -> None:
        while not over.is_set():
            try:
                datetime.datetime.now().timestamp()  # noqa: DTZ005, TID251 - the clock under test
                datetime.date.today()  # noqa: DTZ011 - the clock under test
                time.time()  # noqa: TID251 - the clock under test
                reads[0] += 1
            except Exception:  # noqa: BLE001 - whatever it is, it is shown
                errors.append(traceback.format_exc())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(125):
        with VirtualClock(START):
            time.sleep(1)  # noqa: TID251 - the clock under test
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert reads[0] > 0


def test_no_import_is_caused(make_module: Callable[[str, str], None]) -> None:
    """Neither by beginning nor by ending; a module with lazy names is not asked for them."""
    make_module(
        "lazy_names",
        """\
        asked = []

        def __dir__():
            return ["sleep", "other"]

        def __getattr__(name):
            asked.append(name)
            raise AttributeError(name)
        """,
    )
    module = importlib.import_module("lazy_names")
    with VirtualClock(START):
        pass
    module.asked.clear()
    before = set(sys.modules)
    for _ in range(2):
        with VirtualClock(START):
            module.changed = True
    assert set(sys.modules) == before
    assert module.asked == []


def test_module_that_loads_itself_when_touched_is_not_touched(
    make_module: Callable[[str, str], None],
) -> None:
    """``importlib.util.LazyLoader`` loads at the first look at any attribute."""
    make_module("loads_late", "import builtins\nbuiltins.loaded_late = True\n")
    spec = importlib.util.find_spec("loads_late")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["loads_late"] = module
    spec.loader.exec_module(module)
    with VirtualClock(START):
        pass
    import builtins

    assert not hasattr(builtins, "loaded_late")


def test_things_in_the_place_of_modules_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """``sys.modules`` may hold None and objects of any kind."""
    monkeypatch.setitem(sys.modules, "nothing_here", None)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "slots_only", object())  # type: ignore[arg-type]
    with VirtualClock(START) as clock:
        time.sleep(1)  # noqa: TID251 - the clock under test
    assert clock.monotonic() == 1.0


def test_stand_in_of_a_test_for_sleep_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever replaced ``time.sleep`` before finds his own again."""
    calls: list[float] = []
    monkeypatch.setattr(time, "sleep", calls.append)
    with VirtualClock(START) as clock:
        time.sleep(5)  # noqa: TID251 - the clock under test
        assert clock.monotonic() == 5.0
    time.sleep(7)  # noqa: TID251 - the stand-in
    assert calls == [7]
    assert freezegun.__version__
