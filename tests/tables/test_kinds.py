"""Column kinds, worked out by hand on small tables, and every refusal with its place."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from glassnet.errors import TableError
from glassnet.estimators.tabular.examine import ExaminedTable, examine, understand
from glassnet.tables.kinds import Column
from glassnet.tables.read_table import read_table
from tests.data import data_file


def infer(folder: Path, cells: list[str], name: str = "x", **fixed: str) -> Column:
    path = folder / "t.csv"
    path.write_text(f"{name},other\n" + "".join(f'"{cell}",1\n' for cell in cells))
    path.write_text(path.read_text().replace(",1\n", ",2\n", 1))  # so that `other` is used too
    return understand(read_table(path), None, fixed).columns[0]


MANY = [str(number) for number in range(2, 42)]


@pytest.mark.parametrize(
    ("cells", "name", "kind"),
    [
        (["1.5", "2", "-3e2", "7"], "x", "number"),
        (["1.5", "", "2"], "x", "number"),
        (["0", "1", "1", "0"], "x", "number"),
        (["5", "5", "5"], "x", "constant"),
        (["a", "a", "a"], "x", "constant"),
        (["a", "", "a"], "x", "category"),  # present or missing says something
        (["5", "", "5"], "x", "number"),
        (["", "", ""], "x", "empty"),
        (["1", "2", "inf", "4"], "x", "number"),
        (["1", "2", "1e999", "4"], "x", "number"),
        (["yes", "No", "YES"], "x", "boolean"),
        (["true", "false", "true"], "x", "boolean"),
        (["t", "f", ""], "x", "boolean"),
        (["yes", "no", "maybe", "no", "yes", "maybe"], "x", "category"),
        (["red", "green", "red", "green", "blue"], "x", "category"),
        (["NA", "EU", "NA", "EU"], "x", "category"),
        (["1", "2", "3", "4"], "x", "number"),
        ([str(n) for n in range(30)], "x", "number"),  # a week or a year may count rows
        ([str(n) for n in range(30)], "id", "identifier"),
        ([str(n) for n in range(30)], "index", "identifier"),
        ([str(n) for n in range(30)], "", "identifier"),  # as pandas writes the numbers of rows
        ([str(1000 + 7 * n) for n in range(30)], "price_index", "number"),
        ([str(1000 + 7 * n) for n in range(30)], "order_id", "number"),  # goes up with the rows
        ([str(7919 * n % 1000) for n in range(30)], "order_id", "identifier"),
        (MANY[::-1], "x", "number"),
        (["0", *MANY], "x", "number"),
        (["17", "99", "4"], "user_id", "identifier"),
        (["17", "99", "4"], "PassengerId", "identifier"),
        (["17", "99", "4"], "humid", "number"),
        (["17", "99", "17"], "user_id", "number"),
        (["ann", "bob", "cid", "dee"], "x", "identifier"),
        ([f"name {number}" for number in range(30)] + ["name 1"] * 5, "x", "identifier"),
        (["2020-01-02", "2021-12-31", ""], "x", "date"),
        (["02.01.2020", "31.12.2021"], "x", "date"),
        (["2020-01-02T10:00:00", "2020-01-02 11:00"], "x", "date"),
        (["2020-01-02", "2020-01-02"], "x", "constant"),
        (["00501", "10001", "00501", "10001"], "x", "category"),  # codes, not numbers
        ([f"PC {n}" for n in range(30)] + MANY, "x", "identifier"),
    ],
)
def test_the_kind_of_a_column(tmp_path: Path, cells: list[str], name: str, kind: str) -> None:
    column = infer(tmp_path, cells, name)
    assert column.kind == kind
    assert column.used == (kind not in ("constant", "identifier", "empty"))
    assert column.missing == cells.count("")


@pytest.mark.parametrize(
    ("cells", "missing", "rule"),
    [
        (["1", "2", "?", "4"], [2], "gap word"),
        (["1", "2", "nan", "4"], [2], "gap word"),
        (["1", "2", "NA"], [2], "gap word"),
        (["1", "NA", "n/a", "NULL", "-"], [1, 2, 3, 4], "gap word"),  # most of them, even
        (["1", "x", "2.5"], [1], "not a number"),
        (["1", "2", "3", "oops"], [3], "not a number"),
    ],
)
def test_words_among_numbers_are_gaps_and_are_said(
    tmp_path: Path, cells: list[str], missing: list[int], rule: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    found = understand(read_table(path))
    column = found.columns[0]
    assert column.kind == "number"
    assert np.flatnonzero(column.cells.missing).tolist() == missing  # type: ignore[union-attr]
    (note,) = [note for note in found.notes if note.column == "x"]
    assert note.rule == rule
    assert note.doubt == (rule == "not a number")
    assert repr(cells[missing[0]]) in note.text


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "x"], "category"),
        (["1", "2", "3"], "number"),
        (["1", "2", "3"], "category"),
        (["5", "5", "5"], "number"),
        (["5", "5", "5"], "drop"),
        (["007", "011"], "number"),
        (["2020-01-02", "2020-01-02"], "category"),
    ],
)
def test_a_kind_can_be_fixed(tmp_path: Path, cells: list[str], kind: str) -> None:
    if kind == "number" and cells[0] == "007":
        with pytest.raises(TableError, match="row 1 of column 'x' holds no number"):
            infer(tmp_path, cells, x=kind)
        return
    column = infer(tmp_path, cells, x=kind)
    assert column.kind == kind
    assert column.used == (kind != "drop")


@pytest.mark.parametrize(
    ("kind", "part"),
    [("date", "row 1 of column 'x' holds 'a'"), ("boolean", "true/false"), ("number", "row 1")],
)
def test_a_fixed_kind_must_fit(tmp_path: Path, kind: str, part: str) -> None:
    with pytest.raises(TableError, match=part):
        infer(tmp_path, ["a", "b", "a"], x=kind)


def target(folder: Path, cells: list[str], fixed: str | None = None) -> tuple[str, ...]:
    path = folder / "t.csv"
    path.write_text("y,x\n" + "".join(f'"{cell}",1\n' for cell in cells))
    found = understand(read_table(path), "y", {} if fixed is None else {"y": fixed}).target
    assert found is not None
    return found.classes


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["b", "a", "b", "c", "a", "c"], ("a", "b", "c")),
        (["1", "0", "1.0", ""], ("0", "1")),
        (["10", "9", "10", "9"], ("9", "10")),
        (["yes", "no", "no"], ("no", "yes")),
        (["1.5", "2", "2"], ()),
        ([str(n) for n in range(21)], ()),
        ([str(n) for n in range(20)] * 2, tuple(str(n) for n in range(20))),
        (["5", "6", "5"], ("5", "6")),
    ],
)
def test_the_kind_of_a_target(tmp_path: Path, cells: list[str], classes: tuple[str, ...]) -> None:
    assert target(tmp_path, cells) == classes


def test_the_kind_of_a_target_can_be_fixed(tmp_path: Path) -> None:
    assert target(tmp_path, ["1", "2", "1"], "number") == ()
    assert target(tmp_path, ["1.5", "2.5", "1.5"], "category") == ("1.5", "2.5")
    assert target(tmp_path, ["1", "x", "1", "x"], "category") == ("1", "x")


@pytest.mark.parametrize(
    ("cells", "part"),
    [
        (["a", "a", "a"], "'a' in every row"),
        (["1", "1", ""], "'1' in every row"),
        (["1.5", "1.5"], "'1.5' in every row"),
        (["", ""], "no value in any row"),
        (["1", "2.5", "inf"], "row 3"),
        (["1", "2.5", "2e100"], "row 3 of the target 'y' is beyond 1e+100"),
        (["1e-300", "2e-300", "-1.5e-300"], "'y' lie within 3.5e-300 of each other, less than"),
        (["ann", "bob", "cid"], "3 different texts in 3 rows"),
    ],
)
def test_a_faulty_target_is_refused(tmp_path: Path, cells: list[str], part: str) -> None:
    with pytest.raises(TableError, match=re.escape(part)):
        target(tmp_path, cells)


def test_an_unknown_column_suggests_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Price,size\n1,2\n")
    table = read_table(path)
    with pytest.raises(TableError, match="did you mean 'Price'"):
        table.require("price")
    with pytest.raises(TableError, match="its columns are Price, size"):
        table.require("zzz")


def test_a_lone_counter_is_learnt_from(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(50)))
    (column,) = understand(read_table(path), "y").columns
    assert column.kind == "number"


def test_titanic() -> None:
    table = read_table(data_file("titanic.csv.gz"))
    columns = understand(table, "Survived").columns
    assert {column.name: column.kind for column in columns} == {
        "PassengerId": "identifier",
        "Pclass": "number",
        "Name": "text",
        "Sex": "category",
        "Age": "number",
        "SibSp": "number",
        "Parch": "number",
        "Ticket": "identifier",
        "Fare": "number",
        "Cabin": "identifier",
        "Embarked": "category",
    }
    # The published count of empty cells in these three columns together.
    assert sum(column.missing for column in columns) == 866
    goal = understand(table, "Survived").target
    assert goal is not None
    truth, _ = goal.read(table)
    assert np.bincount(truth).tolist() == [549, 342]


def test_what_is_shown_of_a_cell_is_short(tmp_path: Path) -> None:
    column = infer(tmp_path, ["a\x1b[2J\nb", "x" * 1000, "a\x1b[2J\nb", "x" * 1000])
    assert column.summary == f"2 values: a [2J b 2, {'x' * 39}… 2"
    assert column.kind == "category"


def identified(folder: Path, numbers: list[int], y: list[str]) -> ExaminedTable:
    path = folder / "ids.csv"
    lines = [f"{n},{i % 7},{v}" for i, (n, v) in enumerate(zip(numbers, y, strict=True))]
    path.write_text("id,x,y\n" + "\n".join(lines) + "\n")
    return examine(read_table(str(path)), "y")


def shuffled_ids(step: int) -> list[int]:
    return [1000 + step * (i * 97 % 300) for i in range(300)]


def test_an_identifier_that_the_target_follows_is_a_number(tmp_path: Path) -> None:
    numbers = shuffled_ids(7)
    found = identified(tmp_path, numbers, [str(number // 300 + 0.5) for number in numbers])
    kinds = {column.name: column.kind for column in found.columns}
    assert kinds["id"] == "number"
    (note,) = [note for note in found.notes if note.rule == "useful identifier"]
    assert note.doubt
    assert "neighbouring numbers have similar targets" in str(note)
    classes = identified(tmp_path, numbers, ["ab"[number // 1000 % 2] for number in numbers])
    assert classes.columns[0].kind == "number"


def test_an_identifier_is_left_out_where_nothing_follows_it(tmp_path: Path) -> None:
    unrelated = [str(i * i * i % 101 + 0.5) for i in range(300)]
    assert identified(tmp_path, shuffled_ids(7), unrelated).columns[0].kind == "identifier"


def test_numbers_that_count_the_rows_of_a_sorted_table_stay_out(tmp_path: Path) -> None:
    """Shuffled afterwards, they would give the order of the table away, not what new rows have."""
    numbers = shuffled_ids(1)
    found = identified(tmp_path, numbers, [str(number // 30 + 0.5) for number in numbers])
    assert found.columns[0].kind == "identifier"
