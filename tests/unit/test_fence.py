"""Ports, proxies and TLS: what the guard on names alone would not see."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import sys
import urllib.request

import pytest

from qsession._fence import _unproxied
from qsession._guard import Border, Bounds, Fence, guarded, once_imported, replaced
from qsession._guard._bounds import _parted
from qsession._guard._listeners import Listeners
from qsession._hosts import is_service


class RefusedError(AssertionError):
    pass


def refuse(host):
    raise RefusedError(host)


@pytest.fixture
def closed():
    """The service, kept off by whatever way."""

    class Closed(Border):
        def may_speak(self, host, port):
            return self.may_pass(host)

    with guarded(Closed(is_service), refuse):
        yield


@pytest.fixture
def own():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", -1)),
        ("example.org:443", ("example.org", 443)),
        ("localhost:5432", ("localhost", 5432)),
        ("[::1]:5432", ("::1", 5432)),
        ("::1", ("::1", -1)),
        ("[::1]", ("::1", -1)),
        ("127.0.0.1", ("127.0.0.1", -1)),
        (":5432", (":5432", -1)),
        ("host:", ("host:", -1)),
    ],
)
def test_allowed_host_is_parted_from_its_port(text, expected):
    """An address of version 6 has colons of its own."""
    assert _parted(text) == expected


def test_fence_lets_pass_what_is_allowed_and_this_machine():
    """Names whatever their case."""
    fence = Fence(["files.example.org", ""])
    assert fence.may_pass("localhost")
    assert fence.may_pass("FILES.example.org.")
    assert not fence.may_pass("example.org")
    assert not fence.may_pass("")


def test_fence_speaks_and_asks_proxies_for_what_is_allowed():
    """A name of the service only if the user gave it."""
    fence = Fence(["iam.cloud.ibm.com"])
    assert fence.may_speak("iam.cloud.ibm.com", None)
    assert fence.may_speak("server-of-a-test.example.org", 8443)
    assert not fence.may_speak("quantum.cloud.ibm.com", 8443)
    assert fence.may_proxy("iam.cloud.ibm.com", None)
    assert not fence.may_proxy("example.org", 3128)


def test_port_of_this_process_may_be_asked(own):
    """The servers of a test are mostly in it."""
    assert Listeners(os.getpid()).may_ask(own, is_stream=True)


def test_port_of_nobody_may_be_asked():
    """It is refused by the system."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert Listeners(1).may_ask(probe.getsockname()[1], is_stream=True)


def test_port_of_a_datagram_socket_is_known():
    """A resolver on this machine would ask others."""
    with socket.socket(type=socket.SOCK_DGRAM) as mine:
        mine.bind(("127.0.0.1", 0))
        assert Listeners(os.getpid()).may_ask(mine.getsockname()[1], is_stream=False)


SERVE = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"


