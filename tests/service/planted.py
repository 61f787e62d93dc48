"""Looking for secrets in files, in the forms in which one may slip through.

Written apart from the package's own search on purpose: each checks the other.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

_KEEPS = (0, 2, 3)


def forms(secret: str) -> Iterator[tuple[str, bytes]]:
    """A secret as it may stand in lower-cased, and in unchanged, bytes."""
    raw = secret.encode()
    yield "plain", raw
    yield "percent", quote(secret, safe="").encode()
    yield "percent, every byte", "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "hex", raw.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        # Characters that also hold bits of the neighbours cannot be looked for.
        whole = coded[_KEEPS[shift] : len(coded) - (4 if (shift + len(raw)) % 3 else 0)]
        yield f"base64, alignment {shift}", whole
        yield f"base64 for URLs, alignment {shift}", whole.replace(b"+", b"-").replace(b"/", b"_")


def found_in(data: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Which secrets stand in bytes, each with its form."""
    low = data.lower()
    hits = []
    for name, secret in secrets.items():
        for form, needle in forms(secret):
            # Base64 tells upper from lower case, and means something else without it.
            where, what = (data, needle) if form.startswith("base64") else (low, needle.lower())
            if what in where:
                hits.append(f"{name} ({form})")
    return hits


def found_below(folder: Path, secrets: Mapping[str, str]) -> list[str]:
    """Which secrets stand in the files below a folder or in their names."""
    hits = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for layer in (data, gzip.decompress(data) if path.suffix == ".gz" else b"", str(path).encode()):
            hits += [f"{path.relative_to(folder)}: {hit}" for hit in found_in(layer, secrets)]
    return hits
