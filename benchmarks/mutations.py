"""Cassettes, bodies and caches damaged at random: is each damage found, or without effect?

    python -m benchmarks.mutations                  # 10,000 mutations, some minutes
    python -m benchmarks.mutations --quick          # 300
    python -m benchmarks.mutations --seed 7         # others

Each mutation changes one file of a copy of this project's cassettes: bytes, lines, whole interactions,
encodings, ends. Then the cassette is opened and all of it is read. It must be refused with an error of ours,
or read as it was; and the file must be as the mutation left it. Exit status 1 if it is not.
Stock vcrpy is shown the same cassettes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from qsession import _store
from qsession._kept import Recent
from qsession._model import Interaction
from qsession._store import Store
from qsession.errors import CassetteError

ROOT = Path(__file__).parent.parent
_SOURCES = ("test_flows", "test_executor_programs")
_QUICK, _FULL = 300, 10_000
_Change = Callable[[bytes, random.Random], bytes]


@dataclass(slots=True)
class Tally:
    """What came of the mutations.

    Attributes:
        ours: Outcomes by kind of file and outcome.
        theirs: Outcomes of stock vcrpy, for cassettes.
        findings: What should not have been.
    """

    ours: Counter[tuple[str, str]] = field(default_factory=Counter)
    theirs: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


class Shelf:
    """A copy of cassettes, and what they hold.

    Args:
        folder: Where to copy them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.scratch = folder / "cassettes", folder / ".qsession"
        for name in _SOURCES:
            shutil.copytree(ROOT / "cassettes/tests/recorded" / name, self.folder / name)
        shutil.copytree(ROOT / "cassettes/bodies", self.folder / "bodies")
        self.cassettes = sorted(self.folder.rglob("*.yaml"))
        self.whole = {path: self.read(path) for path in self.cassettes}
        self.bodies = sorted(self.folder.rglob("*.gz"))
        self.kept = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in self.cassettes}
        self.caches = sorted((self.scratch / "cache").glob("*.recording"))

    def read(self, path: Path) -> object:
        """Open a cassette as a process does that never saw it, and read all of it.

        Returns:
            What a test can see. JSON counts by its content: an editor may reformat a body.
        """
        _store._opened = Recent(1)
        _store._bodies = Recent(1)
        recording = Store(self.folder, self.scratch).load(path)
        return recording.provenance, [_seen(each) for each in recording.interactions]


def _seen(each: Interaction) -> object:
    asked, told = each.request, each.response
    request = (asked.method, asked.url, asked.headers, _content(asked.body))
    response = (told.status, told.reason, told.headers, _content(told.body))
    return each.endpoint, each.instance, request, response, each.at, each.took, each.seen, each.last


