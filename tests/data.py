"""Real tables and images for tests.

In: a file name. Out: its path, or its arrays; the test is skipped where the file is absent. The
folder is the environment variable GLASSNET_DATA, else `../shared/data` beside the checkout.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
HANG = 1800  # seconds: ends what would never end, and not what is slow on a busy machine


def data_folder() -> Path:
    """Where the data would be; it may not exist."""
    named = os.environ.get("GLASSNET_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def data_file(name: str) -> Path:
    """The path of a data file, e.g. "penguins.csv.gz" or "mnist/t10k-labels-idx1-ubyte.gz"."""
    path = data_folder() / name
    if not path.is_file():
        pytest.skip(f"no {name} in {data_folder()}; GLASSNET_DATA names the folder")
    return path


def idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in a gzipped IDX file: two zero bytes, a type (8), the number
    of axes, each size as a big-endian int32, the elements."""
    content = gzip.decompress(path.read_bytes())
    assert content[:3] == b"\0\0\x08", f"{path} is not an IDX file of bytes"
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def images(name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in 0…1 as float32 (rows, 784) and labels as int32; `name` is "mnist" or
    "fashion_mnist", `part` "train" or "t10k"."""
    pixels = idx(data_file(f"{name}/{part}-images-idx3-ubyte.gz"))
    labels = idx(data_file(f"{name}/{part}-labels-idx1-ubyte.gz"))
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255, labels.astype(np.int32)
