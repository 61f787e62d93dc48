"""The runs of one run of pytest: which is on, and what each stands on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from qsession import _explain, _setup
from qsession._config import Layer, Settings
from qsession._drawn import seeded
from qsession._endpoints import Call
from qsession._guard import once_imported
from qsession._layer import Shared
from qsession._meaning import key_of
from qsession._model import Place, Request
from qsession._noted import Noted
from qsession._plan import Item, Plan
from qsession._recording import Account
from qsession._report import Summary
from qsession._run import Ground, Run, active
from qsession._store import display
from qsession._suite import _messages
from qsession._suite._commons import Commons, RecordedCommons, ReplayedCommons
from qsession._suite._scene import Scene
from qsession._suite._wide import Wide
from qsession._traceback import asking
from qsession.errors import QSessionError

_Opened = TypeVar("_Opened")
_TARGETS = ("ibm", "emulator")
_IMPORT = "a module that is imported"


class Suite:
    """What the runs of one run of pytest have in common. One thread at a time.

    Args:
        plan: Its options.
        tell: Takes up what was refused outside of the runs of tests.
        noted: What the processes of this run of pytest have done so far.
        summaries: Takes up what the runs of fixtures did.
    """

    def __init__(
        self, plan: Plan, tell: Callable[[QSessionError], None], noted: Noted, summaries: list[Summary]
    ) -> None:
        self._plan, self._tell, self._noted = plan, tell, noted
        self._account = Account()
        self._alive: list[Wide] = []
        self._made: dict[str, str] = {}
        self._ended: dict[str, str] = {}
        self._commons: Commons | None = None
        self._teardowns: dict[int, ExitStack] = {}
        self._summaries, self._renews = summaries, False
        store = _setup.store(replace(plan.settings, path=plan.folder / "any"))
        self._layers = {
            target: Shared(
                store,
                target,
                begins=_setup.EMULATED_START if target == "emulator" else None,
            )
            for target in _TARGETS
        }

    def renew(self) -> None:
        """The whole folder is recorded anew, and so is what all tests read."""
        self._renews = True
        for layer in self._layers.values():
            layer.renewed = self._noted

    def run_of(self, test: Item, uses: Collection[object]) -> Run:
        """The run of a test.

        Args:
            test: The test.
            uses: Keys of the wide fixtures that it uses.
        """
        settings = self._plan.settings_of(test)
        after = self.alive(uses)
        if after:
            # What a test left in the queue would end with the session of its fixture.
            settings = replace(settings, park=None)
        return Run(settings, self._ground(settings, after))

    def is_over(self, run: Run, test: str) -> None:
        """A test's run has ended.

        Args:
            run: The run.
            test: The test.
        """
        if run._ids is not None and self._alive:
            self._made.update(dict.fromkeys(run._ids.own(), test))

    def _ground(self, settings: Settings, after: Collection[Wide], *, wide: Wide | None = None) -> Ground:
        is_kept = settings.mode in ("record", "replay")
        return Ground(
            shared=self._layers.__getitem__ if is_kept else None,
            account=self._account,
            after=_runs(after),
            alive=lambda: _runs(self._alive),
            name=wide.name if wide is not None else "",
            also=self._spoken_of(after),
            owner=self._owner,
            check=(lambda call: self._check(call, wide)) if wide is not None else None,
            random_seed=self._seed_of(wide) if wide is not None else None,
        )

    def _owner(self, call: Call) -> str:
        """What fixture made what a request is about, and has ended; nothing if none did."""
        return next((self._ended[each] for each in call.ids.values() if each in self._ended), "")

    def _spoken_of(self, after: Collection[Wide]) -> Callable[[Request], Sequence[Run]]:
        """Finds the runs of fixtures that a test asked for in the middle, which were set up before."""
        known = {id(each) for each in after}

        def spoken_of(request: Request) -> Sequence[Run]:
            found = []
            for wide in self._alive:
                run = wide.run
                if (
                    id(wide) not in known
                    and run is not None
                    and run is not active()
                    and _mentions(request, run)
                ):
                    known.add(id(wide))
                    found.append(run)
            return found

        return spoken_of

    # Fixtures of wide scope.

    @contextmanager
    def setting_up(self, wide: Wide) -> Iterator[None]:
        """Be there for a fixture while it is set up.

        Args:
            wide: The fixture.

        Yields:
            Nothing.
        """
        outer = active()
        if outer is not None:
            outer._pause()
        try:
            with ExitStack() as undo:
                if (seed := self._seed_of(wide)) is not None:
                    undo.enter_context(seeded(seed))
                undo.enter_context(self._scene(wide).on())
                yield
                if wide.run is not None:
                    wide.run.check()
        except BaseException as error:
            if wide.run is not None:
                wide.run.fail(f"{type(error).__name__}: {error}")
            raise
        finally:
            _pause(wide.run)
            if outer is not None:
                outer._go_on(after=wide.run)

    def tear_down(self, wide: Wide) -> None:
        """Be there for a fixture from here on: it is about to be torn down.

        Args:
            wide: The fixture.
        """
        undo = self._teardowns[id(wide)] = ExitStack()
        outer = active()
        if outer is not None:
            outer._pause()
            undo.callback(outer._go_on)
        if wide.run is not None:
            wide.run._go_on()
        else:
            undo.enter_context(self._scene(wide).on())

    def end(self, wide: Wide) -> None:
        """A fixture was torn down, or could not be set up.

        Args:
            wide: The fixture.
        """
        with self._teardowns.pop(id(wide), None) or ExitStack():
            if wide in self._alive:
                self._alive.remove(wide)
            run = wide.run
            if run is None:
                return
            self._ended.update(dict.fromkeys(_made_in(run), wide.title))
            try:
                run.__exit__(None, None, None)
            finally:
                self._summaries.append(run.summary())

    def _scene(self, wide: Wide) -> Scene:
        return Scene(
            self._in_common(),
            open_run=lambda call: self._begin(wide, call),
            nothing_common=lambda call: self._not_in_common(call, wide.title, wide.test),
            nothing_more=lambda call: _messages.no_layer(wide, call),
            check=lambda: self._check_ci(wide.test),
            tell=self._tell,
            sharing=self._keeps_off,
        )

    def _begin(self, wide: Wide, call: Call) -> Run:
        """It asks for more than what all tests read: from here on it has a run."""
        run = self._new_run(wide)
        if run.mode == "replay" and not wide.path.exists():
            raise _messages.no_layer(wide, call)
        self._enter(wide, run)
        return run

    def _enter(self, wide: Wide, run: Run) -> None:
        run.__enter__()
        wide.run = run
        self._alive.append(wide)

    def _new_run(self, wide: Wide) -> Run:
        settings = self._plan.settings_of_layer(
            wide.path, wide.ident, wide.test, records=wide.records, layer=self._layer_of(wide)
        )
        return Run(settings, self._ground(settings, wide.builds_on, wide=wide))

    def alive(self, keys: Collection[object]) -> tuple[Wide, ...]:
        """Those of some wide fixtures that have a run."""
        return tuple(wide for wide in self._alive if wide.key in keys)

    def _seed_of(self, wide: Wide) -> int | None:
        """Where random numbers begin in a fixture, whether it asks the service for something or not."""
        if self._plan.mode == "live":
            return None
        if wide.seed is None:
            wide.seed = self._plan.seed_of_layer(wide.path, wide.ident, records=wide.records)
        return wide.seed

    def _layer_of(self, wide: Wide) -> Layer:
        # On the emulator it is the same to the byte, unless the emulator is another.
        stays = not self._renews and self._plan.settings.target == "ibm"
        return Layer(lambda: self._noted.first(wide.name), stays)

    def _check(self, call: Call, wide: Wide) -> None:
        for thing in call.ids.values():
            if (test := self._made.get(thing)) is not None:
                raise _messages.of_a_test(call, wide, thing, test)

    # Sessions that tests share.

    def share(self, wide: Wide, open_session: Callable[[Run], _Opened]) -> _Opened:
        """Open a session that several tests share.

        Args:
            wide: Stands for it.
            open_session: Opens it in its run.

        Returns:
            What was opened.
        """
        run = self._new_run(wide)
        self._enter(wide, run)
        try:
            opened = open_session(run)
            run.check()
        except BaseException as error:
            run.fail(f"{type(error).__name__}: {error}")
            _pause(run)
            # Nobody else will: there is nothing to share.
            self.end(wide)
            raise
        _pause(run)
        return opened

    def unshare(self, wide: Wide, close: Callable[[], None]) -> None:
        """Close it.

        Args:
            wide: Stands for it.
            close: Closes it, unless a test did.
        """
        self.tear_down(wide)
        try:
            close()
        finally:
            self.end(wide)

    # Imports, and what is read in common.

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Be there while test modules are imported, once one of them imports the client.

        Yields:
            Nothing.
        """
        with once_imported("qiskit_ibm_runtime", lambda _client: self._imports().on()):
            yield

    def _imports(self) -> Scene:
        return Scene(
            self._in_common(),
            open_run=None,
            nothing_common=lambda call: self._not_in_common(call, _IMPORT, "pytest"),
            nothing_more=lambda call: _messages.at_import(call, asking()),
            check=lambda: self._check_ci(_IMPORT),
            tell=self._tell,
            sharing=self._keeps_off,
        )

    def unread(self) -> tuple[str, ...]:
        """Keys of the layers that nobody read in this process."""
        return tuple(
            f"{layer.path.name}: {key}"
            for layer in self._layers.values()
            for key in layer.contents()
            if key not in layer.read_here
        )

    @property
    def _keeps_off(self) -> bool:
        return self._plan.keeps_off_the_service

    def _check_ci(self, who: str) -> None:
        if not self._keeps_off:
            _setup.refuse_ci(replace(self._plan.settings, test=who))

    def _in_common(self) -> Commons:
        if self._commons is None:
            self._commons = self._new_commons()
        return self._commons

    def _new_commons(self) -> Commons:
        plan = self._plan
        if plan.only_replays:
            return ReplayedCommons(list(self._layers.values()))
        shared = None if plan.mode == "live" else self._layers[plan.settings.target]
        return RecordedCommons(
            plan.settings, shared, self._account, missing_only=plan.mode in ("missing", "replay")
        )

    def _not_in_common(self, call: Call, who: str, test: str) -> QSessionError:
        there = [layer.path for layer in self._layers.values() if layer.path.exists()]
        path = there[0] if there else self._layers["emulator"].path
        command = "pytest" if test == "pytest" else f"pytest '{test}'"
        place = Place(display(path), who, f"{command} --qsession-record --qsession-target={path.stem[1:]}")
        return _explain.not_in_common(key_of(call, 0), path.name, place, exists=bool(there))


def _runs(wides: Collection[Wide]) -> tuple[Run, ...]:
    return tuple(wide.run for wide in wides if wide.run is not None)


def _made_in(run: Run) -> Sequence[str]:
    """The sessions and jobs that it made, as the tests know them."""
    if run._ids is not None:
        return run._ids.own()
    recording = run._recorded()
    return [] if recording is None else [*filter(None, map(_explain.created_id, recording.interactions))]


def _mentions(request: Request, run: Run) -> bool:
    # Of a replay nothing is to be taken over.
    made = () if run._ids is None else run._ids.own()
    return any(each in request.url or each.encode() in request.body for each in made)


def _pause(run: Run | None) -> None:
    if run is not None and active() is run:
        run._pause()
