"""pytest-recording and pytest-vcr, which refuse one another: each by itself."""

from __future__ import annotations

import pytest
from plugin_project import EMULATOR, block, message

BOTH = pytest.mark.parametrize("plugin", ["recording", "vcr"])

CASSETTE = """interactions:
- request: {{body: null, headers: {{}}, method: GET, uri: '{}'}}
  response: {{body: {{string: hello}}, headers: {{}}, status: {{code: 200, message: OK}}}}
version: 1
"""
ELSEWHERE = "https://example.org/hello"
IBM = "https://quantum.cloud.ibm.com/api/v1/versions"

THEIRS = f"""
import pytest
import requests

@pytest.mark.vcr
def test_elsewhere():
    assert requests.get("{ELSEWHERE}").text == "hello"

@pytest.mark.vcr
def test_ibm():
    assert requests.get("{IBM}").text == "hello"
"""

OURS = f"""
import pytest
import requests
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.vcr
@pytest.mark.qsession
def test_ours():
    assert QiskitRuntimeService().usage()
    assert requests.get("{ELSEWHERE}").text == "hello"
"""


def keep(suite, plugin, test, uri, *, below=""):
    """Write a cassette where a plugin looks for that of a test."""
    module = f"{test[0]}/" if plugin == "recording" else ""
    path = suite.folder / below / "cassettes" / f"{module}{test[1]}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CASSETTE.format(uri))
    return path


@BOTH
def test_their_cassettes_are_played_as_without_us(suite, plugin):
    """Also those of IBM's API, in tests that are not ours; nobody takes them for orphans of ours."""
    suite.holds(THEIRS)
    keep(suite, plugin, ("test_theirs", "test_elsewhere"), ELSEWHERE)
    keep(suite, plugin, ("test_theirs", "test_ibm"), IBM)
    suite.in_any_order(plugin, theirs=2)
    assert not any("without a test" in line for line in block(suite.beside(plugin)))


@BOTH
def test_two_cassettes_in_one_test(suite, plugin):
    """What is asked of IBM is ours, the rest theirs; neither file has anything of the other."""
    suite.holds("def test_theirs(): pass", OURS, ini="qsession_cassettes = recordings")
    theirs = keep(suite, plugin, ("test_ours", "test_ours"), ELSEWHERE)
    for options in (EMULATOR, ()):
        suite.beside(plugin, *options).assert_outcomes(passed=2)
    assert theirs.read_text() == CASSETTE.format(ELSEWHERE)
    assert "test_ours/test_ours.yaml" in suite.files("recordings")
    assert not any(b"example.org" in content for content in suite.bytes("recordings").values())


@BOTH
def test_what_neither_cassette_has_is_refused_by_theirs(suite, plugin):
    """In vcrpy's words: a host of nobody's is none of ours while a cassette of theirs is in."""
    ours = OURS.replace(f'requests.get("{ELSEWHERE}")', f'requests.get("{ELSEWHERE}/other")')
    suite.holds("def test_theirs(): pass", ours, ini="qsession_cassettes = recordings")
    keep(suite, plugin, ("test_ours", "test_ours"), ELSEWHERE)
    result = suite.beside(plugin, *EMULATOR)
    result.assert_outcomes(passed=1, failed=1)
    assert "CannotOverwriteExistingCassetteException" in result.stdout.str()


@BOTH
def test_their_recording_stops_at_the_guard_of_a_run(suite, plugin):
    """A run on the emulator sends nothing, also not for the sake of another cassette."""
    suite.holds("def test_theirs(): pass", OURS, ini="qsession_cassettes = recordings")
    option = "--record-mode=once" if plugin == "recording" else "--vcr-record=once"
    result = suite.beside(plugin, *EMULATOR, option)
    result.assert_outcomes(passed=1, failed=1)
    assert message(result, "QS305").splitlines()[:2] == [
        "A connection to another host was refused: a replay sends nothing. [QS305]",
        "  to example.org",
    ]


def test_cassettes_that_would_be_one_file(suite):
    """pytest-recording keeps them beside the test file, under our name where that is the root."""
    suite.holds("def test_theirs(): pass", OURS)
    for options in (EMULATOR, ("--record-mode=rewrite",)):
        keep(suite, "recording", ("test_ours", "test_ours"), ELSEWHERE)
        result = suite.beside("recording", *options)
        result.assert_outcomes(passed=1, errors=1)
        assert message(result, "QS188") == (
            "The cassettes of qsession and of pytest-recording are one file: each would write over the other's."
            " [QS188]\n"
            "  both keep this test's in cassettes/test_ours/test_ours.yaml\n"
            "To fix: qsession_cassettes = cassettes/qsession in the ini file, or --qsession-cassettes=DIR\n"
            "Where: test_ours.py::test_ours"
        )
        kept = (suite.folder / "cassettes/test_ours/test_ours.yaml").read_text()
        assert kept == CASSETTE.format(ELSEWHERE)


def test_run_inside_of_a_cassette_of_vcrpy(suite):
    """Opened by hand, in either order."""
    body = """
    import pytest, requests, vcr, qsession

    def use(path):
        return vcr.use_cassette(path, record_mode="none")

    def test_ours(request):
        path = request.path.parent / "it.yaml"
        theirs = str(request.path.parent / "theirs.yaml")
        for run in (qsession.record(path, target="emulator"), qsession.replay(path)):
            with use(theirs), run:
                assert run.service().usage()
                assert requests.get("URI").text == "hello"
        with qsession.replay(path) as run, use(theirs):
            assert requests.get("URI").text == "hello"
            assert run.service().usage()
        with use(theirs), pytest.raises(Exception, match="play back"):
            requests.get("URI/other")
    """
    suite.holds("def test_theirs(): pass", body.replace("URI", ELSEWHERE))
    (suite.folder / "theirs.yaml").write_text(CASSETTE.format(ELSEWHERE))
    suite.beside("").assert_outcomes(passed=2)
