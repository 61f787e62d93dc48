"""What the start-up hook does in a child process. Imports the standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from os import pathsep
from typing import Any, NoReturn

from qsession._child import ALLOWED, EMULATOR_PORT, FINGERPRINT, ROOT, TRUST
from qsession._guard import Fence, Lead, guarded, is_loopback, no_detours, replaced
from qsession._hosts import is_ibm, is_kept_off, is_led, is_service, plain


@contextmanager
def installed(environment: Mapping[str, str]) -> Iterator[None]:
    """Keep this process off IBM, or lead it to the emulator, as its environment says.

    Args:
        environment: The environment of this process.

    Yields:
        Nothing. Everything is put back at the end, which a process does not live to see.
    """
    allowed, port = environment.get(ALLOWED), environment.get(EMULATOR_PORT)
    with ExitStack() as undo:
        if allowed is not None:
            undo.enter_context(_enclosed(frozenset(allowed.split(",")), environment.get(ROOT, "")))
        elif port is not None:
            lead = Lead(lambda host: is_led(plain(host)), int(port))
            undo.enter_context(guarded(lambda host: not is_kept_off(plain(host)), _refuse, lead=lead))
            undo.enter_context(_unproxied())
            own, _, everybody = environment.get(TRUST, "").partition(pathsep)
            if everybody:
                undo.enter_context(_trusting(own, everybody))
            undo.enter_context(_recognizing(environment.get(FINGERPRINT, "")))
        else:
            undo.enter_context(guarded(_is_elsewhere, _refuse))
            undo.enter_context(no_detours(_is_elsewhere, _refuse, may_speak=_is_elsewhere))
        yield


@contextmanager
def _enclosed(allowed: frozenset[str], root: str) -> Iterator[None]:
    """Keep this process to what is of the test that started it."""
    fence = Fence(allowed, root=int(root) if root else None)
    with (
        guarded(fence.may_pass, _refuse, may_ask=fence.may_ask),
        no_detours(fence.may_pass, _refuse, may_speak=_is_elsewhere),
    ):
        yield


def _is_elsewhere(host: str) -> bool:
    return not is_service(host)


def _refuse(host: str) -> NoReturn:
    # An OSError, as for a name that does not resolve: the client copes with that.
    raise OSError(f"qsession: {host} is not reached from a child process of a replay or of the emulator")


@contextmanager
def _unproxied() -> Iterator[None]:
    """Refuse to ask a proxy on another machine for IBM: it is not led, and knows the way.

    One on this machine may be a program that is led itself, as a proxy for tests is.
    """
    from http.client import HTTPConnection

    def check(connection: Any, asked: str) -> None:
        # ``name``, ``name:port``, or a whole URL.
        name = plain(asked.partition("://")[2].partition("/")[0] or asked).partition(":")[0]
        if is_ibm(name) and not is_loopback(str(connection.host)):
            _refuse(name)

    through, ask = HTTPConnection.set_tunnel, HTTPConnection.putrequest

    def set_tunnel(connection: Any, host: str, *args: Any, **kwargs: Any) -> None:
        check(connection, host)
        through(connection, host, *args, **kwargs)

    def putrequest(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if "://" in url and not url.startswith("/"):
            check(connection, url)
        ask(connection, method, url, *args, **kwargs)

    with (
        replaced(HTTPConnection, "set_tunnel", set_tunnel),
        replaced(HTTPConnection, "putrequest", putrequest),
    ):
        yield


@contextmanager
def _trusting(emulator: str, everybody: str) -> Iterator[None]:
    """Trust everybody where the environment says to trust the emulator alone.

    The environment stays as it is, for children that do not load this.
    """
    try:
        from ssl import SSLContext
    except ImportError:  # a Python without TLS
        yield
        return
    load, defaults = SSLContext.load_verify_locations, SSLContext.load_default_certs

    def load_verify_locations(
        context: Any, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        load(context, everybody if cafile == emulator else cafile, capath, cadata)

    def load_default_certs(context: Any, *args: Any, **kwargs: Any) -> None:
        defaults(context, *args, **kwargs)
        load(context, everybody)

    with (
        replaced(SSLContext, "load_verify_locations", load_verify_locations),
        replaced(SSLContext, "load_default_certs", load_default_certs),
    ):
        yield


@contextmanager
def _recognizing(fingerprint: str) -> Iterator[None]:
    """Give up TLS under a name of IBM's with anybody but the emulator, before a word is said.

    Whatever way the connection took: a proxy, an address, or a socket that Python's own
    ``socket`` did not open, as those of uvloop are.
    """
    try:
        from ssl import SSLObject, SSLSocket
    except ImportError:
        yield
        return

    def checked(original: Callable[..., None]) -> Callable[..., None]:
        def do_handshake(own: Any, *args: Any, **kwargs: Any) -> None:
            original(own, *args, **kwargs)
            name = plain(own.server_hostname)
            # Also where the program trusts everybody: the certificate is there all the same.
            if is_ibm(name) and sha256(own.getpeercert(True) or b"").hexdigest() != fingerprint:
                _refuse(name)

        return do_handshake

    with (
        replaced(SSLSocket, "do_handshake", checked(SSLSocket.do_handshake)),
        replaced(SSLObject, "do_handshake", checked(SSLObject.do_handshake)),
    ):
        yield
