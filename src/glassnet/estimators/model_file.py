"""The model file: tensors and their description in one .safetensors file, sealed by a SHA-256.

In: tensors and texts. Out: bytes, and from bytes the same tensors and texts, or a
`ModelFileError`. The digest covers every byte of the file, with the digest's own 64 digits read
as zeros.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.tables.write import replacing
from glassnet.words import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LONGEST_HEADER = 1 << 24
_MOST_TENSORS = 4096
_KEY = b'"sha256":"'
_BLANK = b"0" * 64


def pack(tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """The bytes of a model file."""
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
    content = len(text).to_bytes(8, "little") + text + b"".join(parts)
    place = content.index(_KEY) + len(_KEY)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digest + content[place + 64 :]


def unpack(content: bytes, label: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The tensors and texts of a model file whose digest is right."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 10 or content[8:9] != b"{":
        raise ModelFileError(
            f"{label} is not a model file; name a file that `glassnet fit` has written"
        )
    if length > _LONGEST_HEADER or 8 + length > len(content):
        raise _damaged(label, "its header is cut off")
    text = content[8 : 8 + length]
    place = text.find(_KEY) + 8 + len(_KEY)
    if text.count(_KEY) != 1:
        raise ModelFileError(
            f"{label} carries no SHA-256, so it is damaged or no glassnet model; "
            "name a file that `glassnet fit` has written"
        )
    blanked = content[:place] + _BLANK + content[place + 64 :]
    if hashlib.sha256(blanked).hexdigest().encode() != content[place : place + 64]:
        raise _damaged(label, "its contents do not match its SHA-256")
    try:
        header = json.loads(text)
        texts = header.pop("__metadata__")
        tensors = _tensors(header, content[8 + length :])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(label, f"its header cannot be used ({error})") from None
    return tensors, {str(key): str(value) for key, value in texts.items()}


def save(path: str | Path, tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> int:
    """Write a model file, whole or not at all; the number of bytes."""
    content = pack(tensors, texts)
    with replacing(path) as file:
        file.write(content)
    return len(content)


def load(path: str | Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read and check a model file."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path} does not exist; check the path and the spelling") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    return unpack(content, str(path))


def _tensors(header: dict[str, Any], data: bytes) -> dict[str, NDArray[Any]]:
    """Views of the data, which must lie end to end in the order of the header."""
    if len(header) > _MOST_TENSORS:
        raise ValueError(counted(len(header), "tensor"))
    tensors: dict[str, NDArray[Any]] = {}
    end = 0
    for name, entry in header.items():
        dtype = _DTYPES[entry["dtype"]]
        shape = tuple(int(size) for size in entry["shape"])
        start, stop = (int(offset) for offset in entry["data_offsets"])
        if (
            min(shape, default=0) < 0
            or start != end
            or stop - start != math.prod(shape) * dtype.itemsize
        ):
            raise ValueError(f"tensor {name} does not fit")
        tensors[name] = np.frombuffer(data[start:stop], dtype).reshape(shape)
        end = stop
    if end != len(data):
        raise ValueError("bytes that belong to no tensor")
    return tensors


def _damaged(label: str, reason: str) -> ModelFileError:
    return ModelFileError(f"{label} is damaged: {reason}; restore it from a copy or train again")
