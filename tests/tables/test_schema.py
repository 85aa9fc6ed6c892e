"""The encoding, worked out by hand, and its way through JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from glassnet.errors import TableError
from glassnet.estimators.tabular.examine import understand
from glassnet.tables.encode import (
    CategoryEncoder,
    DateEncoder,
    NumberEncoder,
    encode_numbers,
    fit_numbers,
)
from glassnet.tables.read_table import read_table
from glassnet.tables.table import Numbers
from glassnet.tables.table_schema import Schema
from glassnet.tables.target_column import TargetSchema


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def fit(folder: Path, text: str, rows: list[int] | None = None, **fixed: str) -> Schema:
    """The schema of a table whose target is y, learnt from some of its rows."""
    found = understand(read_table(write(folder, text)), "y", fixed)
    table, columns, goal = found.table, found.columns, found.target
    assert goal is not None
    chosen = np.array(rows if rows is not None else range(table.rows))
    truth, _ = goal.read(table)
    return Schema.fit(columns, goal.fitted(truth[chosen]), chosen, (), table.forms)


def encode(schema: Schema, folder: Path, text: str) -> list[list[float]]:
    table = read_table(write(folder, text, "p.csv"))
    return schema.encode(schema.load(table)).x.tolist()


def clip(value: float) -> float:
    return float(np.float32(value / math.sqrt(1 + (value / 3) ** 2)))


def test_a_number_is_centred_scaled_and_clipped(tmp_path: Path) -> None:
    # Of 1…5 the median is 3 and the quartiles are 2 and 4, so the scale is 2.
    schema = fit(tmp_path, "x,y\n1,0\n2,1\n3,0\n4,1\n5,1.5\n")
    found = encode(schema, tmp_path, "x\n3\n5\n9\n-1\n")
    assert found == [[0], [clip(1)], [clip(3)], [clip(-2)]]
    assert schema.inputs == ["x"]


def test_a_column_that_is_mostly_zero_keeps_its_large_values_apart(tmp_path: Path) -> None:
    # 90 zeros and 10 times 40: the quartiles are 0, a quarter of the 98 % range is 10.
    rows = "".join(f"{0 if n < 90 else 40},{n % 2}\n" for n in range(100))
    schema = fit(tmp_path, "x,y\n" + rows)
    assert schema.columns[0] == NumberEncoder("x", 0.0, 10.0, False)


def test_only_the_training_rows_are_learnt_from(tmp_path: Path) -> None:
    text = "x,c,y\n1,a,0\n2,a,1\n3,a,0\n4,b,1\n1000,b,0\n,b,1\n7,zz,1\n7,b,1\n"
    schema = fit(tmp_path, text, [0, 1, 2])
    number, category = schema.columns
    assert number == NumberEncoder("x", 2.0, 2.0, False)  # quartiles 1 and 3
    assert isinstance(category, CategoryEncoder)
    assert category.levels == ("a",)


def test_missing_numbers_get_the_median_and_a_flag(tmp_path: Path) -> None:
    schema = fit(tmp_path, "x,y\n1,0\n,1\n3,0\n5,1\n")
    assert schema.inputs == ["x", "x missing"]
    assert encode(schema, tmp_path, "x\n3\n\n\n".replace("\n\n", '\n""\n')) == [[0, 0], [0, 1]]


def test_categories_have_a_missing_and_an_unknown_input(tmp_path: Path) -> None:
    cells = ["r"] * 4 + ["g"] * 3 + ["rare"] * 2 + [""]
    schema = fit(tmp_path, "c,y\n" + "".join(f"{c},{n % 2}\n" for n, c in enumerate(cells)))
    assert schema.inputs == ["c=g", "c=r", "c missing", "c unknown"]
    found = encode(schema, tmp_path, 'c\nr\ng\n""\nrare\nnever\n')
    assert found == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]


def test_a_value_never_seen_is_the_average_where_unknown_was_not_trained(tmp_path: Path) -> None:
    cells = ["r"] * 6 + ["g"] * 4
    schema = fit(tmp_path, "c,y\n" + "".join(f"{c},{n % 2}\n" for n, c in enumerate(cells)))
    table = read_table(write(tmp_path, 'c\ng\nnever\n""\n', "p.csv"))
    design = schema.encode(schema.load(table))
    np.testing.assert_array_equal(design.x, np.array([[1, 0], [0.4, 0.6], [0.4, 0.6]], np.float32))
    assert design.unknown == {"c": 1}
    assert design.missing == {"c": 1}


def test_booleans_are_signs(tmp_path: Path) -> None:
    schema = fit(tmp_path, "b,y\nyes,0\nno,1\nno,1\n,0\n")
    assert encode(schema, tmp_path, 'b\nYES\nno\n""\nmaybe\n') == [[1, 0], [-1, 0], [0, 1], [0, 0]]


def test_dates_are_days_months_weekdays_and_hours(tmp_path: Path) -> None:
    # 2024-01-01 was a Monday; quartiles of days 0, 1, 31 are 0 and 31.
    schema = fit(tmp_path, "d,y\n2024-01-01 06:00,0\n2024-01-02 12:00,1\n2024-02-01 18:00,0\n")
    date = schema.columns[0]
    assert isinstance(date, DateEncoder)
    assert (date.months, date.weekdays, date.clock) == ((1, 2), (1, 2, 4), True)
    assert date.centre == 19724  # days from 1970 to 2024-01-02
    (row,) = encode(schema, tmp_path, "d\n2024-02-01 18:00\n")
    assert row == [clip(30 / 31), 0, 1, 0, 0, 1, 0.5]


def test_x_is_float32_in_row_order(tmp_path: Path) -> None:
    schema = fit(tmp_path, "x,c,y\n1,a,0\n2,b,1\n3,a,0\n4,b,1\n")
    table = read_table(write(tmp_path, "c,extra,x\nb,9,4\na,9,1\n", "p.csv"))
    x = schema.encode(schema.load(table)).x
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    # Extra columns are ignored and the order of columns does not matter.
    assert x[:, 0].tolist() == [clip(1), clip(-0.5)]


def test_a_missing_column_is_refused_with_the_nearest(tmp_path: Path) -> None:
    schema = fit(tmp_path, "size,y\n1,0\n2,1\n3,0\n")
    with pytest.raises(TableError, match=r"lacks the column 'size'.*rename it to 'sizes'"):
        encode(schema, tmp_path, "sizes\n1\n")


def test_a_column_renamed_to_capitals_is_the_nearest(tmp_path: Path) -> None:
    schema = fit(tmp_path, "a,y\n1,0\n2,1\n3,0\n")
    with pytest.raises(TableError, match=r"lacks the column 'a'.*rename it to 'A'"):
        encode(schema, tmp_path, "A\n1\n")


@pytest.mark.parametrize(
    ("cell", "part"), [("abc", "row 2 of column 'x' holds no number"), ("1.2.3", "row 2")]
)
def test_a_cell_that_does_not_fit_the_model_is_refused(
    tmp_path: Path, cell: str, part: str
) -> None:
    schema = fit(tmp_path, "x,y\n1,0\n2,1\n3,0\n")
    with pytest.raises(TableError, match=part):
        encode(schema, tmp_path, f"x\n1\n{cell}\n")


def test_extreme_numbers_stay_finite(tmp_path: Path) -> None:
    schema = fit(tmp_path, "x,y\n-1.7e308,0\n1.7e308,1\n0,0\n1e-320,1\n")
    assert np.isfinite(encode(schema, tmp_path, "x\n-1.7e308\n1.7e308\n0\n")).all()
    tiny = fit(tmp_path, "x,y\n0,0\n1e-310,1\n2e-310,0\n")
    assert np.isfinite(encode(tiny, tmp_path, "x\n1e308\n")).all()


TEXT = "x,c,b,d,y\n1.5,a,yes,1/31/2024,p\n,b,no,2/2/2024,q\n3,a,,3/3/2024,p\n4,a,no,,q\n"


def test_a_schema_survives_json(tmp_path: Path) -> None:
    schema = fit(tmp_path, TEXT)
    assert [encoder.kind for encoder in schema.columns] == ["number", "category", "boolean", "date"]
    again = Schema.from_plain(json.loads(json.dumps(schema.to_plain())))
    assert again == schema
    text = TEXT.replace(",y\n", ",z\n")
    assert encode(again, tmp_path, text) == encode(schema, tmp_path, text)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 5),
        (("columns",), []),
        (("columns", 0, "kind"), "os.system"),
        (("columns", 0, "scale"), 0.0),
        (("columns", 0, "scale"), "1"),
        (("columns", 0, "centre"), math.nan),
        (("columns", 0, "extra"), 1),
        (("columns", 1, "levels"), ["a", 1]),
        (("target", "classes"), "pq"),
        (("missing",), [1]),
        (("forms",), [{"column": "d"}]),
        (("forms", 0, "kind"), "guess"),
        (("forms", 0, "formats"), []),
        (("forms", 0, "decimal"), "x"),
        (("forms", 0, "factors"), ["1"]),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(
    tmp_path: Path, place: tuple[str | int, ...], value: object
) -> None:
    plain = fit(tmp_path, TEXT).to_plain()
    inner = plain
    for key in place[:-1]:
        inner = inner[key]  # type: ignore[index]
    inner[place[-1]] = value  # type: ignore[index]
    with pytest.raises(ValueError, match=r"."):
        Schema.from_plain(plain)


ROWS = "1234.5,2024-01-31,Grün,0\n2.25,2024-02-01,rot,1\n-3,2023-12-24,Grün,0\n,,rot,1\n"
PLAIN = "x,d,c,y\n" + ROWS * 2
# encoding, header, rows
SAME: dict[str, tuple[str, str, str]] = {
    "decimal commas": (
        "utf-8", "x;d;c\n",
        "1.234,5;31.01.2024;GRÜN\n2,25;01.02.2024;rot\n-3;24.12.2023;grün\n;;Rot\n",
    ),
    "another order": (
        "utf-8", "c,d,x\n",
        'Grün,1/31/2024,"1,234.50 kg"\nrot,2/1/2024,2.25kg\nGrün,12/24/2023,−3 kg\nrot,,NA\n',
    ),
    "names of months": (
        "cp1252", "x\td\tc\n",
        "1234.5\t31 Jan 2024\tGrün\n2.25\tFeb 1, 2024\trot\n-3\t24-Dec-23\tGrün\nn/a\t-\trot\n",
    ),
    "a comment": (
        "utf-16", "# as of today\nx;d;c\n",
        "1234,5;20240131;Grün\n2,25;20240201;rot\n-3;20231224;Grün\n;;rot\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_rows_are_the_same_however_they_are_written(tmp_path: Path, name: str) -> None:
    schema = Schema.from_plain(json.loads(json.dumps(fit(tmp_path, PLAIN).to_plain())))
    encoding, header, rows = SAME[name]
    (tmp_path / "p.csv").write_bytes((header + rows * 2).encode(encoding))
    table = read_table(tmp_path / "p.csv")
    found = schema.encode(schema.load(table))
    assert found.missing == {"x": 2, "d": 2}
    assert found.unknown == {}
    assert found.x.tolist() == encode(schema, tmp_path, PLAIN)


def test_number_targets_are_standardised_and_restored() -> None:
    # Of 2, 4, 9 the mean is 5 and the variance (9 + 1 + 16) / 3.
    target = TargetSchema("y").fitted(np.array([2.0, 4.0, 9.0]))
    assert target.mean == 5
    assert target.scale == math.sqrt(26 / 3)
    values = np.array([2.0, 11.5])
    np.testing.assert_allclose(target.restore(target.standardise(values)), values, rtol=1e-15)


def test_the_common_class_is_that_of_the_training_rows() -> None:
    target = TargetSchema("y", ("a", "b", "c")).fitted(np.array([0, 2, 2, 1]))
    assert target.classes[target.common] == "c"


def test_many_columns_at_once_are_as_each_alone() -> None:
    """By matrix or one by one: the same bits, with gaps, infinities and constants among them."""
    random = np.random.default_rng(0)
    rows = np.flatnonzero(random.random(300) < 0.7)
    columns: dict[str, Numbers] = {}
    for place in range(40):
        values = random.normal(size=300) * 10.0 ** random.integers(-100, 100)
        missing = random.random(300) < (0.1 if place % 3 == 0 else 0)
        if place % 5 == 1:
            values[random.integers(0, 300, 4)] = np.inf
        if place % 7 == 2:
            values[:] = 3.0 if place % 2 else np.where(values > values.max() / 2, 9.0, 0.0)
        columns[f"x{place}"] = Numbers(np.where(missing, np.nan, values), missing)
    alone = {name: NumberEncoder.fit(name, own, rows) for name, own in columns.items()}
    assert fit_numbers(columns, rows) == alone
    encoders = [*alone.values()]
    starts = np.cumsum([0, *(len(own.inputs) for own in encoders)]).tolist()
    x = np.full((300, starts[-1]), np.nan, np.float32)
    lost = encode_numbers(encoders, [*columns.values()], x, [[at, at + 1] for at in starts[:-1]])
    parts = [own.encode(columns[own.name]) for own in encoders]
    np.testing.assert_array_equal(x, np.hstack([own.x for own in parts]).astype(np.float32))
    counts = {e.name: own.missing for e, own in zip(encoders, parts, strict=True) if own.missing}
    assert lost == counts
    alone_counts: Counter[str] = Counter()
    for row in range(300):  # which Python's numbers encode
        cells = [Numbers(c.values[[row]], c.missing[[row]]) for c in columns.values()]
        single = np.full((1, starts[-1]), np.nan, np.float32)
        places = [[at, at + 1] for at in starts[:-1]]
        alone_counts.update(encode_numbers(encoders, cells, single, places))
        assert single.tobytes() == x[row].tobytes()
    assert alone_counts == counts
