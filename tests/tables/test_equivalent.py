"""A model predicts the same from a table that is written in any equivalent way."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.tables.frames import frame_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.read_table import read_table

Row = dict[str, Any]
RANDOM = np.random.default_rng(11)
CITIES = ("Zürich", "Köln", "Bern", "Łódź")
START = datetime.date(2021, 1, 1)
ROWS: list[Row] = [
    {
        "size": round(float(RANDOM.lognormal(7, 1)), 2),
        "share": None if number % 11 == 0 else round(float(RANDOM.random()), 3),
        "built": START + datetime.timedelta(days=int(RANDOM.integers(0, 900))),
        "city": CITIES[int(RANDOM.integers(0, 3 + number % 2))],
        "sold": bool(RANDOM.integers(0, 2)),
        "code": f"0{int(RANDOM.integers(10, 14))}",
        "remark": f"Ein {('großes', 'kleines')[number % 2]} Haus am See {number}",
    }
    for number in range(60)
]
NAMES = list(ROWS[0])


def plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def text(
    cell: Callable[[str, Any], str] = lambda name, value: plain(value),
    names: list[str] = NAMES,
    **how: Any,
) -> str:
    file = io.StringIO()
    writer = csv.writer(file, **{"lineterminator": "\n", **how})
    writer.writerow(names)
    writer.writerows([cell(name, row.get(name, "k")) for name in names] for row in ROWS)
    return file.getvalue()


def date(form: str) -> Callable[[str, Any], str]:
    return lambda name, value: value.strftime(form) if name == "built" else plain(value)


def european(name: str, value: Any) -> str:
    if name == "built":
        return value.strftime("%d.%m.%Y")
    if isinstance(value, float):
        own = f"{value:,.3f}".rstrip("0")
        return own.translate(str.maketrans(",.", ".,")) + ("0" if own.endswith(".") else "")
    return plain(value)


def dressed(name: str, value: Any) -> str:
    if name == "size":
        return f"{value:,.2f} €"
    if name == "share":
        return "n/a" if value is None else plain(value)
    if name == "sold":
        return "TRUE" if value else "FALSE"
    return plain(value).upper() if name == "city" else plain(value)


CSV: dict[str, bytes] = {
    "other order of columns": text(names=NAMES[::-1]).encode(),
    "more columns": text(names=["z", *NAMES, "more"]).encode(),
    "semicolons and decimal commas": text(european, delimiter=";").encode(),
    "tabs": text(delimiter="\t").encode(),
    "pipes": text(delimiter="|").encode(),
    "everything in quotes": text(quoting=csv.QUOTE_ALL).encode(),
    "blanks around": text(lambda n, v: f"  {plain(v)} ").encode(),
    "lines of Windows": text(lineterminator="\r\n").encode(),
    "lines of an old Mac": text(lineterminator="\r").encode(),
    "a mark": text().encode("utf-8-sig"),
    "UTF-16": text().encode("utf-16"),
    "Windows 1250": text().encode("cp1250"),
    "blank lines and comments": ("# a comment\n\n" + text() + "\n\n").encode(),
    "a title": ("Houses of 2024\n\n" + text()).encode(),
    "a line for the delimiter": ("sep=;\n" + text(delimiter=";")).encode(),
    "signs at the ends of lines": text().replace("\n", ",\n").encode(),
    "dates of the US": text(date("%m/%d/%Y")).encode(),
    "dates of Britain": text(date("%d/%m/%Y")).encode(),
    "dates of Germany": text(date("%d.%m.%y")).encode(),
    "dates with names": text(date("%d %B %Y")).encode(),
    "dates with a time": text(date("%Y-%m-%dT00:00:00Z")).encode(),
    "dates without signs": text(date("%Y%m%d")).encode(),
    "units, gap words, capitals": text(dressed).encode(),
    "numbers with exponents": text(
        lambda n, v: f"{v:.12e}" if isinstance(v, float) else plain(v)
    ).encode(),
}  # fmt: skip
PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TableModel, np.ndarray]:
    """A model from its file, and what it predicts for its own table."""
    folder = tmp_path_factory.mktemp("model")
    rows = text().splitlines()
    goals = RANDOM.random(len(ROWS))
    lines = [f"{row},{goal}" for row, goal in zip(rows[1:], goals, strict=True)]
    (folder / "t.csv").write_text("\n".join([rows[0] + ",y", *lines]) + "\n", encoding="utf-8")
    fitted = fit_table(read_table(folder / "t.csv"), "y", epochs=2)
    fitted.model.save(folder / "m.safetensors")
    model = TableModel.load(folder / "m.safetensors")
    return model, model.predict(read_table(folder / "t.csv")).values


def test_the_predictions_differ_from_each_other(trained: tuple[TableModel, np.ndarray]) -> None:
    assert len(np.unique(trained[1])) > 50


@pytest.mark.parametrize("way", CSV)
def test_text(way: str, trained: tuple[TableModel, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_bytes(CSV[way])
    how = {"encoding": "cp1250"} if way == "Windows 1250" else {}  # nothing in it tells it
    np.testing.assert_array_equal(trained[0].predict(read_table(path, **how)).values, trained[1])


@pytest.mark.parametrize("suffix", PACKED)
def test_packed(suffix: str, trained: tuple[TableModel, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / f"n.csv{suffix}"
    path.write_bytes(PACKED[suffix](text().encode()))
    np.testing.assert_array_equal(trained[0].predict(read_table(path)).values, trained[1])


def test_an_archive(trained: tuple[TableModel, np.ndarray], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "n.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("n.csv", text())
        archive.writestr("readme.txt", "of 2024")
    found = trained[0].predict(read_table(tmp_path / "n.zip"))
    np.testing.assert_array_equal(found.values, trained[1])


def frame() -> pd.DataFrame:
    found = pd.DataFrame(ROWS)
    found["built"] = pd.to_datetime(found["built"])
    return found


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".jsonl", ".xlsx"])
def test_typed(suffix: str, trained: tuple[TableModel, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / f"n{suffix}"
    if suffix == ".parquet":
        frame().to_parquet(path)
    elif suffix == ".feather":
        frame().to_feather(path)
    elif suffix == ".jsonl":
        frame().to_json(path, orient="records", lines=True, date_format="iso")
    else:
        book = openpyxl.Workbook()
        for row in [NAMES, *([*row.values()] for row in ROWS)]:
            book.active.append(row)
        book.save(path)
    np.testing.assert_array_equal(trained[0].predict(read_table(path)).values, trained[1])


def test_a_frame(trained: tuple[TableModel, np.ndarray]) -> None:
    found = trained[0].predict(table_of(frame_columns(frame()), "X"))
    np.testing.assert_array_equal(found.values, trained[1])


def test_another_table_is_not_the_same(
    trained: tuple[TableModel, np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "n.csv").write_text(text(lambda n, v: "13" if n == "size" else plain(v)))
    assert (trained[0].predict(read_table(tmp_path / "n.csv")).values != trained[1]).any()
