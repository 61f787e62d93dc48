"""Cassettes written to attack whoever reads them: is each refused, in bounded memory?

    python -m benchmarks.attacks

Each is opened in a process of its own, with all its bodies, as a replay does; its digests are right, as an
attacker would make them. It must be refused with an error of ours, within 512 MiB of memory more than the
process had before, and ten seconds of the processor. Exit status 1 if one is not.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import resource
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from qsession import _cassette
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._store import Store
from qsession.errors import CassetteError

MEMORY = 512 * 2**20
"""Bytes of memory that reading may take, beside what the process had before."""

SECONDS = 10
_JOBS = "https://quantum.cloud.ibm.com/api/v1/jobs"
_Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """One cassette.

    Attributes:
        name: What it tries.
        write: Writes it into a folder, and what lies beside it.
    """

    name: str
    write: Callable[[Path], Path]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        told: Code and evidence of the error; or what else happened.
        refused: Whether it was an error of ours.
        memory: Bytes of memory that it took.
        seconds: Processor time that it took.
    """

    told: str
    refused: bool
    memory: int
    seconds: float

    @property
    def fine(self) -> bool:
        """Whether it was refused within the bounds."""
        return self.refused and self.memory <= MEMORY and self.seconds <= SECONDS


def attacks() -> Iterator[Attack]:
    """All attacks."""
    yield from _on_yaml()
    yield from _on_fields()
    yield from _on_bodies()
    yield from _on_decoders()


