"""Columns with types, in every format: each is read with its value, or it is said why not."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.errors import TableError, TableWarning
from glassnet.estimators.tabular.examine import understand
from glassnet.tables.frames import frame_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.kinds import Column
from glassnet.tables.read_table import read_table
from glassnet.tables.table import Table
from glassnet.tables.target_column import infer_target

pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

FORMATS = ("parquet", "arrow", "frame")


def opened(folder: Path, table: Any, kind: str) -> Table:
    """The table through a file of that kind, or as a frame in memory."""
    path = folder / f"t.{kind}"
    if kind == "frame":
        return table_of(frame_columns(table), "X")
    if kind == "parquet":
        parquet.write_table(table, path)
    else:
        feather.write_feather(table, str(path))
    return read_table(path)


def understood(table: Table, **fixed: str) -> dict[str, Column]:
    return {own.name: own for own in understand(table, None, fixed).columns}


def rules(column: Column) -> list[str]:
    return [note.rule for note in column.notes]


LONG = [2**63 + 1, 2**63 + 2, 2**63 + 2, 2**64 - 1]
CASES: dict[str, tuple[Any, str, list[Any]]] = {
    # values, kind, cells as they are understood
    "uint64 ids": (pyarrow.array(LONG, pyarrow.uint64()), "category", [str(n) for n in LONG]),
    "int64 ids": (
        pyarrow.array([2**53, 2**53 + 1, 2**53, 2**53 + 1]),
        "category",
        ["9007199254740992", "9007199254740993"] * 2,
    ),
    "int64": (pyarrow.array([-5, 0, 7, None]), "number", [-5, 0, 7, None]),
    "bool": (pyarrow.array([True, False, None, True]), "boolean", ["true", "false", None, "true"]),
    "float": (pyarrow.array([0.5, float("nan"), None, -1.0]), "number", [0.5, None, None, -1]),
    "infinite": (pyarrow.array([0.5, float("inf"), None, 1.0]), "number", [0.5, np.inf, None, 1]),
    "date32": (
        pyarrow.array([datetime.date(1970, 1, 2), None, datetime.date(1970, 1, 3), None]),
        "date",
        [86400, None, 2 * 86400, None],
    ),
    "dictionary": (
        pyarrow.array(["a", "b", "a", None]).dictionary_encode(),
        "category",
        ["a", "b", "a", None],
    ),
    "half": (pyarrow.array(np.array([1, 2.5, 3, 4], np.float16)), "number", [1, 2.5, 3, 4]),
    "timestamp ns": (
        pyarrow.array([10**9, None, 2 * 10**9, 10**9], pyarrow.timestamp("ns")),
        "date",
        [1, None, 2, 1],
    ),
    "large string": (
        pyarrow.array(["a", "b", "a", None], pyarrow.large_string()),
        "category",
        ["a", "b", "a", None],
    ),
    "only gaps": (pyarrow.nulls(4), "empty", []),
}


def cells_of(column: Column) -> list[Any]:
    cells = column.cells
    if cells is None:
        return []
    if isinstance(cells, np.ndarray):
        return cells.tolist()
    pairs = zip(cells.values.tolist(), cells.missing.tolist(), strict=True)
    return [None if lost else value for value, lost in pairs]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_a_type_keeps_its_values(tmp_path: Path, case: str, kind: str) -> None:
    if kind == "frame" and case == "only gaps":
        pytest.skip("Arrow's type of nothing is not a type of a frame's column")
    values, wanted, cells = CASES[case]
    column = understood(opened(tmp_path, pyarrow.table({"x": values}), kind))["x"]
    assert column.kind == wanted
    assert cells_of(column) == cells
    assert not any(note.column != "x" for note in column.notes)


CENTS = [Decimal("1.50"), None, Decimal("-2.25"), Decimal("7")]
MINUTES = pyarrow.array([60, 3600, None, 1], pyarrow.time32("s"))
BYTES = pyarrow.array([b"\xff", b"b", b"b", b"\xff"])
FILES: dict[str, tuple[Any, str, list[Any]]] = {
    "decimal(38,3)": (
        pyarrow.array(
            [Decimal("12345678901234567890.123"), Decimal("12345678901234567890.124")] * 2,
            pyarrow.decimal128(38, 3),
        ),
        "category",
        ["12345678901234567890.123", "12345678901234567890.124"] * 2,
    ),
    "decimal(9,2)": (
        pyarrow.array(CENTS, pyarrow.decimal128(9, 2)),
        "number",
        [1.5, None, -2.25, 7],
    ),
    "clock": (MINUTES, "number", [60, 3600, None, 1]),
    "binary": (pyarrow.array([b"a", b"b", b"a", None]), "category", ["a", "b", "a", None]),
    "bytes": (BYTES, "category", ["\\xFF", "b", "b", "\\xFF"]),
    "list": (pyarrow.array([[1], [2, 3], None, []]), "nested", []),
    "map": (
        pyarrow.array([[("a", 1)], None, [], []], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "nested",
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("case", FILES)
def test_a_type_of_a_file_keeps_its_values(tmp_path: Path, case: str, kind: str) -> None:
    values, wanted, cells = FILES[case]
    column = understood(opened(tmp_path, pyarrow.table({"x": values}), kind))["x"]
    assert column.kind == wanted
    assert cells_of(column) == cells
    assert rules(column) == {"nested": ["nested"], "decimal(38,3)": ["long numbers"]}.get(
        case if wanted != "nested" else wanted, []
    )


def test_a_span_of_time_is_a_number_of_seconds(tmp_path: Path) -> None:
    spans = pyarrow.array([1, 90, None], pyarrow.duration("s"))
    column = understood(opened(tmp_path, pyarrow.table({"x": spans}), "arrow"))["x"]
    assert cells_of(column) == [1, 90, None]


def test_uuids_and_enums_are_text(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "t.parquet"
    duckdb.sql(
        "SELECT 'a'::ENUM('a', 'b') AS e, uuid() AS u FROM range(30) UNION ALL "
        "SELECT 'b'::ENUM('a', 'b'), uuid() FROM range(30)"
    ).write_parquet(str(path))
    columns = understood(read_table(path))
    assert {name: own.kind for name, own in columns.items()} == {"e": "category", "u": "identifier"}


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("identifier", "3f2a{}-bcde-4afe-9dab-fedcab"),
        ("identifier", "AB-CD-EF-{}"),
        ("identifier", "https://www.example.org/some/path/of/page{}"),
        ("identifier", "LOT {} BATCH XK"),
        ("text", "Smith, Mrs. John Henry {}"),
        ("text", "the cat number {} sat on the mat and slept"),
        ("text", "GREAT PRODUCT NUMBER {}, WOULD BUY AGAIN"),
        ("text", "Über die Straße ging er {} Mal, dann war es genug"),
    ],
)
def test_texts_that_are_codes_and_such_that_are_sentences(
    tmp_path: Path, kind: str, pattern: str
) -> None:
    lines = [f'"{pattern.format(row)}",{row % 7}' for row in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["what,x", *lines]) + "\n", encoding="utf-8")
    assert understood(read_table(tmp_path / "t.csv"))["what"].kind == kind


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "frame"])
def test_long_numbers_are_read_alike_in_every_format(tmp_path: Path, kind: str) -> None:
    numbers = [9007199254740992, 9007199254740993, 9007199254740993, 9007199254740992]
    if kind in ("parquet", "frame"):
        table = opened(tmp_path, pyarrow.table({"x": numbers, "y": [1, 2, 3, 4]}), kind)
    else:
        rows = [f"{n},{p}" if kind == "csv" else json.dumps({"x": n, "y": p})
                for p, n in enumerate(numbers)]  # fmt: skip
        path = tmp_path / f"t.{kind}"
        path.write_text("\n".join((["x,y"] if kind == "csv" else []) + rows))
        table = read_table(path)
    column = understood(table)["x"]
    assert cells_of(column) == [str(n) for n in numbers]
    assert rules(column) == ["long numbers"]
    assert "9007199254740992 and 9007199254740993" in column.notes[0].text
    assert column.notes[0].doubt
    number = understood(table, x="number")["x"]
    assert cells_of(number) == [2.0**53] * 4
    target = infer_target(table, "x")
    assert target.classes == ("9007199254740992", "9007199254740993")
    assert not target.numeric


def test_a_number_that_is_rounded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n9007199254740993,1\n5,2\n")
    column = understood(read_table(path))["x"]
    assert column.kind == "number"
    assert rules(column) == ["rounded"]
    assert "9007199254740993 is read as 9007199254740992" in column.notes[0].text


@pytest.mark.parametrize("cell", ["1e20", "9007199254740992", "1.5e300", "123456789012345.25"])
def test_numbers_that_keep_their_digits_are_not_doubted(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"x,y\n{cell},1\n5,2\n{cell},2\n")
    assert understood(read_table(path))["x"].notes == ()


def test_several_currencies_are_doubted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,z\nUSD 5,$4\nEUR 7,$5\nUSD 9,$4\n")
    notes = {note.column: note for note in understand(read_table(path)).notes}
    assert notes["x"].doubt
    assert "not converted by any rate of exchange" in notes["x"].text
    assert not notes["z"].doubt


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow", "frame"])
def test_names_that_differ_in_case_are_names_of_their_own(tmp_path: Path, kind: str) -> None:
    table = by_names(tmp_path, ["x", "X"], kind)
    assert table.names == ("x", "X")
    assert table.notes == ()
    found = table.numbers(["X", "x"])
    assert found["x"].values.tolist() == [0, 2]
    assert found["X"].values.tolist() == [1, 3]


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "frame"])
def test_a_name_that_occurs_again_gets_a_number(tmp_path: Path, kind: str) -> None:
    names = ["x", "X", "x", "x (2)", "x"]
    if kind == "frame":
        with pytest.warns(TableWarning, match=r"column [35] is called 'x \([34]\)'"):
            table = by_names(tmp_path, names, kind)
        assert table.names == ("x", "X", "x (3)", "x (2)", "x (4)")
        return
    table = by_names(tmp_path, names, kind)
    assert table.names == ("x", "X", "x (3)", "x (2)", "x (4)")
    assert [note.column for note in table.notes] == ["x", "x"]
    assert "column 3 is called 'x (3)'" in table.notes[0].text
    assert table.numbers(["x (4)"])["x (4)"].values.tolist() == [4, 9]


def by_names(folder: Path, names: Sequence[str], kind: str) -> Table:
    rows = np.arange(2 * len(names)).reshape(2, -1)
    path = folder / f"t.{kind}"
    if kind == "csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]))
    elif kind == "jsonl":
        lines = [json.dumps(dict(zip(names, row.tolist(), strict=True))) for row in rows]
        path.write_text("\n".join(lines))
    else:
        return opened(folder, pyarrow.Table.from_arrays([*rows.T], names=list(names)), kind)
    return read_table(path)


def test_the_same_table_fits_a_model_of_another_format(tmp_path: Path) -> None:
    names = ["x", "X", "x"]
    tables = [by_names(tmp_path, names, kind) for kind in ("csv", "parquet", "arrow")]
    assert len({table.names for table in tables}) == 1


def test_fields_of_a_struct_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": {"b": 1, "c": {"d": "p"}}}\n{"a": {"b": 2}}\n{"a": null}\n')
    table = read_table(path)
    assert table.names == ("a.b", "a.c.d")
    assert table.numbers(["a.b"])["a.b"].missing.tolist() == [False, False, True]
    assert table.texts(["a.c.d"])["a.c.d"].tolist() == ["p", None, None]


def test_json_lines_with_many_keys_are_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({f"k{n}": n + row for n in range(300)}) for row in (0, 1)))
    table = read_table(path)
    assert len(table.names) == 300
    assert table.numbers(["k299"])["k299"].values.tolist() == [299, 300]


def test_json_keeps_every_digit_of_a_number(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    long = "123456789012345678901234567890"
    path.write_text(f'{{"x": {long}, "y": 1}}\n{{"x": {long[:-1]}1, "y": 2}}\n' * 2)
    column = understood(read_table(path))["x"]
    assert cells_of(column) == [long, f"{long[:-1]}1"] * 2


def test_a_kind_for_what_has_no_single_values_is_refused(tmp_path: Path) -> None:
    table = opened(tmp_path, pyarrow.table({"x": [[1], [2]], "y": [1, 2]}), "parquet")
    with pytest.raises(TableError, match="not single values, so it cannot be of kind 'number'"):
        understood(table, x="number")
    with pytest.raises(TableError, match="the target 'x' holds values of type"):
        infer_target(table, "x")
