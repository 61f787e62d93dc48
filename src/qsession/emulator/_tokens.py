"""IAM: access tokens for API keys.

The client's IBM Cloud SDK decodes a token without verifying it and needs ``iat`` and
``exp`` in it (``ibm_cloud_sdk_core/token_managers``); it asks anew at 80 % of the
lifetime.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets

from qsession._model import SECOND, Instant

TOKEN_SECONDS = 3600
"""Lifetime of a token (documented, IAM's ``expires_in``)."""

REFRESH_SECONDS = 30 * 86_400
"""Lifetime of a refresh token (inferred)."""


class Tokens:
    """Makes tokens and knows its own again.

    Args:
        seed: Seed of the emulator.
        secret: Whether tokens must be impossible to make for anybody else; they
            then differ from process to process.
    """

    def __init__(self, seed: int, *, secret: bool) -> None:
        own = secrets.token_bytes(32) if secret else hashlib.sha256(f"token|{seed}".encode()).digest()
        self._key = own

    def issue(self, at: Instant) -> str:
        """A signed JWT for the emulated user, valid from now for an hour."""
        issued = at // SECOND
        claims = {
            "iam_id": "IBMid-0000000000",
            "id": "IBMid-0000000000",
            "sub": "emulated@example.invalid",
            "iss": "https://iam.cloud.ibm.com/identity",
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "scope": "ibm openid",
            "client_id": "default",
            "acr": 1,
            "amr": ["pwd"],
        }
        signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def is_own(self, token: str, at: Instant) -> bool:
        """Whether this object issued the token and it has not expired."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        if "." not in signed:
            return False  # a refresh token
        claims = json.loads(base64.urlsafe_b64decode(_padded(signed.partition(".")[2])))
        return bool(at < claims["exp"] * SECOND)

    def issue_refresh(self, at: Instant) -> str:
        """A token that gets new access tokens, and opens nothing itself."""
        signed = f"refresh-{at // SECOND + REFRESH_SECONDS}"
        return f"{signed}.{self._signature(signed)}"

    def is_own_refresh(self, token: str, at: Instant) -> bool:
        """Whether this object issued the refresh token and it has not expired."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        kind, _, ends = signed.partition("-")
        return kind == "refresh" and at < int(ends) * SECOND

    def _signature(self, signed: str) -> str:
        return _unpadded(hmac.digest(self._key, signed.encode(), "sha256"))


def _segment(document: dict[str, object]) -> str:
    return _unpadded(json.dumps(document, separators=(",", ":")).encode())


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _padded(segment: str) -> str:
    return segment + "=" * (-len(segment) % 4)
