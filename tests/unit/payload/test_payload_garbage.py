"""Payloads that are damaged, hostile or nonsense."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import pytest
from payload_jobs import bell, sampler, wire

from qsession import _payload


def _pub(value: object) -> dict[str, object]:
    return {"pubs": [[{"__type__": "QuantumCircuit", "__value__": value}, None, None]]}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bomb() -> str:
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    return _text(b"".join(packer.compress(block) for _ in range(300)) + packer.flush())


def _nested(depth: int) -> object:
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


def _whole() -> str:
    params = wire({"pubs": [[bell(), None, None]]})
    assert isinstance(params, dict)
    return str(params["pubs"][0][0]["__value__"])


@pytest.mark.parametrize(
    ("params", "note"),
    [
        (_pub(_whole()[:40]), "a QuantumCircuit cannot be decoded: the zlib stream is cut short"),
        (
            _pub(_whole()[:41]),
            "a QuantumCircuit cannot be decoded: no base64: Invalid base64-encoded string: number of data "
            "characters (41) cannot be 1 more than a multiple of 4",
        ),
        (
            _pub(_bomb()),
            "a QuantumCircuit cannot be decoded: larger than 256 MiB when decompressed",
        ),
        (
            _pub(_text(b"plain")),
            "a QuantumCircuit cannot be decoded: no zlib stream: "
            "Error -3 while decompressing data: incorrect header check",
        ),
        (
            _pub(_text(zlib.compress(b"x" * 40))),
            "a QuantumCircuit cannot be decoded: no QPY file",
        ),
        (
            _pub(_text(zlib.compress(b"") + b"more")),
            "a QuantumCircuit cannot be decoded: something follows the zlib stream",
        ),
        (_pub(7), "a QuantumCircuit cannot be decoded: expected base64 text, found int"),
        (
            {"pubs": [[{"__type__": "Whatever", "__value__": 1}]]},
            "the type 'Whatever' is not known",
        ),
        ({"pubs": 3}, "the PUBs are int, not a list"),
        ({"pubs": [["x"]]}, "PUB 0 does not start with a circuit"),
        ({"pubs": ["x"]}, "PUB 0 is no list of up to 3 parts"),
        ({"pubs": [[]]}, "PUB 0 is no list of up to 3 parts"),
        (None, "the parameters are NoneType, not an object"),
        ({"pubs": _nested(100_000)}, "nested deeper than 100 levels"),
    ],
)
def test_read_of_garbage(params: object, note: str) -> None:
    """Garbage is kept, says why, equals itself, and nothing that is valid."""
    meaning, valid = _payload.read("sampler", params), sampler((bell(),))

    assert (meaning.understood, meaning.note) == (False, note)
    assert meaning.digest == _payload.read("sampler", params).digest
    assert meaning.digest != valid.digest
    assert _payload.differences(meaning, valid)


def test_read_of_circuits_that_claim_to_be_huge() -> None:
    """A header is not trusted before memory is reserved for what it claims."""
    raw = bytearray(zlib.decompress(base64.b64decode(_whole())))
    start = int.from_bytes(raw[20:28])
    raw[start + 5 : start + 9] = b"\xff\xff\xff\xff"

    assert _payload.read("sampler", _pub(_text(zlib.compress(bytes(raw))))).note == (
        "a QuantumCircuit cannot be decoded: a circuit in the QPY file claims to be larger than the file"
    )


@pytest.mark.parametrize(
    "text",
    ["", "no base64!", _text(b"x"), _text(zlib.compress(b"\x93NUMPY\x01\x00")), _bomb()[:2000]],
)
def test_read_of_garbage_arrays(text: str) -> None:
    """Damaged arrays are kept as they are."""
    meaning = _payload.read("sampler", {"pubs": [], "options": {"__type__": "ndarray", "__value__": text}})

    assert not meaning.understood


def test_read_of_an_array_of_objects() -> None:
    """An array that would have to be unpickled is not read."""
    raw = io.BytesIO()
    np.save(raw, np.array([{}], dtype=object), allow_pickle=True)
    value = {"__type__": "ndarray", "__value__": _text(zlib.compress(raw.getvalue()))}

    meaning = _payload.read("sampler", {"pubs": [], "options": value})

    assert meaning.note == "a ndarray cannot be decoded: an array of object"
