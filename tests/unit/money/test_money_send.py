"""How the watcher reaches the service: proxies, certificates, and no .netrc."""

from __future__ import annotations

import datetime
import ipaddress
import queue
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from qsession._model import Request
from qsession._money._reaper import send_plainly


class Handler(BaseHTTPRequestHandler):
    seen: queue.Queue[tuple[str, str]]

    def do_DELETE(self) -> None:
        self.seen.put((self.path, self.headers.get("authorization", "")))
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    Handler.seen = queue.Queue()
    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.delenv("NO_PROXY", raising=False)


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(certificate.public_bytes(pem) + private)
    return path


def test_request_goes_through_the_proxy_of_the_environment(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The header is ours, redirects are not followed, .netrc is not asked."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password planted")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    request = Request("DELETE", "http://runtime.invalid/close", {"authorization": "Bearer planted"})
    assert send_plainly(request).status == 302
    assert Handler.seen.get_nowait() == ("http://runtime.invalid/close", "Bearer planted")
    assert Handler.seen.empty()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_request_trusts_the_certificates_of_the_environment(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """A service behind a company's own authority is reached as the client reaches it."""
    pem = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    request = Request("DELETE", f"https://127.0.0.1:{server.server_address[1]}/close")
    with pytest.raises(requests.exceptions.SSLError):
        send_plainly(request)
    monkeypatch.setenv(variable, str(pem))
    assert send_plainly(request).status == 302
