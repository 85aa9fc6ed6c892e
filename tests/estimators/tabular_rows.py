"""A small messy table that the tests of the tabular estimators share."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glassnet import TabularClassifier

EPOCHS = 4
ROWS = 120
SHADES = ["red", "blue", "green"]
DAYS = [datetime.date(2024, 1 + row % 12, 1 + row % 28) for row in range(ROWS)]
# size has gaps, shade decides the class, code looks like numbers and is none, number counts rows
COLUMNS: dict[str, list[Any]] = {
    "number": list(range(1, ROWS + 1)),
    "size": [None if row % 11 == 0 else row % 7 + 0.5 for row in range(ROWS)],
    "shade": [SHADES[row % 3] for row in range(ROWS)],
    "code": ["007" if row % 2 else "100" for row in range(ROWS)],
    "fresh": [row % 5 < 2 for row in range(ROWS)],
    "day": DAYS,
}
KINDS = {
    "number": "identifier", "size": "number", "shade": "category", "code": "category",
    "fresh": "boolean", "day": "date",
}  # fmt: skip
Y = [SHADES.index(shade) for shade in COLUMNS["shade"]]
NUMBERS = [10.0 * y + day.month + 0.5 for y, day in zip(Y, DAYS, strict=True)]


def text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def written(path: Path, target: str, values: list[Any]) -> Path:
    """The same rows as a CSV, target last."""
    columns = {**COLUMNS, target: values}
    lines = [",".join(map(text, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n")
    return path


def frame(kind: str) -> Any:
    package = pytest.importorskip(kind)
    if kind == "pyarrow":
        return package.table(COLUMNS)
    made = package.DataFrame(COLUMNS)
    return made.astype({"day": "datetime64[us]"}) if kind == "pandas" else made


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every fit of a small table trains six networks: what they share is compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLASSNET_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def classifier(compiled_once: None) -> TabularClassifier:
    return TabularClassifier(max_epochs=20).fit(COLUMNS, Y)
