"""Numbers, dates, other file formats and SQL: one meaning for a cell, whatever it was stored in."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import TableError
from glassnet.tables.read_table import read_table


def column(folder: Path, cells: list[str]) -> Path:
    path = folder / "t.csv"
    path.write_text("x,y\n" + "".join(f'"{cell}",1\n' for cell in cells))
    return path


DECIMALS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"[+-]?[1-9][0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(DECIMALS, min_size=200, max_size=200))
def test_a_decimal_is_read_as_the_nearest_float(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    # A cell with leading zeros is a code, not a number.
    cells = [cell for cell in cells if not re.match(r"[+-]?0\d", cell)]
    path = column(tmp_path_factory.mktemp("numbers"), cells)
    found = read_table(path).numbers(["x"])["x"].values
    np.testing.assert_array_equal(found, [float(cell) for cell in cells])


def test_missing_and_unreadable_cells_are_told_apart(tmp_path: Path) -> None:
    path = column(tmp_path, ["1", "", "NA", " 2 ", "nan", "1_000", "0x10", "1,5", "007", "1e999"])
    table = read_table(path)
    numbers = table.numbers(["x"])["x"]
    assert numbers.missing.tolist() == [False, True] + [False] * 8
    unreadable = [False, False, True, False, True, True, True, True, True, False]
    assert numbers.unreadable.tolist() == unreadable
    assert numbers.values[0] == 1
    assert numbers.values[3] == 2
    assert numbers.values[9] == math.inf
    assert table.texts(["x"])["x"].tolist()[:4] == ["1", None, "NA", "2"]


def test_na_is_missing_only_if_asked(tmp_path: Path) -> None:
    path = column(tmp_path, ["1", "NA", "-999", ""])
    numbers = read_table(path, missing=["NA", "-999"]).numbers(["x"])["x"]
    assert numbers.missing.tolist() == [False, True, True, True]
    assert not numbers.unreadable.any()


def test_dates_become_seconds(tmp_path: Path) -> None:
    cells = ["1970-01-02", "1970/1/2", "02.01.1970", "1970-01-01T01:00:00", "", "2020-13-01", "x"]
    seconds = read_table(column(tmp_path, cells)).seconds(["x"])["x"]
    assert seconds.values[:4].tolist() == [86400, 86400, 86400, 3600]
    assert seconds.missing.tolist() == [False] * 4 + [True, False, False]
    assert seconds.unreadable.tolist() == [False] * 5 + [True, True]


ROWS = [(1, 0.1, "p", True), (2, None, "q", False), (3, -1e300, None, True)]


def stored(folder: Path, kind: str) -> Path:
    """The rows above in a file of another format."""
    path = folder / f"t.{kind}"
    if kind == "csv.gz":
        lines = ["i,f,s,b", "1,0.1,p,true", "2,,q,false", "3,-1e300,,true"]
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
    elif kind == "csv.zst":
        if sys.version_info < (3, 14):
            pytest.importorskip("backports.zstd")
        duckdb.sql(_SELECT).write_csv(str(path), compression="zstd")
    elif kind == "parquet":
        duckdb.sql(_SELECT).write_parquet(str(path))
    elif kind == "jsonl":
        keys = ("i", "f", "s", "b")
        path.write_text("\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in ROWS))
    else:
        feather = pytest.importorskip("pyarrow.feather")
        feather.write_feather(duckdb.sql(_SELECT).to_arrow_table(), str(path))
    return path


_SELECT = (
    "SELECT * FROM (VALUES (1, 0.1::DOUBLE, 'p', true), (2, NULL, 'q', false), "
    "(3, -1e300::DOUBLE, NULL, true)) AS t(i, f, s, b)"
)


@pytest.mark.parametrize("kind", ["csv.gz", "csv.zst", "parquet", "jsonl", "feather"])
def test_all_formats_mean_the_same(tmp_path: Path, kind: str) -> None:
    table = read_table(stored(tmp_path, kind))
    assert table.names == ("i", "f", "s", "b")
    assert table.rows == 3
    numbers = table.numbers(["i", "f"])
    assert numbers["i"].values.tolist() == [1, 2, 3]
    assert numbers["f"].missing.tolist() == [False, True, False]
    assert numbers["f"].values[[0, 2]].tolist() == [0.1, -1e300]
    texts = table.texts(["i", "s", "b"])
    assert texts["i"].tolist() == ["1", "2", "3"]
    assert texts["s"].tolist() == ["p", "q", None]
    assert texts["b"].tolist() == ["true", "false", "true"]


def test_sql_sees_numbers_as_numbers(tmp_path: Path) -> None:
    path = stored(tmp_path, "csv.gz")
    table = read_table(path, sql="SELECT s, i + 1 AS j FROM data WHERE i > 1 ORDER BY i DESC;")
    assert table.texts(["s"])["s"].tolist() == [None, "q"]
    assert table.numbers(["j"])["j"].values.tolist() == [4, 3]


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("SELECT nope FROM data", "nope"),
        ("SELEC", "syntax error"),
        ("SELECT * FROM data WHERE i > 9", "no rows"),
        ("DROP TABLE data", "not one SELECT but DROP"),
    ],
)
def test_a_bad_query_is_one_sentence(tmp_path: Path, sql: str, part: str) -> None:
    with pytest.raises(TableError, match=part) as raised:
        read_table(stored(tmp_path, "csv.gz"), sql=sql)
    assert "\n" not in str(raised.value)
    assert "; " in str(raised.value)  # and the way out


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "feather"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, kind: str) -> None:
    """Also where its name is what a query says that Ctrl-C ended."""
    folder = tmp_path / "interrupted"
    folder.mkdir()
    path = stored(folder, kind)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(TableError) as raised:
        read_table(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith("write it again")


def test_rows_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = np.random.default_rng(0).permutation(300_000)
    path.write_text("x,y\n" + "".join(f"{row},{row % 7}\n" for row in rows))
    found = read_table(path).numbers(["x"])["x"].values
    np.testing.assert_array_equal(found, rows)


@pytest.mark.parametrize("name", ["d[1].csv", "s*r.csv", "q'?.csv", "b\\n.csv", "ü %s.csv"])
def test_a_file_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    for other in ("d1.csv", "star.csv", "q'x.csv", "bn.csv"):
        (tmp_path / other).write_text("x,y\nwrong,1\n")
    (tmp_path / name).write_text("x,y\nright,1\n")
    assert read_table(tmp_path / name).texts(["x"])["x"].tolist() == ["right"]


def test_json_with_numbers_and_texts_in_one_column_reads_as_csv_does(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"x": 1.5}\n{"x": "a \\"b\\""}\n{"x": null}\n{"x": 2}\n{}\n')
    table = read_table(path)
    assert table.texts(["x"])["x"].tolist() == ["1.5", 'a "b"', None, "2", None]
    numbers = table.numbers(["x"])["x"]
    assert numbers.missing.tolist() == [False, False, True, False, True]
    assert numbers.unreadable.tolist() == [False, True, False, False, False]
    assert numbers.values[[0, 3]].tolist() == [1.5, 2.0]


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "t.csv.bz2": bz2.compress,
    "t.csv.xz": lzma.compress,
    "t.zip": lambda content: zipped({"folder/t.csv": content}),
    "t": lambda content: zipped({"t.csv": content, "__MACOSX/._t.csv": b"x"}),
}


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("name", PACKINGS)
def test_a_packed_table_is_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKINGS[name](b"x,y\n1,p\n2,q\n"))
    table = read_table(tmp_path / name)
    assert table.label == str(tmp_path / name)
    assert table.numbers(["x"])["x"].values.tolist() == [1, 2]
    found = read_table(tmp_path / name, sql="SELECT y FROM data WHERE x > 1")
    assert found.texts(["y"])["y"].tolist() == ["q"]


@pytest.mark.parametrize(
    ("members", "part"),
    [
        ({"a.csv": b"x\n1\n", "b.csv": b"x\n1\n"}, "holds 2 files (a.csv, b.csv)"),
        ({"xl/workbook.xml": b"", "xl/worksheets/sheet1.xml": b""}, "is a damaged workbook"),
        ({}, "holds 0 files"),
    ],
)
def test_an_archive_without_one_table(tmp_path: Path, members: dict[str, bytes], part: str) -> None:
    (tmp_path / "t.zip").write_bytes(zipped(members))
    with pytest.raises(TableError, match=re.escape(part)):
        read_table(tmp_path / "t.zip")


def test_standard_input_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"x,y\n1,p\n2,q\n", gzip.compress(b"x,y\n1,p\n2,q\n")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        table = read_table("-")
        assert table.label == "-"
        assert table.texts(["y"])["y"].tolist() == ["p", "q"]
