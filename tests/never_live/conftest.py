from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The authority and the mapped names are those of the tests of the service path.
sys.path.insert(0, str(Path(__file__).parent.parent / "service"))

from listening import Listener
from mapped_names import mapped_environment
from own_authority import Authority, make_authority
from polling import made
from trap import SCRIPTS, Trap


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def make_trap(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Trap]]:
    listeners: list[Listener] = []

    def make() -> Trap:
        folder = tmp_path_factory.mktemp("trap")
        listener = Listener(authority)
        listeners.append(listener)
        environment = mapped_environment(folder / "home", port=listener.port, bundle=authority.bundle)
        return Trap(listener, environment, folder)

    yield make
    for listener in listeners:
        listener.stop()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cassette of one whole session against the emulator, made in another process."""
    path = tmp_path_factory.mktemp("recorded") / "session.yaml"
    subprocess.run(
        [sys.executable, str(SCRIPTS / "one_session.py"), str(path)],
        cwd=path.parent,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return path


@pytest.fixture(scope="session")
def session_id(recorded: Path) -> str:
    """The session of the cassette."""
    return made(recorded)[0]
