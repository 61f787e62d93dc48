"""What all tests of this project share."""

import signal
import socket

import pytest
from hypothesis import settings

# Machines are shared: how long a case takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

pytest_plugins = ["pytester"]

_ENVIRONMENT = (
    "CI",
    "IAM_URL",
    "QISKIT_IBM_TOKEN",
    "QISKIT_IBM_INSTANCE",
    "QISKIT_IBM_QPU",
    "QISKIT_IBM_URL",
    "QISKIT_IBM_CHANNEL",
    "PYTEST_ADDOPTS",
)


def pytest_configure() -> None:
    # A shell starts what runs in its background with Ctrl-C ignored, and the programs that the
    # tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def cut_off(monkeypatch):
    """A machine without an account and without a network; whoever asks for one is refused, and told at the end."""
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    asked = []

    def refuse(*args: object, **_more: object) -> None:
        asked.append(args)
        raise AssertionError(f"a connection was opened or a name looked up: {args!r}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert asked == []
