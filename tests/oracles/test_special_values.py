"""The table of special values in docs/math.md against compiled values and slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.nn.activations import softplus
from tests.data import ROOT

TEXT = (ROOT / "docs" / "math.md").read_text(encoding="utf-8").partition("## Special values")[2]
LINES = [line for line in TEXT.splitlines() if line.startswith("|")][2:]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in LINES]


def function(name: str) -> Any:
    if name == "CrossEntropy":
        label = np.zeros(1, np.int32)
        return lambda x: gn.losses.CrossEntropy()(x, x.builder.constant(label))
    f = {"sigmoid": ops.sigmoid, "softplus": softplus}[name]
    return lambda x: ops.sum(f(x))


def test_the_table_is_found() -> None:
    assert {row[0] for row in ROWS} == {"sigmoid", "softplus", "CrossEntropy"}
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} at {row[1]}")
def test_special_values(row: list[str], dtype: str) -> None:
    name, *cells = row
    at, value, slope = (np.array([[float(c) for c in cell.split(",")]], dtype) for cell in cells)
    got = gn.value_and_grad(function(name))(at)
    rtol = 2 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(got[0], value.item(), rtol=rtol)
    np.testing.assert_allclose(got[1], slope, rtol=rtol)
