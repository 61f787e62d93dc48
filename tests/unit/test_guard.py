"""Nothing of this process opens a connection or looks up a name."""

import asyncio
import socket
import urllib.request

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
