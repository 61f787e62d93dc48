"""Rules of users."""

from __future__ import annotations

import json

import pytest
from redaction_cases import URL, taught

import qsession
from qsession._endpoints import identify
from qsession._model import Request, Response
from qsession._redaction import rules
from qsession.errors import UsageError


@pytest.mark.parametrize(
    ("texts", "evidence", "fix"),
    [
        (
            ["tag"],
            "'tag' (from a test); did you mean 'tags'?",
            "one of tags, circuit-names, logs; or re:tag for the text itself",
        ),
        (
            ["alice"],
            "'alice' (from a test); there is no kind of this name",
            "one of tags, circuit-names, logs; or re:alice for the text itself",
        ),
        (
            ["tags", "[0-9"],
            "rule 2 (from a test) is no regular expression: unterminated character set at position 0",
            r"for example project-\d{6}",
        ),
        (
            ["x*"],
            "rule 1 (from a test) matches an empty text, so it would match everywhere",
            r"for example project-\d{6}",
        ),
        (
            ["re:"],
            "rule 1 (from a test) matches an empty text, so it would match everywhere",
            r"for example project-\d{6}",
        ),
        (
            ["(a)(b)"],
            "rule 1 (from a test) has 2 groups; one says which part is taken out, none that all of it is",
            "(?:...) for groups that only hold things together",
        ),
        (
            ["[A-E]"],
            "rule 1 (from a test) matches a part of 'REDACTED', which is written in its place",
            r"for example project-\d{6}",
        ),
    ],
)
def test_rule_that_cannot_be_used_says_why(texts, evidence, fix):
    """Its text is not shown: it may be the very secret."""
    with pytest.raises(UsageError) as caught:
        rules(texts, origin="a test")
    assert str(caught.value) == (f"A rule of redaction cannot be used. [QS170]\n  {evidence}\nTo fix: {fix}")


@pytest.mark.parametrize("call", [qsession.record, qsession.replay])
def test_wrong_rule_is_refused_at_once(call):
    """Before anything is recorded, and before anything is paid for."""
    with pytest.raises(UsageError, match=r"rule 1 \(from the argument redact\) is no regular expression"):
        call("a.yaml", redact=["("])


def test_one_text_in_the_place_of_a_list_is_one_rule():
    """Not a rule for each of its letters."""
    with pytest.raises(UsageError, match="did you mean 'tags'"):
        qsession.record("a.yaml", redact="tagss")


def test_expression_takes_out_what_it_matches_or_its_group():
    """In every spelling, and the proof looks for it too."""
    redactor = taught(rules([r"project-\d{6}", r"owner=(\w+)", "re:alice"], origin="a test"))
    body = json.dumps(
        {"a": "of project-123456", "b": "owner=bob, alice", "c": b"project-123456".hex()}
    ).encode()
    assert redactor.find(body) == ("rule 1", "rule 2", "rule 3")
    cleaned = redactor.clean_body(body)
    assert json.loads(cleaned) == {
        "a": "of REDACTED",
        "b": "owner=REDACTED, REDACTED",
        "c": b"REDACTED".hex(),
    }
    assert redactor.find(cleaned) == ()


def asked(method, path, body=b""):
    request = Request(method, URL + path, {"service-crn": "x"}, body)
    return identify(request), request


def test_tags_are_numbered_in_the_order_in_which_they_are_asked_for():
    """So that searches for different tags stay different ones."""
    redactor = taught(rules(["tags"], origin="a test"))
    first = asked("POST", "/jobs", b'{"program_id":"sampler","tags":["team-red","run 7"]}')
    search = asked("GET", "/jobs?tags=run%207&tags=team-blue&limit=3")
    for call, request in (first, search):
        redactor.learn_request(call, request)
    assert redactor.clean_request(
        *first
    ).body == b'{"program_id":"sampler","tags":["REDACTED-1", "REDACTED-2"]}'.replace(b", ", b",")
    assert redactor.clean_request(*search).url == f"{URL}/jobs?tags=REDACTED-2&tags=REDACTED-3&limit=3"
    answer = redactor.clean_response(
        first[0], Response(200, body=b'{"tags": ["team-red", "theirs"], "id": "team-red"}')
    )
    assert answer.body == b'{"tags": ["REDACTED-1", "REDACTED"], "id": "team-red"}'


def test_logs_go_on_request():
    """What a job logged may be anything."""
    call, _ = asked("GET", "/jobs/d0/logs")
    response = Response(200, body=b"anything")
    assert taught(rules(["logs"], origin="a test")).clean_response(call, response).body == b"REDACTED"
    assert taught().clean_response(call, response).body == b"anything"
