"""Layers that do not fit are refused when the network is made, with the way out."""

from __future__ import annotations

from typing import Any

import pytest

import glassnet as gn
from glassnet.errors import ShapeError

nn = gn.nn


def refused(*layers: Any) -> str:
    with pytest.raises(ShapeError) as caught:
        nn.Sequential(*layers)
    return str(caught.value)


def test_neighbours_that_do_not_fit_are_both_named() -> None:
    assert refused(nn.Linear(2, 3), nn.ReLU(), nn.Linear(4, 1)).splitlines()[:3] == [
        "layer 3, Linear(4, 1), takes 4 numbers a row, but layer 1, Linear(2, 3), gives 3; "
        "neighbours must agree",
        "  wrong: Sequential(Linear(2, 3), Linear(4, 1))",
        "  right: Sequential(Linear(2, 3), Linear(3, 1)), so here 4 and 3 should be one number",
    ]


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Linear(2, 3), nn.LayerNorm(2)),
        (nn.LayerNorm(3), nn.Linear(2, 3)),
        (nn.Linear(2, 3), nn.Dropout(), nn.Residual(nn.Linear(4, 4))),
        (nn.Residual(nn.Linear(3, 3)), nn.Linear(4, 1)),
        (nn.Columns(0, 1), nn.Linear(3, 1)),
        (nn.Embedding((3, 4), 5), nn.Linear(9, 1)),
        (nn.Periodic(2, 3), nn.Linear(11, 1)),
        (nn.PiecewiseLinear([[0, 1, 2]]), nn.Linear(3, 1)),
        (nn.Parallel(nn.Linear(2, 3), nn.Linear(2, 4)), nn.Linear(8, 1)),
        (nn.Linear(4, 2), nn.Repeat(3), nn.BatchEnsemble(2, 1, 2)),
        (nn.BatchEnsemble(2, 1, 2), nn.Average(2), nn.Linear(2, 1)),
        (nn.Sequential(nn.Linear(2, 3)), nn.Linear(2, 3)),
        (nn.Neuron(2), nn.Linear(2, 1)),
    ],
)
def test_each_layer_knows_its_widths(layers: tuple[Any, ...]) -> None:
    assert "neighbours must agree" in refused(*layers)


@pytest.mark.parametrize(
    ("model", "taken", "given"),
    [
        (nn.Sequential(), None, None),
        (nn.Sequential(nn.ReLU(), nn.Dropout()), None, None),
        (nn.Sequential(nn.ReLU(), nn.Linear(2, 3), nn.Tanh()), 2, 3),
        (nn.Sequential(nn.Repeat(4), nn.BatchEnsemble(2, 3, 4), nn.Average(4)), None, 3),
        (nn.Sequential(nn.Columns(0, 5), nn.Linear(2, 1)), None, 1),
        (nn.Sequential(nn.Parallel(nn.Columns(0), nn.Linear(3, 2))), 3, 3),
        (nn.Sequential(nn.Parallel(nn.Columns(0), lambda x: x)), None, None),
        (nn.Sequential(nn.Residual(nn.Tanh(), nn.Linear(3, 3)), nn.Linear(3, 1)), 3, 1),
    ],
)
def test_what_goes_in_and_comes_out(model: Any, taken: int | None, given: int | None) -> None:
    assert (model.input_width(), model.output_width(model.input_width())) == (taken, given)


def test_a_width_that_only_the_data_know() -> None:
    model = nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 1, 2))
    assert model([[1.0, 2.0, 3.0]]).shape == (1, 2)
    with pytest.raises(
        ShapeError, match=r"layer 2.*takes 6.*Repeat\(members=2, groups=1\), gives 8"
    ):
        model([[1.0, 2.0, 3.0, 4.0]])
    with pytest.raises(ShapeError, match="column 5 of rows of 2 numbers"):
        nn.Sequential(nn.Columns(0, 5))([[1.0, 2.0]])


def test_what_is_no_layer() -> None:
    message = refused(nn.Linear(2, 3), nn.ReLU)
    assert "right: Sequential(Linear(2, 3), ReLU())" in message
    assert "is not a layer" in refused("relu")
    assert "is not a layer" in refused(3)
    with pytest.raises(ShapeError, match="Residual takes layers"):
        nn.Residual(nn.Tanh)


def test_a_dtype_that_is_none() -> None:
    with pytest.raises(ShapeError, match='"float32" or "float64"'):
        nn.Sequential(dtype="float16")
