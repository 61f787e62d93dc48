"""Every refusal of the service, in its own spelling.

Sources: the error code registry of IBM's documentation (D), bodies in published
output (P), the client's code (C); what none of them tells is inferred (I).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from qsession._model import Response

MORE_INFO = "https://cloud.ibm.com/apidocs/quantum-computing#error-handling"


class Refused(Exception):
    """The service says no.

    Args:
        kind: A key of `SPELLINGS`.
        subject: What the message names, such as an id.
    """

    def __init__(self, kind: str, subject: str = "") -> None:
        self.kind = kind
        self.subject = subject
        super().__init__(kind, subject)


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the service words one refusal; ``{}`` stands for the subject."""

    status: int
    code: int | str
    message: str
    solution: str = ""


SPELLINGS: Mapping[str, Spelling] = MappingProxyType(
    {
        # P, with numeric code and without solution; the status 401 is I.
        "unauthenticated": Spelling(401, 1219, "Error authenticating user."),
        # P: code, message and that there is a solution; its words are I.
        "unknown instance": Spelling(
            404, 1279, "Instance {} not found", "Verify the instance CRN and its region."
        ),
        # P, verbatim.
        "open plan session": Spelling(
            400,
            1352,
            "You are not authorized to run a session when using the open plan.",
            "Create an instance of a different plan type or use a different execution mode.",
        ),
        # D; the status 400 is I.
        "session closed": Spelling(
            400,
            1217,
            "Session has been closed.",
            "Increase the session `max_time` if possible, or keep session active by reducing"
            " the time between jobs. For details, see the Session length guide.",
        ),
        # D: code and message; the status is I.
        "unknown backend": Spelling(
            400, 1007, "Backend not found.", "Check the backend name, maybe it is wrong."
        ),
        # D: code, message and solution; the status is I, and that a paused backend counts too.
        "backend unavailable": Spelling(
            400, 1004, "The Backend is not available.", "Use another backend to run the job."
        ),
        "unknown device": Spelling(404, "not_found", "device not found"),  # P
        "unknown calibration": Spelling(404, "not_found", "calibration not found"),  # I
        # P: message and solution; the code is I.
        "unknown session": Spelling(
            404, "not_found", "Session not found. Session ID: {}", "Verify the session ID is correct."
        ),
        "unknown job": Spelling(
            404, "not_found", "Job not found. Job ID: {}", "Verify the job ID is correct."
        ),
        "no logs": Spelling(404, "not_found", "logs not found"),  # P
        # D: status 409; the message as in the OpenAPI document, the code is I.
        "not cancellable": Spelling(409, "conflict", "Job is in non cancellable status."),
        "not deletable": Spelling(409, "conflict", "Job is not in a terminal status."),  # I
        # P, 2024, on the classic platform.
        "invalid": Spelling(400, 1208, "Request validation of body failed, because: {}"),
        # D: code, that the limit and the number are named, solution; exact words and status are I.
        "too many tags": Spelling(
            400,
            1204,
            "The maximum number of tags that a job can have was exceeded ({} > 8).",
            "Remove some tags and try again.",
        ),
        "tag too long": Spelling(
            400,
            1205,
            "The maximum length that a job tag can have was exceeded ({} > 86).",
            "Shorten the tag and try again.",
        ),
        # D: code, message and solution; the status 429 is I.
        "too many submissions": Spelling(
            429,
            1202,
            "Too many job requests received: limit is {} per minute.",
            "Lower the rate of requests and try again.",
        ),
        # P, 2025: the message; code 3458 (P, 2023) and status 400 (P, 2020) are those of the
        # classic platform for the same limit.
        "too many pending": Spelling(
            400,
            3458,
            "You have reached the limit of {} pending jobs."
            " Please wait for a job to complete or cancel one before submitting anything new.",
        ),
        # D: status 409 and message; code 4317 is that of the classic platform for a used-up
        # quota (P, 2023).
        "usage exceeded": Spelling(
            409,
            4317,
            "Usage exceeds instance limit.",
            "Raise the limit of the instance, or use another one.",
        ),
        # I, all of it.
        "unknown version": Spelling(
            400,
            1208,
            "Request validation of headers failed, because: IBM-API-Version {} is not a version",
            "Use a version that GET /versions lists.",
        ),
        # I: workloads and analytics always name a number and a solution (D).
        "invalid query": Spelling(
            400, 1208, "Request validation of query failed, because: {}", "Correct the query parameters."
        ),
        "unknown account": Spelling(404, 1279, "Account {} not found", "Verify the account id."),  # I
        "archived entry": Spelling(403, "forbidden", "The catalog entry is archived."),  # C: the status
        "unknown program": Spelling(404, "not_found", "program not found"),  # I
        "unknown entry": Spelling(404, "not_found", "catalog entry not found"),  # I
        "unknown resource": Spelling(404, "not_found", "resource instance not found"),  # I
        # What only an emulator has to say.
        "not emulated program": Spelling(
            400,
            1208,
            "This emulator does not run the program {}.",
            "Use the programs sampler, estimator, executor and noise-learner.",
        ),
        "program needs schemas": Spelling(
            400,
            1208,
            "This emulator runs the program {} with clients that bring IBM's schemas along only.",
            "Use a client that has this program.",
        ),
        "unknown path": Spelling(404, "not_found", "path not found"),  # I
        "wrong method": Spelling(405, "method_not_allowed", "method not allowed"),  # I
        "too large": Spelling(413, 5302, "Request payload exceeded the maximum size."),  # I
        # What only a server on a developer's machine has to say.
        "strange host": Spelling(421, "misdirected_request", "This emulator does not answer for this host."),
        "web page": Spelling(403, "forbidden", "This emulator does not answer web pages."),
        "not JSON": Spelling(415, "unsupported_media_type", "The body must be declared application/json."),
        "not a form": Spelling(
            415, "unsupported_media_type", "The body must be declared application/x-www-form-urlencoded."
        ),
        "unreadable": Spelling(400, "bad_request", "The request cannot be read: {}"),
        "broken": Spelling(500, "internal_error", "The emulator failed; its request log says where."),
    }
)


def refusal(refused: Refused, trace: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in the service's error form (documented and observed).

    Args:
        refused: What is refused.
        trace: The ``trace`` of the body, a UUID.
        headers: Further headers by lower-case name.
    """
    spelling = SPELLINGS[refused.kind]
    error: dict[str, object] = {
        "code": spelling.code,
        "message": spelling.message.format(refused.subject),
    }
    if spelling.solution:
        error["solution"] = spelling.solution
    error["more_info"] = MORE_INFO
    body = json.dumps({"errors": [error], "trace": trace}, separators=(",", ":")).encode()
    all_headers = {"content-type": "application/json", **(headers or {})}
    return Response(spelling.status, HTTPStatus(spelling.status).phrase, all_headers, body)
