"""A cassette folder with tests and layers, made by hand: what is in its files does not matter here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qsession import _cassette
from qsession._model import Provenance, Recording
from qsession._naming import cassette_path
from qsession._shelf import Collected, Found, look


def ident_of(layer: str) -> str:
    """What the head of the layer of a fixture says, from its path below the folder."""
    place, _, name = layer.removesuffix(".yaml").rpartition("/")
    return f"{place}.py::{name}" if place else f".::{name}"


@dataclass(frozen=True, slots=True)
class Folder:
    """A project whose tests are only names.

    Attributes:
        root: Folder of the configuration.
        wide: By test id, what the layers of its wide fixtures say in their heads, by their paths.
    """

    root: Path
    wide: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def cassettes(self) -> Path:
        return self.root / "cassettes"

    def path(self, test: str) -> Path:
        """Where the cassette of a test lies, near enough."""
        file, _, rest = test.partition("::")
        name, _, parameters = rest.partition("[")
        given = [("x", parameters)] if parameters else []
        return cassette_path(self.cassettes, file, name.replace("::", "."), given)

    def record(self, *tests: str, layers: Sequence[str] = (), target: str = "emulator") -> None:
        """Write the cassette of each test."""
        for test in tests:
            self.write(self.path(test), Provenance(target, 0, test=test, layers=tuple(layers)))

    def layer(
        self, *names: str, layers: Sequence[str] = (), target: str = "emulator", ident: str = ""
    ) -> None:
        """Write layers, by their paths below the folder."""
        for name in names:
            head = Provenance(target, 0, test=ident or ident_of(name), layers=tuple(layers))
            self.write(self.cassettes / name, head)

    def uses(self, layers: Sequence[str], *tests: str) -> None:
        """Where the layers of the wide fixtures of some tests lie, if they have some."""
        self.wide.update({test: {name: ident_of(name) for name in layers} for test in tests})

    def write(self, path: Path, head: Provenance) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_cassette.encode(Recording(head, ()))[0], "utf-8")

    def collected(self, *tests: str, files: Sequence[str] | None = None) -> Collected:
        """What a collection tells that found these tests."""
        named = files if files is not None else sorted({test.partition("::")[0] for test in tests})
        claimed = {test: self.path(test) for test in tests}
        return Collected(self.cassettes, self.root, claimed, [self.root / file for file in named], self.wide)

    def look(self, *tests: str, files: Sequence[str] | None = None) -> Found:
        return look(self.collected(*tests, files=files))

    def offers(self, *tests: str) -> Mapping[str, Sequence[str]]:
        """Who may take what, by the former owner; with "?" at the end where that is not sure."""
        return {
            each.former: [taker.name for taker in each.takers] + ["?"][each.is_sure :]
            for each in self.look(*tests).offers
        }

    def names(self, paths: Sequence[Path]) -> Sequence[str]:
        return [path.relative_to(self.cassettes).as_posix() for path in paths]