def outcome(attack: Attack, folder: Path) -> Outcome:
    """Read one in a process of its own."""
    path = attack.write(folder)
    parent, child = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(parent)
        os.write(child, json.dumps(_read(path)).encode())
        os._exit(0)
    os.close(child)
    with os.fdopen(parent, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(process, 0)
    if not told:
        return Outcome(f"the process died with status {status}", refused=False, memory=0, seconds=0)
    return Outcome(**json.loads(told))


def _read(path: Path) -> Mapping[str, object]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    now = _size()
    resource.setrlimit(resource.RLIMIT_AS, (now + 4 * MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (6 * SECONDS, 6 * SECONDS))
    began, refused = process_time(), False
    try:
        for each in Store(path.parent, path.parent / ".qsession").load(path).interactions:
            _ = each.request.body, each.response.body
        told = "read without a word"
    except CassetteError as error:
        refused, told = True, f"{error.code}: {'; '.join(error.evidence)[:110]}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
        told = f"{type(error).__name__}: {error}"[:150]
    took = process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return {"told": told, "refused": refused, "memory": max(memory, 0), "seconds": took}


def _size() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read all, print what came of it."""
    if arguments or sys.argv[1:] not in ([], ["--quick"]):
        print(__doc__)
        return 2
    # What reading needs is loaded before, so that it is not counted.
    import qiskit.qpy  # noqa: F401

    failed, most = 0, 0
    for attack in attacks():
        with TemporaryDirectory() as name:
            found = outcome(attack, Path(name))
        failed += not found.fine
        most = max(most, found.memory)
        mark = "refused" if found.fine else "FOUND  "
        print(f"{mark} {found.seconds:6.2f} s {found.memory / 2**20:7.1f} MiB  {attack.name}: {found.told}")
    total = sum(1 for _ in attacks())
    print(f"{total} attacks, {total - failed} refused; at most {most / 2**20:.0f} MiB of memory")
    return 1 if failed else 0


def _document(body: bytes = b'{"id":"a"}') -> dict[str, Any]:
    request = Request("GET", f"{_JOBS}/a/results")
    exchange = Interaction("jobs.results", 0, request, Response(200), 0, 1)
    document: dict[str, Any] = _load(_cassette.encode(Recording(Provenance("emulator", 0), (exchange,)))[0])
    # However large it is: who attacks does as he likes.
    document["interactions"][0]["response"]["body"]["string"] = body.decode()
    return document


def _load(text: str) -> Any:
    from qsession import _bounded_yaml

    return _bounded_yaml.read(text)


def _sealed(document: Mapping[str, Any], **large: bytes) -> Callable[[Path], Path]:
    """Writes a document with the digests that it needs, and bodies beside it."""

    def write(folder: Path) -> Path:
        path = folder / "a.yaml"
        text = _cassette.dump(document)
        with suppress(CassetteError):  # One that is too broken for that is so for a reader too.
            text = _cassette.resealed(text, where="a.yaml")[0]
        path.write_text(text, "utf-8", errors="surrogatepass")
        for name, data in large.items():
            (folder / "bodies").mkdir(exist_ok=True)
            (folder / "bodies" / f"{name.removeprefix('x')}.gz").write_bytes(data)
        return path

    return write


def _raw(text: str | bytes | Callable[[], str]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "a.yaml"
        content = text() if callable(text) else text
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _changed(change: _Change) -> Callable[[Path], Path]:
    document = _document()
    change(document)
    return _sealed(document)


def _with(line: str) -> str:
    return _cassette.dump(_document()).replace("version: 1\n", f"version: 1\n{line}\n", 1)


def _laughs() -> str:
    rows = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(rows)


def _on_yaml() -> Iterator[Attack]:
    yield Attack("aliases, a billion laughs", _raw(_laughs))
    yield Attack("an alias of itself", _raw("&a [*a]"))
    yield Attack("an alias that hides a body", _raw(_with("x: &b hidden\ny: *b")))
    yield Attack("a tag that calls", _raw(_with("x: !!python/object/apply:os.system ['true']")))
    yield Attack("a tag that imports", _raw(_with("x: !!python/module:antigravity ''")))
    yield Attack("a tag that makes objects", _raw(_with("x: !!python/object/new:subprocess.Popen [[ls]]")))
    yield Attack("a merge key", _raw(_with("<<: {metadata: {}}")))
    yield Attack("one key twice", _raw(_with("version: 1")))
    yield Attack("interactions twice, one for the reviewer", _raw(lambda: _with("interactions: []")))
    yield Attack("nested, in brackets", _raw("[" * 1_000_000))
    yield Attack("nested, in lines", _raw(lambda: "".join(" " * n + "a:\n" for n in range(3000))))
    yield Attack("a number of a million digits", _raw(_with("x: " + "9" * 1_000_000)))
    yield Attack("a number to the base of 60", _raw(_with("x: " + ":".join(["1"] * 300_000))))
    yield Attack("ten million parts", _raw(lambda: "[" + "a," * 10_000_000 + "]"))
    yield Attack("ten million keys", _raw(lambda: "{" + "".join(f"{n}a: 1," for n in range(5_000_000)) + "}"))
    yield Attack("200 MB of blanks", _raw(lambda: " " * 200_000_000))
    yield Attack("two documents", _raw(lambda: _with("") + "--- {}\n"))
    yield Attack("NUL", _raw(_with("x: a\0b")))
    yield Attack("a lone surrogate", _raw(_with('x: "\\uD800"')))
    yield Attack("UTF-16", _raw(_with("").encode("utf-16")))


def _on_fields() -> Iterator[Attack]:
    def ours(document: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = document["interactions"][0]["qsession"]
        return found

    for name, value in [
        ("huge", 10**30),
        ("negative", -1),
        ("a text", "1"),
        ("true", True),
        ("NaN", float("nan")),
    ]:
        yield Attack(f"a moment that is {name}", _changed(lambda d, v=value: ours(d).update(at_us=v)))  # type: ignore[misc]
    yield Attack("a run of polls without an end", _changed(lambda d: ours(d).update(seen=10**40)))
    yield Attack(
        "a year beyond all dates",
        _changed(lambda d: d["metadata"]["qsession"].update(recorded_at="99999-01-01T00:00:00Z")),
    )
    yield Attack(
        "a status beyond all numbers",
        _changed(lambda d: d["interactions"][0]["response"]["status"].update(code=10**12)),
    )
    yield Attack(
        "an instance with a field of its own",
        _changed(lambda d: d["metadata"]["qsession"].update(instances=[{"__class__": "x"}])),
    )
    yield Attack(
        "headers that are none", _changed(lambda d: d["interactions"][0]["request"].update(headers=7))
    )


def _on_bodies() -> Iterator[Attack]:
    for name in (
        "../../../../etc/passwd",
        "/etc/passwd",
        "sha256:../../../../etc/passwd",
        "sha256:" + "a" * 63 + "/",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 64 + "\n",
        "file:///etc/passwd",
    ):
        yield Attack(
            f"a body at {name!r:.40}",
            _changed(lambda d, n=name: d["interactions"][0]["qsession"].update(response_body=n)),  # type: ignore[misc]
        )
    zeros = _packed_zeros(2 * 2**30)
    reference = "0" * 64
    referring = _document()
    referring["interactions"][0]["qsession"]["response_body"] = f"sha256:{reference}"
    yield Attack("a body of 2 GiB in 2 MB", _sealed(referring, **{f"x{reference}": zeros}))
    lying = zeros[:-4] + struct.pack("<I", 100)
    yield Attack("the same, that claims 100 bytes", _sealed(referring, **{f"x{reference}": lying}))
    yield Attack("a body that is cut", _sealed(referring, **{f"x{reference}": gzip.compress(b"x" * 99)[:-9]}))
    yield Attack("a body under another's name", _sealed(referring, **{f"x{reference}": gzip.compress(b"x")}))


def _packed_zeros(size: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    pieces = [stream.compress(bytes(2**24)) for _ in range(size // 2**24)]
    return b"".join([*pieces, stream.flush()])


def _on_decoders() -> Iterator[Attack]:
    """What the client's own decoders would be made to do."""
    for name, value in _values():
        text = json.dumps({"pub_results": [value]})
        yield Attack(f"results: {name}", _sealed(_document(text.encode())))
    settings = json.dumps(
        _class("settings", "qiskit.quantum_info.operators.mixins.tolerances", "TolerancesMeta")
    )
    hidden = settings.replace("__type__", "\\u005f_type__")
    yield Attack("results: a class behind an escape", _sealed(_document(hidden.encode())))
    names = {"__type__": "BindingsArray", "__value__": {"shape": [], "data": {f"[{settings}]": [1]}}}
    yield Attack(
        "results: a class in the name of a parameter", _sealed(_document(json.dumps(names).encode()))
    )
    deep = '{"__type__":' + "[" * 100_000 + "]" * 100_000 + "}"
    yield Attack("results: nested 100,000 deep", _sealed(_document(deep.encode())))
    content = json.dumps(_encoded("ndarray", _npy((2**40,), "<f8", b""))).encode() + b" " * _cassette.LARGE
    reference = hashlib.sha256(content).hexdigest()
    referring = _document()
    referring["interactions"][0]["qsession"]["response_body"] = f"sha256:{reference}"
    yield Attack(
        "results: an array of 8 TiB, in a large body",
        _sealed(referring, **{f"x{reference}": gzip.compress(content)}),
    )


def _values() -> Iterator[tuple[str, Mapping[str, object]]]:
    yield (
        "a class of qiskit",
        _class("settings", "qiskit.quantum_info.operators.symplectic.random", "BaseOperator"),
    )
    yield "a class of anybody", _class("settings", "subprocess", "Popen")
    yield "a class of the client", _class("_json", "qiskit_ibm_runtime.results.noise_learner", "Path")
    yield "a type with a class that is not known", _class("to_json", "os", "system")
    yield "an array of 2 GiB in 2 MB", _encoded("ndarray", bytes(2 * 2**30))
    yield "an array that claims 8 TiB", _encoded("ndarray", _npy((2**40,), "<f8", b""))
    yield "an array of pickles", _encoded("ndarray", _npy((1,), "|O", b"cos\nsystem\n."))
    yield "an archive in the place of an array", _encoded("ndarray", b"PK\3\4" + bytes(100))
    yield "a sparse matrix", {"__type__": "spmatrix", "__value__": base64.b64encode(b"PK\3\4").decode()}
    yield "circuits with four billion qubits", _encoded("QuantumCircuit", _qpy(16, qubits=2**32 - 1))
    yield "circuits that are evaluated", _encoded("QuantumCircuit", _qpy(10))
    yield "a tensor of 2**62 elements", {"data": "eJwDAAAAAAE=", "shape": [2**31, 2**31], "dtype": "f64"}


def _class(kind: str, module: str, name: str) -> Mapping[str, object]:
    return {"__type__": kind, "__module__": module, "__class__": name, "__value__": {"args": "true"}}


def _encoded(kind: str, raw: bytes) -> Mapping[str, object]:
    return {"__type__": kind, "__value__": base64.b64encode(zlib.compress(raw, 9)).decode()}


def _npy(shape: tuple[int, ...], kind: str, data: bytes) -> bytes:
    head = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return io.BytesIO(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + data).getvalue()


def _qpy(version: int, *, qubits: int = 1) -> bytes:
    head = struct.pack("!6sBBBBQcc", b"QISKIT", version, 2, 0, 0, 1, b"e", b"q")
    table = struct.pack("!Q", len(head) + 8) if version >= 16 else b""
    return head + table + struct.pack("!H1cHIIQIQ", 1, b"f", 8, qubits, 0, 0, 0, 0) + bytes(40)


if __name__ == "__main__":
    sys.exit(main())
