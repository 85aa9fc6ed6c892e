"""Rows in memory are read without a database where that gives the same cells, to the bit."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from glassnet.ops.math_exp import exp_code, exponential
from glassnet.ops.onnumpy import Number, NumpyBuilder
from glassnet.tables.direct import direct_cells
from glassnet.tables.encode import (
    BooleanEncoder,
    CategoryEncoder,
    DateEncoder,
    Encoder,
    NumberEncoder,
)
from glassnet.tables.forms import Form
from glassnet.tables.frames import FrameColumn, frame_columns, mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.table import Numbers
from glassnet.tables.table_schema import Schema
from glassnet.tables.target_column import TargetSchema

ENCODERS: dict[str, Encoder] = {
    "number": NumberEncoder("a", 0.0, 1.0, True),
    "category": CategoryEncoder("a", ("1", "2", "red", "blue"), True, True, (0.2,) * 5),
    "boolean": BooleanEncoder("a", True),
    "date": DateEncoder("a", 0.0, 1.0, True, (1, 2), (1, 2), True),
}
NOW = datetime.datetime(2024, 2, 29, 13, 5, 59, 123456)
COLUMNS: dict[str, Any] = {
    "floats": [1.5, -0.0, float("nan"), 1e-300, 2.0],
    "huge": [1.5, float("inf"), 1e300],
    "huge floats": np.array([1.5, -np.inf, 1e300]),
    "single": np.array([0.1, np.nan, -3.0], np.float32),
    "whole": [1, 2, -3, 0],
    "whole floats": [1.0, 2.0, float("nan"), -0.0, 123456789012.0],
    "int32": np.array([1, 2, 2], np.int32),
    "truth": [True, False, None],
    "truths": np.array([True, False]),
    "texts": ["red", " blue\t", "", "  ", None, "Red", "green", "naïve \u00a0", "nan"],
    "gap words": ["red", "?", None, " ? ", "-"],
    "texts of numbers": ["1", "2.0", "x"],
    "long": [2**60 + 1, 3],
    "mixed": ["red", 1, 2.5, None],
    "dates": [NOW, None, datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)],
    "days": np.array(["2024-02-29", "NaT", "1960-01-01"], "M8[D]"),
    "one": ["red"],
    "none": [None, None],
}
# which encoders read a column directly; the others ask the database
DIRECT = {
    "number": {"floats", "huge floats", "single", "whole", "whole floats", "int32", "none"},
    "category": {"whole", "whole floats", "int32", "texts", "gap words", "texts of numbers", "one"},
    "boolean": {"truth", "truths", "texts", "gap words", "whole", "one"},
    "date": {"dates", "days"},
}


def schema(kind: str, *forms: Form, missing: tuple[str, ...] = ()) -> Schema:
    return Schema((ENCODERS[kind],), TargetSchema("y"), missing, forms)


def by_database(own: Schema, columns: list[FrameColumn]) -> Any:
    return own.load(table_of(columns, "X"))["a"]


def check_equal(found: Any, wanted: Any) -> None:
    if isinstance(wanted, Numbers):
        np.testing.assert_array_equal(found.values, wanted.values)
        np.testing.assert_array_equal(found.missing, wanted.missing)
        present = ~wanted.missing  # −0 and 0 differ
        assert found.values[present].tobytes() == wanted.values[present].tobytes()
    else:
        assert found.dtype == object
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("kind", ENCODERS)
def test_the_cells_are_those_of_the_database(kind: str, name: str) -> None:
    for form in ((), (Form("a", missing=("?", "-")),)):
        own, columns = schema(kind, *form), mapping_columns({"a": COLUMNS[name]})
        found = direct_cells(own, columns)
        if found is None:
            assert name not in DIRECT[kind] or form
            continue
        check_equal(found["a"], by_database(own, columns))


@pytest.mark.parametrize("kind", ENCODERS)
def test_directly_where_that_is_known_to_be_the_same(kind: str) -> None:
    for name in DIRECT[kind]:
        assert direct_cells(schema(kind), mapping_columns({"a": COLUMNS[name]})) is not None
    texts = mapping_columns({"a": ["1", "2"]})
    assert direct_cells(schema("number"), texts) is None  # SQL reads numbers in texts
    numbers = mapping_columns({"a": [1.0, -999.0]})
    assert direct_cells(schema("number", missing=("-999",)), numbers) is None
    assert direct_cells(schema("number", Form("a", missing=("-999",))), numbers) is None
    assert direct_cells(schema("number", Form("a", missing=("inf",))), numbers) is None
    fractions = mapping_columns({"a": [0.1, 2.0]})
    assert direct_cells(schema("category"), fractions) is None


def test_what_has_to_be_refused_is_left_to_the_database() -> None:
    own = schema("number")
    assert direct_cells(own, mapping_columns({"b": [1.0]})) is None
    assert direct_cells(own, mapping_columns({"a": []})) is None
    twice = [*mapping_columns({"a": [1.0]}), *mapping_columns({"a": [2.0]})]
    assert direct_cells(own, twice) is None
    uneven = [*mapping_columns({"a": [1.0]}), *mapping_columns({"b": [2.0, 3.0]})]
    assert direct_cells(own, uneven) is None


FRAMES: dict[str, dict[str, Any]] = {
    "mixed": {"a": [1, 2], "b": [1.5, None], "c": ["x", None], "d": [True, False]},
    "narrow": {"a": np.array([1.5, 2.5], np.float32), "b": np.array([1, 2], np.int8)},
    "large": {"a": [2**53 + 1, 1], "b": [0.5, 1.5]},
    "dates": {"a": np.array(["2024-01-01", "NaT"], "M8[us]"), "b": ["x", "y"]},
    "objects": {"a": np.array([1, "x"], object), "b": np.array([None, 2.5], object)},
    "numbers only": {"a": [1, 2], "b": [0.5, float("nan")]},
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_row_of_a_frame_is_a_row(name: str) -> None:
    """Frames of one row are read as a row; a second row that is the same changes no cell."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(FRAMES[name])
    for row in range(len(frame)):
        alone, twice = frame.iloc[[row]], frame.iloc[[row, row]]
        for kind in ENCODERS:
            for column in frame.columns:
                own = schema(kind)
                cells: list[Any] = []
                for part in (alone, twice):
                    read = {c.name: c for c in frame_columns(part)}[column]
                    named = [replace(read, name="a")]
                    try:
                        found = direct_cells(own, named)
                        cells.append(by_database(own, named) if found is None else found["a"])
                    except ValueError as error:
                        cells.append(type(error))
                if isinstance(cells[0], type) or isinstance(cells[1], type):
                    assert cells[0] == cells[1]
                elif isinstance(cells[0], Numbers):
                    np.testing.assert_array_equal(cells[0].values[0], cells[1].values[0])
                else:
                    assert cells[0][0] == cells[1][0]


def test_the_exponential_of_one_number_has_the_bits_of_many() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-760, 720, 20000), -rng.exponential(5, 20000), [0.0, -0.0]])
    with np.errstate(over="ignore", under="ignore"):
        many = exp_code(NumpyBuilder(), Number(x)).array
    assert np.array([exponential(own) for own in x.tolist()]).tobytes() == many.tobytes()
