"""A certificate authority for one emulator: for IBM's names and this machine's, and no others."""

from __future__ import annotations

import ipaddress
import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qsession._clock import SystemClock, to_datetime
from qsession._hosts import IBM, PATTERNS

_DAY = timedelta(days=1)
_LIFETIME = 30 * _DAY
_ADDRESS = ipaddress.ip_network("127.0.0.1/32")


@dataclass(frozen=True, slots=True)
class Authority:
    """What a server and those who are to trust it need. The authority's own key is gone already.

    Attributes:
        certificate: The authority's certificate in PEM: what clients must trust.
        fingerprint: SHA-256 of the certificate that the server shows, in hexadecimal digits.
        context: TLS for a server, with a certificate that the authority signed.
    """

    certificate: bytes
    fingerprint: str
    context: ssl.SSLContext = field(repr=False)


def make_authority() -> Authority:
    """Make an authority, let it sign one certificate, and forget its key.

    It may vouch for IBM's names and this machine's only, and nobody can sign with it again:
    trusting it costs nothing after the emulator has ended. The certificates hold 30 days.
    """
    own_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    own = _own(own_key)
    served = _served(server_key, own, own_key)
    pem = serialization.Encoding.PEM
    return Authority(
        own.public_bytes(pem),
        served.fingerprint(hashes.SHA256()).hex(),
        _context(served.public_bytes(pem), server_key),
    )


def _own(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "qsession emulator, good for nothing else")])
    permitted = [x509.DNSName(IBM), x509.DNSName("localhost"), x509.IPAddress(_ADDRESS)]
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _served(
    key: ec.EllipticCurvePrivateKey, own: x509.Certificate, own_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, IBM)])
    names = [*map(x509.DNSName, (*PATTERNS, "localhost")), x509.IPAddress(_ADDRESS.network_address)]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key())
    return (
        _builder(name, own.subject, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(own_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = to_datetime(SystemClock().now())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _context(certificate: bytes, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """TLS with a key that the ssl module takes from a file only: locked, with a word nobody keeps."""
    word = secrets.token_bytes(32).hex().encode()
    lock = serialization.BestAvailableEncryption(word)
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="qsession-") as folder:
        path = Path(folder) / "served.pem"
        path.write_bytes(certificate + locked)
        context.load_cert_chain(path, password=word)
    return context