@contextlib.contextmanager
def serving():
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, int(process.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who listens")
def test_port_of_a_child_is_of_the_tree_and_of_no_other():
    """The child belongs to this process, and not to the tree of another."""
    with serving() as (child, port), serving() as (other, _):
        mine, others = Listeners(os.getpid()), Listeners(other.pid)
        assert mine.may_ask(port, is_stream=True)
        assert Listeners(child.pid).may_ask(port, is_stream=True)
        script = (
            "import os, sys; from qsession._guard._listeners import Listeners;"
            "print(Listeners(int(sys.argv[1])).may_ask(int(sys.argv[2]), is_stream=True))"
        )
        seen = [
            subprocess.run(
                [sys.executable, "-c", script, str(root), str(port)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for root in (os.getpid(), other.pid)
        ]
        assert seen == ["True", "False"]
        assert others.may_ask(port, is_stream=True)  # asked by this process, whose child it is


def test_where_nobody_says_who_listens_any_port_may_be_asked(tmp_path, own):
    """Systems other than Linux."""
    assert Listeners(os.getpid(), proc=str(tmp_path / "none")).may_ask(own, is_stream=True)


def test_table_without_our_sockets_is_somebody_elses(tmp_path):
    """The port is in the kernel's table, and no process of the tree holds its socket."""
    (tmp_path / "net").mkdir()
    row = "0: 0100007F:1538 00000000:0000 0A 0:0 0:0 0 0 0 4242 1"
    (tmp_path / "net" / "tcp").write_text(f"  sl  local_address ...\n   {row}\n")
    assert not Listeners(os.getpid(), proc=str(tmp_path)).may_ask(0x1538, is_stream=True)
    assert Listeners(os.getpid(), proc=str(tmp_path)).may_ask(0x1539, is_stream=True)


def test_allowed_port_may_be_asked_whoever_listens(monkeypatch):
    """A database of the machine, for example."""
    monkeypatch.setattr(Listeners, "may_ask", lambda *_: False)
    assert not Fence([]).may_ask(5432, True)
    assert Fence(["localhost:5432"]).may_ask(5432, True)
    assert not Fence(["localhost:5432"]).may_ask(5433, True)
    assert Fence(["127.0.0.1"]).may_ask(5433, True)
    assert not Fence(["example.org:5433"]).may_ask(5433, True)


class NoPort(Bounds):
    def may_pass(self, host):
        return True

    def may_ask(self, port, is_stream):
        return False


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
def test_guard_refuses_a_port_by_its_address(family):
    """With the port, since the host alone is no reason."""
    version = socket.AF_INET6 if ":" in family else socket.AF_INET
    shown = f"[{family}]:9" if ":" in family else f"{family}:9"
    with (
        guarded(NoPort(), refuse),
        socket.socket(version) as plain,
        pytest.raises(RefusedError) as refused,
    ):
        plain.connect((family, 9))
    assert str(refused.value) == shown


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("name", ["quantum.cloud.ibm.com", "IAM.cloud.ibm.com."])
def test_tls_under_a_name_of_the_service_does_not_begin(name):
    """Whatever carried the connection; in a child or a run not even with a server of the tree."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(RefusedError):
        ssl.create_default_context().wrap_socket(theirs, server_hostname=name)
    with pytest.raises(RefusedError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)


@pytest.mark.usefixtures("closed")
def test_tls_under_another_name_begins():
    """A server of the test may have any name."""
    ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org")


def listening_proxy():
    return contextlib.closing(socket.create_server(("127.0.0.1", 0)))


class NoProxy(Bounds):
    def may_pass(self, host):
        return True

    def may_proxy(self, host, port):
        return False


def test_proxy_is_not_asked_for_the_service():
    """Neither for a tunnel nor for a whole URL, and nothing is said to it."""
    with guarded(NoProxy(), refuse), listening_proxy() as proxy:
        address = f"127.0.0.1:{proxy.getsockname()[1]}"
        opened = urllib.request.build_opener(urllib.request.ProxyHandler({"http": address, "https": address}))
        for url in ("https://iam.cloud.ibm.com/identity/token", "http://iam.cloud.ibm.com/"):
            with pytest.raises(RefusedError, match=r"^iam\.cloud\.ibm\.com$"):
                opened.open(url, timeout=5)
        proxy.settimeout(5)
        connection, _ = proxy.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(100) == b""


def test_server_of_the_tree_may_have_a_barred_name(own):
    """Outside of a run: somebody else's tests may have an emulator of their own."""
    border = Border(is_service)
    assert border.may_speak("cloud.ibm.com", own)
    assert not border.may_speak("cloud.ibm.com", None)
    assert border.may_speak("example.org", None)
    assert not border.may_pass("cloud.ibm.com")


def test_module_is_changed_when_somebody_loads_it(tmp_path, monkeypatch):
    """And not loaded before; who looks for its source finds it."""
    (tmp_path / "loaded_late.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    with (
        once_imported("loaded_late", lambda module: replaced(module, "value", 2)),
        # Twice, as by the tests and by a run: each must find the module behind the other.
        once_imported("loaded_late", lambda module: replaced(module, "other", 3)),
    ):
        assert "loaded_late" not in sys.modules
        import loaded_late

        assert (loaded_late.value, loaded_late.other) == (2, 3)
        assert loaded_late.__loader__.get_source("loaded_late") == "value = 1\n"
    assert (loaded_late.value, hasattr(loaded_late, "other")) == (1, False)
    assert sys.meta_path == finders
    del sys.modules["loaded_late"]


def test_module_that_is_loaded_is_changed_at_once():
    """And put back."""
    before = http.client.HTTPConnection.send
    with once_imported("http.client", lambda module: replaced(module.HTTPConnection, "send", None)):
        assert http.client.HTTPConnection.send is None
    assert http.client.HTTPConnection.send is before


def test_proxies_are_not_asked_for_the_service_alone():
    """Everybody else's way stays as it was."""
    assert _unproxied({"PATH": "x"}) == {}
    told = _unproxied({"HTTPS_PROXY": "http://proxy.example.org:3128", "no_proxy": "mine.example.org"})
    assert set(told) == {"no_proxy", "NO_PROXY"}
    assert told["no_proxy"].startswith("mine.example.org,cloud.ibm.com,.cloud.ibm.com,")
