"""Files that are damaged, shared by processes or half written: who notices, and whose file is still there?

Each damage is done to a cassette of three interactions of either kind. vcrpy opens it in mode ``once``, its
default, and makes one request that is not in it; qsession opens it as a replay does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import requests

from benchmarks.failures._lab import Experiment, Lab, Seen, Site, read, recorded, refusal, run_pytest
from qsession._store import Store
from qsession.errors import CassetteError

Damage = Callable[[bytes], bytes]


def _boundary(data: bytes) -> bytes:
    return data[: data.rindex(b"\n- request:") + 1]


def _future(data: bytes) -> bytes:
    return data.replace(b"version: 1", b"version: 99").replace(b"format: 1", b"format: 99")


DAMAGES: Mapping[str, Damage] = {
    "file-encoding": lambda data: data + b"\xff\xfe",
    "file-boundary": _boundary,
    "file-other-yaml": lambda _: b"a: 1\n",
    "file-future": _future,
    "file-empty": lambda _: b"",
    "file-edited": lambda data: data.replace(b"code: 200", b"code: 404", 1),
    "file-twice": lambda data: data + data[data.rindex(b"- request:") :],
    "file-conflict": lambda data: data.replace(b"- request:", b"<<<<<<< ours\n- request:", 1),
}


def _stock(damage: Damage, lab: Lab) -> Seen:
    import vcr

    path = lab.folder / "theirs.yaml"
    with Site() as site:
        with vcr.use_cassette(str(path)):
            for number in range(3):
                requests.get(f"{site.url}/{number}", timeout=30)
        path.write_bytes(after := damage(path.read_bytes()))
        told = ""
        try:
            with warnings.catch_warnings(), vcr.use_cassette(str(path)) as cassette:
                warnings.simplefilter("ignore")
                told = f"loads {len(cassette)} of 3"
                requests.get(f"{site.url}/new", timeout=30)
        except Exception as refused:  # noqa: BLE001 - no types are promised
            # That the new request is refused is as it should be.
            named = "" if path.name in str(refused) else " that does not name the file"
            told = told or f"`{type(refused).__name__}`{named}"
    over = path.read_bytes() != after
    return Seen(
        told + (", then records over the file" if over else ""), over or "`" not in told or "name" in told
    )


def _ours(damage: Damage, lab: Lab) -> Seen:
    path = recorded(lab.folder, *(read(f"/jobs/d{number:019d}", "ok", at=number) for number in range(3)))
    path.write_bytes(after := damage(path.read_bytes()))
    try:
        Store(lab.folder, lab.folder / ".other").load(path)
    except CassetteError as refused:
        kept = path.read_bytes() == after and path.name in str(refused)
        return Seen(f"{refused.code}, the file is named and left as it was", not kept)
    return Seen("read", True)


def _cuts(path: Path) -> list[bytes]:
    """The file without its end, for each line that it may end at."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [b"".join(lines[:count]) for count in range(1, len(lines))]


def _stock_cut(lab: Lab) -> Seen:
    import vcr
    from vcr.cassette import Cassette
    from vcr.serializers import yamlserializer

    path = lab.folder / "theirs.yaml"
    with Site() as site, vcr.use_cassette(str(path)):
        for number in range(3):
            requests.get(f"{site.url}/{number}", timeout=30)
    cuts, loaded = _cuts(path), 0
    for cut in cuts:
        path.write_bytes(cut)
        with suppress(Exception):
            loaded += len(Cassette.load(path=str(path), serializer=yamlserializer)) < 4
    return Seen(
        f"{loaded} of {len(cuts)} files cut at the end of a line are loaded without an error", loaded > 0
    )


def _ours_cut(lab: Lab) -> Seen:
    path = recorded(lab.folder, *(read(f"/jobs/d{number:019d}", "ok", at=number) for number in range(3)))
    cuts, refused = _cuts(path), 0
    for cut in cuts:
        path.write_bytes(cut)
        refused += refusal(lambda: Store(lab.folder, lab.folder / ".other").load(path)).startswith("QS20")
    return Seen(f"{refused} of {len(cuts)} files cut at the end of a line are refused", refused < len(cuts))


def _stock_workers(lab: Lab) -> Seen:
    from benchmarks.workers import theirs

    kept = theirs(lab.folder, 4, 15)
    return Seen(f"{kept} of 60 requests of 4 processes are in the file", kept < 60)