def _content(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate, read, print what came of it."""
    options = _parser().parse_args(arguments)
    number = options.number or (_QUICK if options.quick else _FULL)
    began = perf_counter()
    with TemporaryDirectory() as name:
        tally = mutate(Shelf(Path(name)), number, options.seed)
    print("\n".join(_report(tally, number, perf_counter() - began)))
    return 1 if tally.findings else 0


def mutate(shelf: Shelf, number: int, seed: int) -> Tally:
    """Mutate one file after another, each time read it, and put it back.

    Args:
        shelf: The files.
        number: How many mutations.
        seed: Which ones.
    """
    chance, tally = random.Random(seed), Tally()
    for turn in range(number):
        kind = chance.choices(("cassette", "body", "cache"), (7, 2, 1))[0]
        path = chance.choice({"cassette": shelf.cassettes, "body": shelf.bodies, "cache": shelf.caches}[kind])
        before = path.read_bytes()
        changes = _TEXT if kind == "cassette" else _BYTES if kind == "cache" else (*_BYTES, _other_content)
        change = chance.choice(changes)
        after = change(before, chance)
        if after == before:
            tally.ours[kind, "no change"] += 1
            continue
        path.write_bytes(after)
        targets = {"cassette": [path], "body": shelf.cassettes, "cache": [shelf.kept.get(path.stem, path)]}
        _judge(shelf, chance.choice(targets[kind]), f"{turn}: {change.__name__} of a {kind}", kind, tally)
        if kind != "cache" and path.read_bytes() != after:
            tally.findings.append(f"{turn}: {change.__name__}: the {kind} was overwritten")
        if kind == "cassette":
            tally.theirs[_their_outcome(path, before)] += 1
        path.write_bytes(before)
    return tally


def _judge(shelf: Shelf, target: Path, what: str, kind: str, tally: Tally) -> None:
    try:
        same = shelf.read(target) == shelf.whole[target]
    except CassetteError as refused:
        tally.ours[kind, f"refused, {refused.code}"] += 1
        return
    except BaseException as other:  # noqa: BLE001 - whatever it is, it is a finding
        tally.findings.append(f"{what}: {type(other).__name__}: {other}")
        return
    tally.ours[kind, "read as it was" if same else "read as something else"] += 1
    if not same:
        tally.findings.append(f"{what}: {target.name} was read as something else")


def _their_outcome(path: Path, before: bytes) -> str:
    from vcr.persisters.filesystem import FilesystemPersister
    from vcr.serializers import yamlserializer

    try:
        now = FilesystemPersister.load_cassette(path, serializer=yamlserializer)
    except Exception as refused:  # noqa: BLE001 - no types are promised
        # What cannot be decoded counts as no cassette, and is recorded over in mode once.
        return "taken for no cassette" if type(refused).__name__ == "CassetteDecodeError" else "an exception"
    mutated = path.read_bytes()
    path.write_bytes(before)
    was = FilesystemPersister.load_cassette(path, serializer=yamlserializer)
    path.write_bytes(mutated)
    same = repr([vars(r) for r in now[0]]) == repr([vars(r) for r in was[0]]) and now[1] == was[1]
    return "read as it was" if same else "read as something else, without a word"


def _flip(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def _other_byte(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + bytes([chance.randrange(32, 127)]) + data[place + 1 :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.randbytes(chance.randint(1, 4)) + data[place:]


def _cut_out(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + data[place + chance.randint(1, 400) :]


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _double(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    piece = data[place : place + chance.randint(1, 400)]
    return data[:place] + piece + data[place:]


def _append(data: bytes, chance: random.Random) -> bytes:
    return data + chance.choice([b"\n", b"\0", b"...\n", b"--- a\n", b"a: 1\n", chance.randbytes(9), data])


def _zeros(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    piece = data[place : place + chance.randint(1, 4096)]
    return data[:place] + bytes(len(piece)) + data[place + len(piece) :]


def _lines(change: Callable[[list[bytes], random.Random], None]) -> _Change:
    def changed(data: bytes, chance: random.Random) -> bytes:
        lines = data.splitlines(keepends=True)
        change(lines, chance)
        return b"".join(lines)

    changed.__name__ = change.__name__
    return changed


def _drop_lines(lines: list[bytes], chance: random.Random) -> None:
    start = chance.randrange(len(lines))
    del lines[start : start + chance.choice([1, 1, 2, 5, 30])]


def _repeat_lines(lines: list[bytes], chance: random.Random) -> None:
    start = chance.randrange(len(lines))
    end = start + chance.choice([1, 1, 2, 5, 30])
    lines[end:end] = lines[start:end]


def _swap_lines(lines: list[bytes], chance: random.Random) -> None:
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def _conflict(lines: list[bytes], chance: random.Random) -> None:
    start = chance.randrange(len(lines))
    ours = lines[start : start + 3]
    lines[start : start + 3] = [b"<<<<<<< ours\n", *ours, b"=======\n", *ours, b">>>>>>> theirs\n"]


def _digit(data: bytes, chance: random.Random) -> bytes:
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    place = chance.choice(places)
    return data[:place] + str(chance.randrange(10)).encode() + data[place + 1 :]


def _word(data: bytes, chance: random.Random) -> bytes:
    pairs = [(b"ibm_fez", b"ibm_fes"), (b"200", b"404"), (b"COMPLETED", b"FAILED"), (b"Completed", b"Failed")]
    pairs += [(b"seen: ", b"seen: 1"), (b"emulator", b"ibm"), (b"00", b"01"), (b"GET", b"POST"), (b"'", b'"')]
    word, other = chance.choice(pairs)
    places = data.count(word)
    if not places:
        return data
    keep = chance.randrange(places) + 1
    return other.join(data.split(word, keep)) if chance.random() < 0.3 else _nth(data, word, other, keep)


def _nth(data: bytes, word: bytes, other: bytes, number: int) -> bytes:
    parts = data.split(word)
    return word.join(parts[:number]) + other + word.join(parts[number:])


def _entries(change: Callable[[list[bytes], random.Random], None]) -> _Change:
    def changed(data: bytes, chance: random.Random) -> bytes:
        head, *entries = data.split(b"\n- request:\n")
        change(entries, chance)
        return b"\n- request:\n".join([head, *entries])

    changed.__name__ = change.__name__
    return changed


def _drop_entry(entries: list[bytes], chance: random.Random) -> None:
    del entries[chance.randrange(len(entries))]


def _repeat_entry(entries: list[bytes], chance: random.Random) -> None:
    entries.insert(chance.randrange(len(entries)), chance.choice(entries))


def _swap_entries(entries: list[bytes], chance: random.Random) -> None:
    one, other = chance.randrange(len(entries)), chance.randrange(len(entries))
    entries[one], entries[other] = entries[other], entries[one]


def _encode_anew(data: bytes, chance: random.Random) -> bytes:
    text = data.decode()
    if chance.random() < 0.3:
        return b"\xef\xbb\xbf" + data
    return text.encode(chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"]))


def _end_lines_anew(data: bytes, chance: random.Random) -> bytes:
    return data.replace(b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", b" \n"]))


def _other_content(data: bytes, chance: random.Random) -> bytes:
    content = gzip.decompress(data)
    return gzip.compress(_flip(content, chance) if chance.random() < 0.5 else content, chance.randint(1, 9))


_BYTES: tuple[_Change, ...] = (*(_flip, _other_byte, _insert, _cut_out, _truncate, _double, _append, _zeros),)
_TEXT: tuple[_Change, ...] = (
    *_BYTES,
    *(_digit, _digit, _word, _word, _word, _encode_anew, _end_lines_anew),
    *(_lines(_drop_lines), _lines(_repeat_lines), _lines(_swap_lines), _lines(_conflict)),
    *(_entries(_drop_entry), _entries(_repeat_entry), _entries(_swap_entries)),
)


def _report(tally: Tally, number: int, took: float) -> list[str]:
    lines = [f"{number} mutations in {took:.0f} s"]
    for (kind, outcome), times in sorted(tally.ours.items()):
        lines.append(f"  {kind:<9} {outcome:<30} {times:>6}")
    lines.append("stock vcrpy, the mutated cassettes:")
    lines += [f"  {outcome:<40} {times:>6}" for outcome, times in sorted(tally.theirs.items())]
    lines.append(f"findings: {len(tally.findings)} (read as something else, other exceptions, overwritten)")
    return lines + [f"  {finding}" for finding in tally.findings[:20]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutations",
        description="Cassettes, bodies and caches damaged at random, and what came of it.",
        epilog="example:\n  python -m benchmarks.mutations --number 2000 --seed 7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--number", type=int, metavar="N", help=f"mutations (default: {_FULL}, or {_QUICK})")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which ones (default: 0)")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} mutations")
    return parser


if __name__ == "__main__":
    sys.exit(main())
