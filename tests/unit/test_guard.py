"""Nothing of this process opens a connection or looks up a name."""

import asyncio
import socket
import sys
import urllib.request
from types import ModuleType

import pytest

from qsession._guard import Fence, guarded, is_loopback


class RefusedError(AssertionError):
    pass


def refuse(host):
    raise RefusedError(host)


TRIES = {
    "create_connection": lambda: socket.create_connection(("example.com", 80)),
    "address": lambda: socket.socket().connect(("192.0.2.1", 80)),
    "connect_ex": lambda: socket.socket().connect_ex(("192.0.2.1", 80)),
    "ipv6": lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80)),
    "getaddrinfo": lambda: socket.getaddrinfo("example.com", 443),
    "gethostbyname": lambda: socket.gethostbyname("example.com"),
    "datagram": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
    "datagram with flags": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", 0, ("192.0.2.1", 53)),
    "urllib": lambda: urllib.request.urlopen("http://example.com/"),
    "asyncio": lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection("192.0.2.1", 80), 5)),
    "bytes": lambda: socket.getaddrinfo(b"example.com", 443),
}


@pytest.mark.parametrize("attempt", TRIES.values(), ids=TRIES.keys())
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_guard_refuses_every_way_out(attempt):
    """Whatever opens the connection."""
    with guarded(Fence([]), refuse), pytest.raises(RefusedError):
        attempt()


def test_guard_lets_loopback_and_unix_sockets_pass(tmp_path):
    """A test may talk to what it started itself."""
    with socket.create_server(("127.0.0.1", 0)) as server, guarded(Fence([]), refuse):
        with socket.create_connection(server.getsockname(), timeout=5) as client:
            assert client.getpeername() == server.getsockname()
        with socket.socket(socket.AF_UNIX) as local, pytest.raises(FileNotFoundError):
            local.connect(str(tmp_path / "nobody"))


def test_guard_puts_everything_back():
    """The rest of the suite is untouched."""
    names = [
        (socket, "getaddrinfo"),
        (socket, "gethostbyname"),
        (socket.socket, "connect"),
        (socket.socket, "sendto"),
    ]
    before = [getattr(owner, name) for owner, name in names]
    with pytest.raises(KeyboardInterrupt), guarded(Fence([]), refuse):
        raise KeyboardInterrupt
    assert [getattr(owner, name) for owner, name in names] == before


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("iam.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("fe80::1%eth0", False),
        ("0.0.0.0", True),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_is_loopback(host, expected):
    """Names and addresses that stay on this machine."""
    assert is_loopback(host) is expected


def test_guard_that_somebody_took_along_does_nothing_after_its_end():
    """A function kept from meanwhile is what stood there before."""
    with guarded(Fence([]), refuse):
        look_up, connect = socket.getaddrinfo, socket.socket.connect
    assert look_up("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
    with socket.socket(socket.AF_UNIX) as own, pytest.raises(FileNotFoundError):
        connect(own, "/nobody/listens")


def test_guard_leaves_what_somebody_put_over_it(monkeypatch):
    """It is theirs to take away, and it still reaches what stood there before."""
    before = socket.getaddrinfo
    with guarded(Fence([]), refuse):
        guard = socket.getaddrinfo

        def theirs(*args):
            return guard(*args)

        monkeypatch.setattr(socket, "getaddrinfo", theirs)
    assert socket.getaddrinfo is theirs
    assert theirs("127.0.0.1", 80) == before("127.0.0.1", 80)


def test_guard_stands_on_python_s_own_class(monkeypatch):
    """Somebody may have put another class, or a function, in its place; who has the class is guarded."""
    plain = socket.socket
    monkeypatch.setattr(socket, "socket", lambda *_: None)
    with guarded(Fence([]), refuse), plain() as own, pytest.raises(RefusedError):
        own.connect(("192.0.2.1", 80))


def test_guard_is_what_is_put_back_by_who_kept_the_functions(monkeypatch):
    """pytest-socket puts back after every test what it kept when it was imported."""
    keeper = ModuleType("pytest_socket")
    keeper._true_connect = before = socket.socket.connect
    monkeypatch.setitem(sys.modules, "pytest_socket", keeper)
    with guarded(Fence([]), refuse):
        with guarded(Fence([]), refuse):
            socket.socket.connect = keeper._true_connect
            with socket.socket() as own, pytest.raises(RefusedError):
                own.connect(("192.0.2.1", 80))
        socket.socket.connect = keeper._true_connect
        with socket.socket() as own, pytest.raises(RefusedError):
            own.connect(("192.0.2.1", 80))
    assert keeper._true_connect is before
    assert socket.socket.connect is before
