"""Real tables and images for estimators.

In: a name. Out: numbers to train on and to be scored with, the same for every contender. Adult and
MNIST are looked for in the folder named by the environment variable GLASSNET_DATA, by default
`../shared/data` beside the checkout.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FILES = {"Adult": "adult_test.csv.gz", "MNIST": "mnist/t10k-labels-idx1-ubyte.gz"}


class Table(NamedTuple):
    """Rows and targets for training, rows and targets for the score."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def folder() -> Path:
    named = os.environ.get("GLASSNET_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def there(name: str) -> bool:
    """Whether the data are on this machine."""
    return name not in FILES or (folder() / FILES[name]).is_file()


def _divided(load: Callable[..., Any]) -> Table:
    """A table of scikit-learn's, a quarter for the score, columns standardised; float64."""
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = load(return_X_y=True)
    classes = y if y.dtype.kind == "i" else None
    parts: Any = train_test_split(x, y, random_state=0, stratify=classes)
    x, x_test, y, y_test = parts
    scale = StandardScaler().fit(x)
    if classes is None:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    return Table(scale.transform(x), y, scale.transform(x_test), y_test)


def digits() -> Table:
    from sklearn.datasets import load_digits

    return _divided(load_digits)


def cancer() -> Table:
    from sklearn.datasets import load_breast_cancer

    return _divided(load_breast_cancer)


def diabetes() -> Table:
    from sklearn.datasets import load_diabetes

    return _divided(load_diabetes)


def adult() -> Table:
    """Six columns standardised, eight as one column of 0 and 1 for every value; float64."""
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, test = (_cells(folder() / f"adult_{part}.csv.gz") for part in ("train", "test"))
    numbers = [i for i, cell in enumerate(train[0, :-1]) if cell.isdigit()]
    words = [i for i in range(train.shape[1] - 1) if i not in numbers]
    encode = make_column_transformer(
        (StandardScaler(), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )
    x, x_test = encode.fit_transform(train[:, :-1]), encode.transform(test[:, :-1])
    return Table(x, train[:, -1].astype(str), x_test, test[:, -1].astype(str))


def _cells(path: Path) -> np.ndarray:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return np.array(list(csv.reader(file))[1:], object)


def mnist() -> Table:
    """Grey levels in 0…1; float32."""
    parts: list[np.ndarray] = []
    for part in ("train", "t10k"):
        pixels, labels = (_bytes(folder() / "mnist" / f"{part}-{of}-ubyte.gz") for of in IDX)
        parts += [pixels.reshape(len(pixels), -1).astype(np.float32) / 255, labels.astype(int)]
    return Table(*parts)


IDX = ("images-idx3", "labels-idx1")


def _bytes(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">i4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


LOAD: dict[str, Callable[[], Table]] = {
    "digits": digits,
    "breast cancer": cancer,
    "diabetes": diabetes,
    "Adult": adult,
    "MNIST": mnist,
}
