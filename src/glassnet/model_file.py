"""Reads and writes model files: tensors and metadata in one .safetensors file with a SHA-256.

In: tensors and texts. Out: bytes, and from bytes the same tensors and texts, or a
`ModelFileError`. The digest covers every byte of the file; its own 64 hexadecimal digits count as
zeros.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.files import open_plain
from glassnet.outputs import replacing
from glassnet.serialize import LONGEST, Length, Within, from_plain, parse, read_value, value_text
from glassnet.words import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LONGEST_HEADER = LONGEST
_MOST_TENSORS = 1 << 16
_AT_ONCE = 1 << 26  # bytes; the header of a longer file is checked before the rest is read
NO_MODEL = "{} is not a model file; name a file that `glassnet fit` or gn.save has written"
_KEY = b'"sha256":"'
_BLANK = b"0" * 64
Size = Annotated[int, Within(0, 1 << 40)]


@dataclass(frozen=True)
class Tensor:
    """The header entry of a tensor; `data_offsets` are bytes from the end of the header."""

    dtype: Literal["F32", "F64"]
    shape: Annotated[tuple[Size, ...], Length(0, 8)]
    data_offsets: tuple[Size, Size]


def pack(tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """Return the bytes of a model file with these tensors (float32 or float64) and metadata."""
    if len(tensors) > _MOST_TENSORS:
        raise ModelFileError(f"{plural(len(tensors), 'tensor')}; {_MOST_TENSORS:,} are the most")
    header: dict[str, Any] = {"__metadata__": {**texts, "sha256": _BLANK.decode()}}
    parts: list[bytes] = []
    start = 0
    for name, tensor in tensors.items():
        dtype = tensor.dtype.newbyteorder("<")
        data = np.ascontiguousarray(tensor, dtype).tobytes()
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, start + len(data)],
        }
        parts.append(data)
        start += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _LONGEST_HEADER:
        raise ModelFileError(
            f"what a model file says of its columns would have {len(text):,} bytes, and "
            f"{_LONGEST_HEADER:,} are the most; train with fewer columns, or fewer targets at once"
        )
    content = len(text).to_bytes(8, "little") + text + b"".join(parts)
    place = content.index(_KEY) + len(_KEY)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digest + content[place + 64 :]


def unpack(content: bytes, label: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the tensors and metadata of a model file's bytes; `label` names the file in errors.

    Raises ModelFileError where the digest or the header is wrong."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 10 or content[8:9] != b"{":
        raise ModelFileError(NO_MODEL.format(label))
    if length > _LONGEST_HEADER or 8 + length > len(content):
        raise _damaged(label, "its header is cut off")
    text = content[8 : 8 + length]
    place = text.find(_KEY) + 8 + len(_KEY)
    if text.count(_KEY) != 1:
        raise ModelFileError(
            f"{label} carries no SHA-256, so it is damaged or no glassnet model; "
            "name a file that `glassnet fit` or gn.save has written"
        )
    blanked = content[:place] + _BLANK + content[place + 64 :]
    if hashlib.sha256(blanked).hexdigest().encode() != content[place : place + 64]:
        raise _damaged(label, "its contents do not match its SHA-256")
    try:
        header = read_value(dict[str, Any], parse(text), "its header")
        texts = read_value(dict[str, str], header.pop("__metadata__", None), "its metadata")
        return _tensors(_entries(header), content[8 + length :]), texts
    except ValueError as error:
        raise _damaged(label, f"its header cannot be used ({error})") from None


def save(
    path: str | Path,
    tensors: Mapping[str, NDArray[Any]],
    texts: Mapping[str, str],
    option: str = "",
) -> int:
    """Write a model file completely or not at all (see `replacing`); return its size in bytes."""
    content = pack(tensors, texts)
    with replacing(path, option) as file:
        file.write(content)
    return len(content)


def load(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read and check a model file; return its tensors and its metadata."""
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > _AT_ONCE:
                _check_length(file, size, str(path))
                file.seek(0)
            content = file.read(size)
    except FileNotFoundError:
        raise ModelFileError(f"{path} does not exist; check the path and the spelling") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    return unpack(content, str(path))


def _check_length(file: IO[bytes], size: int, label: str) -> None:
    """Raise ModelFileError if a large file is not as long as its header says, before reading all
    of it."""
    length = int.from_bytes(file.read(8), "little")
    text = file.read(min(length, _LONGEST_HEADER)) if length else b""
    if not text.startswith(b"{"):
        raise ModelFileError(NO_MODEL.format(label))
    try:
        header = read_value(dict[str, Any], parse(text), "its header")
        header.pop("__metadata__", None)
        stops = [entry.data_offsets[1] for entry in _entries(header).values()]
        if 8 + length + max(stops, default=0) != size:
            raise ValueError(f"it describes a length other than {size:,} bytes")
    except ValueError as error:
        raise _damaged(label, f"its header cannot be used ({error})") from None


def _entries(header: dict[str, Any]) -> dict[str, Tensor]:
    return {
        name: from_plain(Tensor, entry, f"tensor {value_text(name)}")
        for name, entry in header.items()
    }


def _tensors(entries: dict[str, Tensor], data: bytes) -> dict[str, NDArray[Any]]:
    """Return views of the data, which must be contiguous and in the order of the header."""
    if len(entries) > _MOST_TENSORS:
        raise ValueError(plural(len(entries), "tensor"))
    tensors: dict[str, NDArray[Any]] = {}
    end = 0
    for name, entry in entries.items():
        dtype = _DTYPES[entry.dtype]
        start, stop = entry.data_offsets
        if start != end or stop - start != math.prod(entry.shape) * dtype.itemsize:
            raise ValueError(f"tensor {value_text(name)} does not fit")
        tensors[name] = np.frombuffer(data[start:stop], dtype).reshape(entry.shape)
        end = stop
    if end != len(data):
        raise ValueError("bytes that belong to no tensor")
    return tensors


def _damaged(label: str, reason: str) -> ModelFileError:
    return ModelFileError(f"{label} is damaged: {reason}; restore it from a copy or train again")
