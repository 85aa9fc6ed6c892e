"""Rows from Parquet and Arrow files in parts: their order, their numbers, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import glassnet as gn
from glassnet.errors import TableError
from glassnet.tables import stream as streams
from glassnet.tables.stream import Stream
from glassnet.tables.stream_files import row_spans

GOOD: dict[str, Any] = {"a": [1.5, 2.5, 3.5], "y": [0, 1, 2]}


def parquet(path: Path, columns: Any, group: int = 1000) -> str:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return str(path)


def arrow(path: Path, columns: Any, group: int = 1000) -> str:
    feather.write_feather(pa.table(columns), str(path), chunksize=group)
    return str(path)


def whole(given: Stream, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray, Any]:
    parts = list(given.parts(dtype))
    weights = [part[2] for part in parts]
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        None if weights[0] is None else np.concatenate(weights),
    )


@pytest.mark.parametrize("write", [parquet, arrow])
@pytest.mark.parametrize("group", [7, 64, 1000])
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_rows_come_in_order_whatever_the_parts(
    write: Callable[..., str], group: int, size: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(streams, "PART", size * 2 * 8)
    count = np.arange(200)
    path = write(tmp_path / "t", {"y": count * 3, "b": count * 0.5, "a": count}, group)
    given = gn.stream(path, target="y")
    x, y, weight = whole(given)
    assert given.rows == 200
    assert given.names == ("b", "a")
    assert (x == np.stack([count * 0.5, count], 1)).all()
    assert (y == count * 3).all()
    assert y.dtype == np.int64
    assert weight is None
    assert max(len(part[0]) for part in given.parts("float64")) <= size


def test_parts_keep_row_groups_whole_where_they_fit() -> None:
    assert list(row_spans((3, 3, 3), 6)) == [(0, 6), (6, 9)]
    assert list(row_spans((2, 10, 2), 4)) == [(0, 2), (2, 5), (5, 8), (8, 12), (12, 14)]
    assert list(row_spans((5, 0, 5), 100)) == [(0, 10)]
    assert list(row_spans((), 4)) == list(row_spans((0,), 4)) == []


def test_files_of_a_folder_and_a_pattern_come_by_name_those_of_a_list_as_they_stand(
    tmp_path: Path,
) -> None:
    for name in ("b", "a", "c"):
        parquet(tmp_path / f"{name}.parquet", {"x": [ord(name)], "y": [1.0]})
    parquet(tmp_path / "empty.parquet", {"x": pa.array([], "int64"), "y": pa.array([], "float64")})
    parquet(tmp_path / ".hidden.parquet", {"x": [0], "y": [1.0]})
    (tmp_path / "_SUCCESS").touch()
    listed = [tmp_path / "c.parquet", tmp_path / "a.parquet"]
    for given, order in ((tmp_path, "abc"), (tmp_path / "[ac].parquet", "ac"), (listed, "ca")):
        x, _, _ = whole(gn.stream(given, target="y"))
        assert x[:, 0].tolist() == [ord(name) for name in order]


def test_columns_are_found_by_name_in_every_file(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet", {"a": [1], "b": [2], "w": [0.5], "y": [3]})
    arrow(tmp_path / "2.arrow", {"y": [6], "b": [5], "a": [4], "w": [0.0]})
    given = gn.stream(tmp_path, target="y", weight="w")
    assert repr(given) == f"<{tmp_path}: 2 rows of 2 columns, target 'y', weight 'w'>"
    x, y, weight = whole(given)
    assert x.tolist() == [[1, 2], [4, 5]]
    assert y.tolist() == [3, 6]
    assert weight.tolist() == [0.5, 0]
    x, y, _ = whole(gn.stream(tmp_path, target=["y", "a"], features=["b"]))
    assert x.tolist() == [[2], [5]]
    assert y.tolist() == [[3, 1], [6, 4]]


@pytest.mark.parametrize("write", [parquet, arrow])
def test_every_kind_of_number_is_the_nearest_one(write: Callable[..., str], tmp_path: Path) -> None:
    from decimal import Decimal

    digits = "0.1234567890123456789"
    columns = {
        "i": pa.array([2**24 + 1, -7], "int64"),
        "u": pa.array([255, 0], "uint8"),
        "f": pa.array([np.float32(0.1), 1], "float32"),
        "d": pa.array([0.1, 1e300], "float64"),
        "t": pa.array([True, False]),
        "w": pa.array([Decimal(digits), Decimal("-1")], pa.decimal128(30, 19)),
        "y": [0, 1],
    }
    path = write(tmp_path / "t", columns)
    x, _, _ = whole(gn.stream(path, target="y"))
    wanted = [[2**24 + 1, 255, float(np.float32(0.1)), 0.1, 1, float(digits)]]
    assert x.tolist() == [*wanted, [-7, 0, 1, 1e300, 0, -1]]
    kept = gn.stream(path, target="y", features=["i", "u", "f", "t", "w"])
    x, _, _ = whole(kept, "float32")
    assert x.dtype == np.float32
    assert x[0, 0] == 2**24
    assert x[0, 4] == np.float32(float(digits))


WRONG = [
    ({"a": [1.0, None, 3.0]}, r"row 1 \(counted from 0\), column 'a' is empty"),
    ({"a": pa.array([1, None, 3], "int32")}, "row 1 .*column 'a' is empty"),
    ({"y": [0, 1, None]}, "row 2 .*column 'y' is empty"),
    ({"a": [1.0, 2.0, np.nan]}, "row 2 .*column 'a' is nan"),
    ({"a": [-np.inf, 2.0, 3.0]}, "row 0 .*column 'a' is -inf"),
    ({"a": [1.0, 1e39, 3.0]}, r"row 1 .*column 'a' is 1e\+39, too large for float32"),
    ({"y": [1.0, 1e39, 3.0]}, r"row 1 .*column 'y' is 1e\+39, too large for float32"),
]


@pytest.mark.parametrize("write", [parquet, arrow])
@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_cells_that_are_no_numbers_are_named(
    write: Callable[..., str], wrong: Any, sentence: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(streams, "PART", 4)  # a row a part: the row is counted over all of them
    path = write(tmp_path / "t.parquet", {**GOOD, **wrong})
    with pytest.raises(TableError, match=sentence) as error:
        whole(gn.stream(path, target="y"), "float32")
    assert str(error.value).startswith(f"{path}, row")


@pytest.mark.parametrize("write", [parquet, arrow])
def test_columns_that_are_no_numbers_are_refused_before_reading(
    write: Callable[..., str], tmp_path: Path
) -> None:
    path = write(tmp_path / "t", {**GOOD, "town": ["Oslo", "Bergen", "Molde"]})
    with pytest.raises(TableError, match=r"column 'town' holds values of type (VARCHAR|string)"):
        gn.stream(path, target="y")
    with pytest.raises(TableError, match="class labels are whole numbers from 0"):
        gn.stream(path, target="town")
    assert gn.stream(path, target="y", features=["a"]).names == ("a",)


def test_columns_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = parquet(tmp_path / "1.parquet", {"age": [1], "income": [2.0]})
    cases: list[tuple[dict[str, Any], str]] = [
        ({"target": "Income"}, "did you mean 'income'"),
        ({"target": "zzz"}, "its columns are age, income"),
        ({"target": "income", "features": ["age", "income"]}, "'income' is asked for twice"),
        ({"target": "income", "features": "age"}, r"right: features=\['age'\]"),
        ({"target": ["income", "age"]}, "no column left for x"),
    ]
    for options, sentence in cases:
        with pytest.raises(TableError, match=sentence):
            gn.stream(path, **options)
    parquet(tmp_path / "2.parquet", {"income": [2.0]})
    with pytest.raises(TableError, match=r"2.parquet has no column 'age'"):
        gn.stream(tmp_path, target="income")
    parquet(tmp_path / "2.parquet", {"income": [2.0], "age": [3], "more": [1]})
    with pytest.raises(TableError, match=r"2.parquet has a column 'more' that .*1.parquet has not"):
        gn.stream(tmp_path, target="income")
    assert gn.stream(tmp_path, target="income", features=["age"]).rows == 2


@pytest.mark.parametrize("write", [parquet, arrow])
def test_files_without_rows_and_other_files_are_refused(
    write: Callable[..., str], tmp_path: Path
) -> None:
    empty = write(tmp_path / "e", {"a": pa.array([], "float64"), "y": pa.array([], "int64")})
    with pytest.raises(TableError, match="has no rows"):
        gn.stream(empty, target="y")
    (tmp_path / "nothing").touch()
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    for name in ("nothing", "t.csv"):
        with pytest.raises(TableError, match="is neither a Parquet nor an Arrow file"):
            gn.stream(tmp_path / name, target="y")
    with pytest.raises(TableError, match="does not exist"):
        gn.stream(tmp_path / "absent.parquet", target="y")
    with pytest.raises(TableError, match="no file is named like"):
        gn.stream(tmp_path / "*.parquet", target="y")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TableError, match=r"no files that end in \.parquet"):
        gn.stream(tmp_path / "folder", target="y")
    with pytest.raises(TableError, match="the list of files is empty"):
        gn.stream([], target="y")
    content = Path(write(tmp_path / "cut", GOOD)).read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(TableError, match=r"cut (cannot be read|is damaged)"):
        gn.stream(tmp_path / "cut", target="y")


@pytest.mark.parametrize("write", [parquet, arrow])
def test_a_file_that_changes_meanwhile_is_noticed(
    write: Callable[..., str], tmp_path: Path
) -> None:
    path = write(tmp_path / "t", GOOD)
    given = gn.stream(path, target="y")
    write(tmp_path / "t", {name: values[:2] for name, values in GOOD.items()})
    with pytest.raises(TableError, match="changed while it was being read"):
        whole(given)
