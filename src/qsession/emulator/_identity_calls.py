"""IAM: from an API key, or a refresh token, to an access token."""

from __future__ import annotations

from urllib.parse import parse_qs

from qsession._loopback._gate import LONGEST_FORM
from qsession._model import SECOND, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._exchange import Exchange, World
from qsession.emulator._replies import reply
from qsession.emulator._tokens import REFRESH_SECONDS, TOKEN_SECONDS

_KEY_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_REFRESH_GRANT = "refresh_token"


def token(world: World, exchange: Exchange) -> Response:
    """``POST /identity/token``. The form of the errors is inferred.

    A refresh token is given to callers that name a client (``Authorization: Basic``) only;
    the others, such as the client's own SDK, read ``not_supported`` (both observed).
    """
    if world.iam == "unavailable":
        return _refusal("BXNIM0601E", "The service is temporarily unavailable.", status=503)
    if len(exchange.request.body) > LONGEST_FORM:
        raise Refused("too large")
    form = parse_qs(exchange.request.body.decode("utf-8", "replace"))
    grant = form.get("grant_type", [""])
    if grant == [_KEY_GRANT]:
        key = form.get("apikey", [""])[0]
        if not key or world.iam == "unknown key" or world.api_key not in {None, key}:
            return _refusal("BXNIM0415E", "Provided API key could not be found.")
        return _granted(world, exchange)
    if grant == [_REFRESH_GRANT] and _names_a_client(exchange):
        if not world.tokens.is_own_refresh(form.get("refresh_token", [""])[0], exchange.at):
            return _refusal("BXNIM0408E", "Provided refresh_token is invalid or expired.")
        return _granted(world, exchange)
    return _refusal("BXNIM0106E", "Property missing or unsupported: grant_type")


def _granted(world: World, exchange: Exchange) -> Response:
    document: dict[str, Json] = {
        "access_token": world.tokens.issue(exchange.at),
        "refresh_token": "not_supported",
        "ims_user_id": 0,
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "expiration": exchange.at // SECOND + TOKEN_SECONDS,
        "scope": "ibm openid",
    }
    if _names_a_client(exchange):
        document["refresh_token"] = world.tokens.issue_refresh(exchange.at)
        document["refresh_token_expiration"] = exchange.at // SECOND + REFRESH_SECONDS
    return reply(document)


def _names_a_client(exchange: Exchange) -> bool:
    return exchange.request.headers.get("authorization", "").lower().startswith("basic ")


def _refusal(code: str, message: str, *, status: int = 400) -> Response:
    return reply({"errorCode": code, "errorMessage": message}, status=status)
