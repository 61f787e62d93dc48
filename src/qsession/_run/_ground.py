"""What a run stands on in a run of pytest: what tests have in common, and the fixtures that it builds on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qsession._model import Instant, Recording, Request

if TYPE_CHECKING:
    from qsession._endpoints import Call
    from qsession._ids import Ids
    from qsession._layer import Shared
    from qsession._recording import Account
    from qsession._run._run import Run
    from qsession.emulator import Emulator


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run stands on.

    Attributes:
        shared: Gives the layer of the folder, by target; None where a recording holds everything itself.
        account: What is known of the account in this process.
        after: The runs of wide fixtures that it builds on: they are paused.
        alive: Gives the runs of all wide fixtures that are set up.
        name: Its own name among the layers, if it is one: its path below the folder of the cassettes.
        also: Gives the runs of other fixtures whose things a request speaks of: the test asked for them
            while it was under way.
        owner: Says what fixture made what a request is about, and has ended; nothing if none did.
        check: Refuses a request that its recording must not depend on.
        random_seed: Where whoever asks for it has let random numbers begin; None if nobody has.
    """

    shared: Callable[[str], Shared | None] | None = None
    account: Account | None = None
    after: tuple[Run, ...] = ()
    alive: Callable[[], Sequence[Run]] = tuple
    name: str = ""
    also: Callable[[Request], Sequence[Run]] | None = None
    owner: Callable[[Call], str] = lambda _call: ""
    check: Callable[[Call], None] | None = None
    random_seed: int | None = None

    def layer(self, target: str) -> Shared | None:
        """The layer of the folder."""
        return None if self.shared is None else self.shared(target)

    @property
    def starts(self) -> Instant:
        """When the last of what it builds on was left."""
        return max((run._moment for run in self.after), default=0)

    @property
    def layers(self) -> Iterable[str]:
        """Names of the layers that it builds on."""
        return (run._name for run in self.after)

    def ids(self) -> Sequence[Ids]:
        """What was made before."""
        return [run._ids for run in self.after if run._ids is not None]

    def emulators(self) -> Sequence[Emulator]:
        """Where it was made."""
        return [run._emulator for run in self.after if run._emulator is not None]

    def recordings(self, layers: Collection[str] = ()) -> Sequence[Recording]:
        """What was recorded before.

        Args:
            layers: Names of layers that it builds on too, if they are there by now: a fixture that a test
                asks for in the middle.
        """
        also = [run for run in self.alive() if run._name in layers and run not in self.after]
        found = (run._recorded() for run in (*self.after, *also))
        return [recording for recording in found if recording is not None]
