"""Ids translated on the wire."""

import re

from hypothesis import given
from hypothesis import strategies as st

from qsession._ids import Ids
from qsession._model import Request, Response


def test_created_same_request_twice_gives_two_pseudonyms_in_order():
    """The n-th equal request has the same pseudonym in every recording."""
    one, two = Ids(), Ids()
    first = [one.created("job", f"real-{i}-aaaa", "meaning") for i in range(2)]
    second = [two.created("job", f"other-{i}-bbbb", "meaning") for i in range(2)]
    assert first == second
    assert first[0] != first[1]


def test_pseudonyms_have_the_shape_of_the_service_ids():
    """The client and its users may check the shape."""
    ids = Ids()
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", ids.created("session", "r", "m")
    )
    assert re.fullmatch(r"[0-9a-v]{20}", ids.created("job", "r2", "m"))


def test_translation_is_whole_ids_only():
    """An id that another begins with is left alone."""
    ids = Ids()
    pseudonym = ids.created("job", "abc123", "m")
    seen = ids.incoming(Response(200, body=b'{"id":"abc123","other":"abc1234","s":"x-abc123"}'))
    assert seen.body == f'{{"id":"{pseudonym}","other":"abc1234","s":"x-abc123"}}'.encode()


@given(
    st.binary(max_size=200),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20),
)
def test_outgoing_undoes_incoming(body, real):
    """What the client sends back reaches the service under the real id."""
    ids = Ids()
    pseudonym = ids.created("session", real, "m")
    sent = b"%s|%s|" % (body, real.encode())
    seen = ids.incoming(Response(200, body=sent))
    assert pseudonym.encode() in seen.body
    request = ids.outgoing(Request("GET", f"https://h/sessions/{pseudonym}", body=seen.body))
    assert request.url == f"https://h/sessions/{real}"
    assert request.body == sent


def test_literal_lists_ids_that_the_author_brought():
    """An id that first occurs in a request was not made in this run."""
    ids = Ids()
    pseudonym = ids.created("job", "real-job-1", "m")
    ids.mentioned({"job": pseudonym})
    ids.mentioned({"job": "brought-along"})
    ids.mentioned({"session": "brought-too", "backend": "ibm_fez"})
    assert ids.literal == ("brought-along", "brought-too")
