"""The model file: readable by others, and every damage is noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from glassnet.errors import ModelFileError
from glassnet.model_file import pack, unpack

TENSORS = {
    "linear1.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "linear1.bias": np.array([0.5, -0.0, 1e-40], np.float32),
    "wide": np.array([np.pi], np.float64),
}
TEXTS = {"format": "a test", "note": 'quotes " and "sha256":"0" inside, and ü'}


def test_what_is_packed_is_unpacked() -> None:
    tensors, texts = unpack(pack(TENSORS, TEXTS), "m")
    assert {key: texts[key] for key in TEXTS} == TEXTS
    assert list(tensors) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].tobytes() == tensor.tobytes()
        assert tensors[name].shape == tensor.shape


def test_the_library_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(pack(TENSORS, TEXTS))
    for name, tensor in safetensors.numpy.load_file(path).items():
        assert tensor.tobytes() == TENSORS[name].tobytes()
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata()["note"] == TEXTS["note"]


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place() -> None:
    content = pack(TENSORS, TEXTS)
    _, texts = unpack(content, "m")
    digest = texts["sha256"].encode()
    assert content.count(digest) == 1
    assert hashlib.sha256(content.replace(digest, b"0" * 64)).hexdigest().encode() == digest


def test_equal_models_give_equal_bytes() -> None:
    assert pack(TENSORS, TEXTS) == pack(dict(TENSORS), dict(TEXTS))


def test_every_flipped_bit_is_noticed() -> None:
    content = pack(TENSORS, TEXTS)
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            with pytest.raises(ModelFileError):
                unpack(bytes(damaged), "m")


def test_every_truncation_and_every_tail_is_noticed() -> None:
    content = pack(TENSORS, TEXTS)
    for length in range(len(content)):
        with pytest.raises(ModelFileError):
            unpack(content[:length], "m")
    with pytest.raises(ModelFileError):
        unpack(content + b"\0", "m")


def sealed(header: dict[str, Any], data: bytes) -> bytes:
    """A file whose digest is right, whatever its header says."""
    header = {"__metadata__": {"sha256": "0" * 64}, **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    content = len(text).to_bytes(8, "little") + text + data
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(b"0" * 64, digest.encode(), 1)


def entry(dtype: str, shape: list[Any], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def test_a_sealed_file_is_read() -> None:
    tensors, _ = unpack(sealed({"a": entry("F32", [2], 0, 8)}, bytes(8)), "m")
    assert tensors["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry("F32", [2], 0, 4)},
        {"a": entry("F32", [1], 0, 4)},  # bytes that belong to nobody
        {"a": entry("F32", [2], 4, 12)},
        {"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 0, 8)},  # overlap
        {"a": entry("F32", [-1, -2], 0, 8)},
        {"a": entry("F32", [2**62, 2**62], 0, 8)},
        {"a": entry("F32", ["x"], 0, 8)},
        {"a": entry("I64", [1], 0, 8)},
        {"a": {"dtype": "F32"}},
        {"a": 7},
        {f"t{n}": entry("F32", [0], 0, 0) for n in range(5000)},
    ],
)
def test_a_hostile_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        unpack(sealed(header, bytes(8)), "m")


def test_a_header_that_claims_to_be_huge_is_refused() -> None:
    content = pack(TENSORS, TEXTS)
    for length in (2**63, 2**24 + 1, len(content)):
        with pytest.raises(ModelFileError):
            unpack(length.to_bytes(8, "little") + content[8:], "m")


@pytest.mark.parametrize("content", [b"", b"{}", b"a,b\n1,2\n", bytes(100), b"PK\x03\x04" * 9])
def test_what_is_no_model_file_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match="not a model file"):
        unpack(content, "m")


def test_a_safetensors_file_of_others_is_refused() -> None:
    with pytest.raises(ModelFileError, match="no SHA-256"):
        unpack(safetensors.numpy.save(TENSORS), "m")
