"""What pytest-recording does with names, parameters, fixtures and files; each in a pytest of its own."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.failures._lab import API, HEADERS, RECORD, Experiment, Lab, Seen, Site, outcome, run_pytest

_SIDES = {"stock": ("vcr", "--record-mode=once"), "ours": ("qsession", *RECORD)}


def _project(lab: Lab, side: str, text: str, url: str) -> None:
    headers = {} if side == "stock" else HEADERS
    (lab.folder / "test_it.py").write_text(text.format(mark=_SIDES[side][0], url=url, headers=headers))


def _recorded(lab: Lab, side: str) -> str:
    return outcome(run_pytest(lab.folder, side, *_SIDES[side][1:]))


def _both(lab: Lab, side: str, first: str, then: str) -> tuple[str, str, int]:
    """Record a text, replay another: both outcomes, and how many requests were live in the replay."""
    with Site() as site:
        url = site.url if side == "stock" else API
        _project(lab, side, first, url)
        made = _recorded(lab, side)
        _project(lab, side, then, url)
        before = site.hits
        done = run_pytest(lab.folder, side)
        named = ", and the closing block names it" if "without a test" in done.stdout else ""
        return made, outcome(done) + named, site.hits - before


_NAMES = """
import pytest, requests

@pytest.mark.{mark}
@pytest.mark.parametrize("which", ["a/b", "a:b", "a*b"])
def test_c(which):
    assert requests.get("{url}/jobs?offset=%d" % ord(which[1]), headers={headers}).ok
"""


def _names(lab: Lab, side: str) -> Seen:
    made, told, _ = _both(lab, side, _NAMES, _NAMES)
    files = len(list((lab.folder / "cassettes").rglob("*.yaml")))
    return Seen(
        f"cassettes of 3 cases: {files}; recording: {made}; replay: {told}", files < 3 or "failed" in told
    )


_ORDER = """
import pytest, requests

@pytest.mark.{mark}
@pytest.mark.parametrize("one", ["a", "b"])
@pytest.mark.parametrize("other", ["x", "y"])
def test_it(one, other):
    assert requests.get("{url}/jobs?offset=%d" % ord(one), headers={headers}).ok
"""
_LINES = _ORDER.splitlines(keepends=True)
_EXCHANGED = "".join([*_LINES[:4], _LINES[5], _LINES[4], *_LINES[6:]])


def _order(lab: Lab, side: str) -> Seen:
    _, told, _ = _both(lab, side, _ORDER, _EXCHANGED)
    return Seen(f"with its two `parametrize` exchanged: {told}", "4 passed" not in told)


_RENAMED = """
import requests, pytest

@pytest.mark.{mark}
def test_%s():
    assert requests.get("{url}/jobs", headers={headers}).ok

@pytest.mark.{mark}
def test_other():
    assert requests.get("{url}/jobs", headers={headers}).ok
"""


def _orphan(lab: Lab, side: str) -> Seen:
    _, told, _ = _both(
        lab, side, _RENAMED % "gone", "import requests, pytest\n\n" + _RENAMED.split("\n\n")[2]
    )
    return Seen(f"a cassette whose test is gone: {told}", "names it" not in told)


_WIDE = """
import pytest, requests

@pytest.fixture(scope="module")
def service():
    try:
        return requests.get("{url}/jobs", headers={headers}).status_code
    except Exception:
        return None

@pytest.mark.{mark}
def test_it(service): pass
"""


def _wide(lab: Lab, side: str) -> Seen:
    _, told, live = _both(lab, side, _WIDE, _WIDE)
    kept = any(b"/jobs" in path.read_bytes() for path in (lab.folder / "cassettes").rglob("*.yaml"))
    done = "recorded" if kept else "not recorded"
    words = f"the request of a module's fixture is {done}; its replay: {live} live, {told}"
    return Seen(words, live > 0 or not kept)


_META = """
import pytest, requests

@pytest.mark.vcr
def test_it(vcr):
    vcr.get_metadata("seed", 3)
    requests.get("{url}/jobs", headers={headers})
"""
_SEED = """
def test_it(qsession_isa):
    assert qsession_isa
"""


def _stock_metadata(lab: Lab) -> Seen:
    made, told, _ = _both(lab, "stock", _META, _META)
    return Seen(f"a value kept with the cassette: recording {made}, replay {told}", "error" in told)


def _ours_metadata(lab: Lab) -> Seen:
    made, told, _ = _both(lab, "ours", _SEED, _SEED)
    (path,) = (lab.folder / "cassettes").rglob("*.yaml")
    kept = "isa_seed" in path.read_text()
    return Seen(
        f"the seed kept with the cassette: recording {made}, replay {told}", told != "1 passed" or not kept
    )


_PLAIN = """
import pytest, requests

@pytest.mark.{mark}
def test_it():
    assert requests.get("{url}/jobs", headers={headers}).ok
"""


def _encoding(lab: Lab, side: str) -> Seen:
    with Site() as site:
        _project(lab, side, _PLAIN, site.url if side == "stock" else API)
        _recorded(lab, side)
        (path,) = (lab.folder / "cassettes").rglob("*.yaml")
        path.write_bytes(path.read_bytes() + b"\xff\xfe")
        said = run_pytest(lab.folder, side).stdout
    named = path.name in said and ("QS202" in said or path.name in _error(said))
    return Seen(f"`{_error(said)}`", not named)


def _error(said: str) -> str:
    """The first line of the error that pytest reports."""
    lines = [line[1:].strip() for line in said.splitlines() if line.startswith("E ") and "%]" not in line]
    return ([line for line in said.splitlines() if "[QS" in line] or lines or [""])[0].strip("E ")


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    "names-collide": (lambda lab: _names(lab, "stock"), lambda lab: _names(lab, "ours")),
    "names-order": (lambda lab: _order(lab, "stock"), lambda lab: _order(lab, "ours")),
    "orphans": (lambda lab: _orphan(lab, "stock"), lambda lab: _orphan(lab, "ours")),
    "wide-fixture": (lambda lab: _wide(lab, "stock"), lambda lab: _wide(lab, "ours")),
    "metadata": (_stock_metadata, _ours_metadata),
    "plugin-encoding": (lambda lab: _encoding(lab, "stock"), lambda lab: _encoding(lab, "ours")),
}