def _ours_workers(lab: Lab) -> Seen:
    from benchmarks.workers import ours

    found = ours(lab.folder / "cassettes", 4, 5 if lab.quick else 15)
    number = 20 if lab.quick else 60
    return Seen(f"{number - len(found)} of {number} recordings of 4 processes are there, whole", bool(found))


def _stock_kills(lab: Lab) -> Seen:
    from benchmarks.kills import vcrpy

    kills = 60
    lab.folder.joinpath("a.yaml").write_bytes(_large(lab.folder).read_bytes())
    broken = kills - vcrpy(lab.folder, kills, 5).counts["whole"]
    return Seen(
        f"{broken} of {kills} processes killed while they save leave a file that is not whole", broken > 0
    )


def _large(folder: Path) -> Path:
    return recorded(folder, *(read(f"/jobs/d{number:019d}", "x" * 2000, at=number) for number in range(200)))


def _ours_kills(lab: Lab) -> Seen:
    import qsession.emulator  # noqa: F401 - what a child needs is imported before it is forked
    from benchmarks.kills import recordings

    kills = 6 if lab.quick else 30
    tally = recordings(lab.folder.resolve(), kills, 5)
    told = f"{kills - len(tally.findings)} of {kills} leave the old cassette or the new one, whole"
    return Seen(told, bool(tally.findings))


_FAILS = """
import os, pytest, requests

@pytest.mark.{mark}
def test_it():
    requests.get("{url}", headers={headers})
    if os.environ.get("DIES"):
        os._exit(3)
    assert not os.environ.get("FAILS")
"""


def _stock_project(lab: Lab, site: Site) -> Path:
    (lab.folder / "test_it.py").write_text(_FAILS.format(mark="vcr", url=site.url, headers={}))
    return lab.folder / "cassettes" / "test_it" / "test_it.yaml"


def _ours_project(lab: Lab) -> Path:
    from benchmarks.failures._lab import API, HEADERS

    text = _FAILS.format(mark="qsession", url=f"{API}/jobs", headers=HEADERS)
    (lab.folder / "test_it.py").write_text(text)
    return lab.folder / "cassettes" / "test_it" / "test_it.yaml"


def _stock_dies(lab: Lab) -> Seen:
    with Site() as site:
        path = _stock_project(lab, site)
        run_pytest(lab.folder, "stock", "--record-mode=once")
        assert path.exists()
        run_pytest(lab.folder, "stock", "--record-mode=rewrite", DIES="1")
    return _left(path)


def _ours_dies(lab: Lab) -> Seen:
    from benchmarks.failures._lab import RECORD

    path = _ours_project(lab)
    run_pytest(lab.folder, "ours", *RECORD)
    former = path.read_bytes()
    run_pytest(lab.folder, "ours", *RECORD, DIES="1")
    seen = _left(path)
    return seen if seen.shows else Seen(seen.words, path.read_bytes() != former)


def _left(path: Path) -> Seen:
    return Seen("the old cassette is " + ("there" if path.exists() else "gone"), not path.exists())


def _stock_failing(lab: Lab) -> Seen:
    with Site() as site:
        path = _stock_project(lab, site)
        text = (lab.folder / "test_it.py").read_text()
        (lab.folder / "test_it.py").write_text(
            text.replace("mark.vcr", "mark.vcr(record_on_exception=False)")
        )
        run_pytest(lab.folder, "stock", "--record-mode=once", FAILS="1")
    told = "with `record_on_exception=False` the failing test's cassette is " + (
        "" if path.exists() else "not "
    )
    return Seen(told + "written", path.exists())


def _ours_failing(lab: Lab) -> Seen:
    from benchmarks.failures._lab import RECORD

    path = _ours_project(lab)
    run_pytest(lab.folder, "ours", *RECORD, FAILS="1")
    aside = list((lab.folder / ".qsession").rglob("*.yaml"))
    told = "the cassette is not written; what was recorded is kept aside for `qsession accept`"
    return Seen("the cassette is written" if path.exists() else told, path.exists() or len(aside) != 1)


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    **{name: (partial(_stock, damage), partial(_ours, damage)) for name, damage in DAMAGES.items()},
    "file-cut": (_stock_cut, _ours_cut),
    "file-workers": (_stock_workers, _ours_workers),
    "file-kills": (_stock_kills, _ours_kills),
    "run-dies": (_stock_dies, _ours_dies),
    "failing-test": (_stock_failing, _ours_failing),
}
