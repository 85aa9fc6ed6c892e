"""The tables of special values in docs/math.md and docs/losses.md against compiled values and
slopes."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.nn.activations import softplus
from glassnet.nn.classify import ClassLoss
from glassnet.nn.losses import BatchLoss, FunctionLoss, Loss
from tests.data import ROOT


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(heading)[2]
    text = text.partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


NO_NAMES = (Loss, FunctionLoss, BatchLoss)  # code of the user, of which nothing is known
FUNCTIONS = table("math.md", "## Special values")
LOSSES = table("losses.md", "## Large and special numbers")


def number(cell: str, dtype: str) -> float:
    """A number: max and M are the largest one and a bit less, e^E the largest power of e that is
    taken; there may be a factor before it or a divisor behind."""
    largest = float(np.finfo(dtype).max)
    names = {
        "max": largest,
        "M": largest * (1 - 2**-10),
        "e^E": math.exp({"float32": 80, "float64": 700}[dtype]),
    }
    cell, _, divisor = cell.partition("/")
    factor, _, name = cell.rpartition("·")
    sign = -1.0 if name.startswith("-") else 1.0
    value = names.get(name.removeprefix("-")) or float(name.removeprefix("-"))
    return sign * float(factor or 1) * value / float(divisor or 1)


def numbers(cell: str, dtype: str) -> np.ndarray:
    return np.array([[number(part.strip(), dtype) for part in cell.split(",")]]).astype(dtype)


def agree(got: Any, value: np.ndarray, slope: np.ndarray, dtype: str) -> None:
    rtol, atol = 2 * float(np.finfo(dtype).eps), float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(got[0], value.item(), rtol=rtol, atol=atol)
    np.testing.assert_allclose(got[1], slope, rtol=rtol, atol=atol)


def test_a_cell() -> None:
    assert number("-1e20", "float32") == -1e20
    assert math.copysign(1, number("-0", "float32")) == -1
    assert number("-e^E/2", "float32") == -math.exp(80) / 2
    assert number("0.75·M", "float64") == 0.75 * number("M", "float64") < number("max", "float64")


def test_the_tables_are_found() -> None:
    assert {row[0] for row in FUNCTIONS} == {"sigmoid", "softplus"}
    assert all(len(row) == 4 for row in FUNCTIONS)
    assert all(len(row) == 5 for row in LOSSES)
    kinds = {
        name for name, kind in vars(gn.losses).items()
        if inspect.isclass(kind) and issubclass(kind, Loss) and kind not in NO_NAMES
    }  # fmt: skip
    assert {row[0].partition("(")[0] for row in LOSSES} == kinds


@pytest.mark.filterwarnings("ignore:overflow")  # the table's numbers, rounded to float32
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: f"{row[0]} at {row[1]}")
def test_special_values(row: list[str], dtype: str) -> None:
    at, value, slope = (numbers(cell, dtype) for cell in row[1:])
    f = {"sigmoid": ops.sigmoid, "softplus": softplus}[row[0]]
    agree(gn.value_and_grad(lambda x: ops.sum(f(x)))(at), value, slope, dtype)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", LOSSES, ids=lambda row: f"{row[0]} at {row[1]} for {row[2]}")
def test_losses(row: list[str], dtype: str) -> None:
    name = row[0] if "(" in row[0] else f"{row[0]}()"
    loss = eval(name, dict(vars(gn.losses)))  # our own document
    at, value, slope = (numbers(cell, dtype) for cell in (row[1], *row[3:]))
    y = numbers(row[2] or "0", dtype)
    labels = loss.labels(y[0] if isinstance(loss, ClassLoss) else y, at.shape[1], dtype)
    agree(gn.value_and_grad(lambda p: loss(p, p.builder.constant(labels)))(at), value, slope, dtype)
