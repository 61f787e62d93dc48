"""An authority that is good for one emulator and nothing else."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from pathlib import Path

import pytest
from cryptography import x509

from qsession._loopback._authority import make_authority


@pytest.fixture(scope="module")
def authority():
    return make_authority()


def greeted(authority, name, context=None):
    """Shake hands under a name, and give the certificate that was shown."""
    ours, theirs = socket.socketpair()
    context = context or ssl.create_default_context(cadata=authority.certificate.decode())

    def serve():
        try:
            with authority.context.wrap_socket(ours, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            ours.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with context.wrap_socket(theirs, server_hostname=name) as secured:
            return secured.getpeercert()
    finally:
        theirs.close()
        serving.join()


@pytest.mark.parametrize(
    "name",
    [
        "cloud.ibm.com",
        "iam.cloud.ibm.com",
        "api.global-search-tagging.cloud.ibm.com",
        "private.us-east.quantum.cloud.ibm.com",
        "localhost",
        "127.0.0.1",
    ],
)
def test_led_names_and_this_machine_are_vouched_for(authority, name):
    """Whom the client asks."""
    assert greeted(authority, name)["issuer"]


@pytest.mark.parametrize("name", ["example.com", "ibm.com", "a.b.c.cloud.ibm.com", "127.0.0.2"])
def test_other_names_are_not(authority, name):
    """Nobody else can be taken for the emulator, or the emulator for him."""
    with pytest.raises(ssl.SSLCertVerificationError):
        greeted(authority, name)


def test_nobody_trusts_it_by_itself(authority):
    """Only whoever is given the certificate does."""
    with pytest.raises(ssl.SSLCertVerificationError):
        greeted(authority, "cloud.ibm.com", ssl.create_default_context())


def test_authority_may_vouch_for_these_names_only(authority):
    """Name constraints bind even whoever should get at its key."""
    own = x509.load_pem_x509_certificate(authority.certificate)
    permitted = own.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert {str(each.value) for each in permitted} == {"cloud.ibm.com", "localhost", "127.0.0.1/32"}
    assert (own.not_valid_after_utc - own.not_valid_before_utc).days == 31


def test_each_authority_is_another(authority):
    """Made anew each time."""
    assert make_authority().certificate != authority.certificate


def test_no_key_is_written_that_could_be_used(monkeypatch, tmp_path):
    """The one file is locked with a word that nobody keeps, and gone at once."""
    written = []
    real = Path.write_bytes
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: written.append(data) or real(path, data))
    made = make_authority()
    assert len(written) == 1
    assert b"ENCRYPTED PRIVATE KEY" in written[0]
    assert list(tmp_path.iterdir()) == []
    assert "key" not in repr(made).lower()
