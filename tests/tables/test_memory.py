"""Tables of what is in memory are read as tables of files are."""

from __future__ import annotations

import datetime
import multiprocessing
import sys
from typing import Any

import numpy as np
import pytest

from glassnet.errors import TableError
from glassnet.tables.frames import array_columns, mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.table import Table
from tests.data import HANG

NAN = float("nan")


def table(**columns: Any) -> Table:
    return table_of(mapping_columns(columns), "X", ("NA",))


def test_numbers() -> None:
    given = table(a=[1, None, 2.5], b=np.array([1.5, NAN, 3], np.float32), c=[" 7", "NA", "x"])
    found = given.numbers(["a", "b", "c"])
    assert given.rows == 3
    for name, values, missing in (
        ("a", [1, NAN, 2.5], [False, True, False]),
        ("b", [1.5, NAN, 3], [False, True, False]),
        ("c", [7, NAN, NAN], [False, True, False]),
    ):
        np.testing.assert_array_equal(found[name].values, values)
        assert found[name].missing.tolist() == missing
    assert found["c"].unreadable.tolist() == [False, False, True]


def test_texts() -> None:
    given = table(
        text=[" é ", None, "", "NA"],
        mixed=[1, 2.5, "x", NAN],
        truth=[True, None, False, np.True_],
        number=[3.0, 0.1, NAN, 1e3],
        nothing=[None] * 4,
    )
    assert {name: texts.tolist() for name, texts in given.texts(given.names).items()} == {
        "text": ["é", None, None, None],
        "mixed": ["1", "2.5", "x", None],
        "truth": ["true", None, "false", "true"],
        "number": ["3", "0.1", None, "1000"],
        "nothing": [None] * 4,
    }


def test_dates() -> None:
    east = datetime.timezone(datetime.timedelta(hours=1))
    given = table(
        day=[datetime.date(1970, 1, 2), None],
        time=[datetime.datetime(1970, 1, 1, 1, 0, 5, tzinfo=east), None],
        array=np.array(["1969-12-31", "NaT"], "M8[ns]"),
        text=["1970-01-03", ""],
        cells=[np.datetime64("1970-01-04"), np.datetime64("NaT")],
        units=[np.datetime64(7, "ns"), None],
    )
    found = given.seconds(given.names)
    assert {name: times.values[0] for name, times in found.items()} == {
        "day": 86400, "time": 5, "array": -86400, "text": 172800,
        "cells": 3 * 86400, "units": 0,
    }  # fmt: skip
    assert all(times.missing.tolist() == [False, True] for times in found.values())


def test_names_differ_by_their_case_or_are_sql() -> None:
    columns = {"a": [1.0], "A": [2.0], 'x"; DROP': [3.0], "c0": [4.0]}
    found = table_of(mapping_columns(columns), "X").numbers(list(columns))
    assert [found[name].values[0] for name in columns] == [1, 2, 3, 4]


def test_what_cannot_be_a_table() -> None:
    with pytest.raises(TableError, match="X has no rows"):
        table(a=[])
    columns = array_columns(np.ones((2, 1)))
    with pytest.raises(TableError, match="X has two columns 'x0'; give each its own name"):
        table_of([*columns, *columns], "X")
    with pytest.raises(TableError, match="column 'a' has type object, which is not a number, text"):
        table(a=[{}, {}])
    day = np.datetime64("2024-02-29")
    for cells in ([day, 1.0], [day - day, day - day]):  # no counts of days
        with pytest.raises(TableError, match="column 'a' has type object, which is not a number"):
            table(a=cells)
    with pytest.raises(TableError, match="column 'a' has type object beyond float64, which is no"):
        table(a=[1, 10**400])


def _sum() -> float:
    return float(table(a=[1.0, 2.0]).numbers(["a"])["a"].values.sum())


@pytest.mark.skipif(sys.platform != "linux", reason="only there are processes forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_a_database_of_its_own() -> None:
    assert _sum() == 3.0  # the parent's is there before
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_sum).get(timeout=HANG) == 3.0
