"""Targets over many magnitudes: which of them are learnt by their logarithm, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet.errors import TableError
from glassnet.estimators.tabular.examine import understand
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.table_schema import Schema
from glassnet.tables.target_column import TargetSchema, infer_target
from glassnet.tables.target_scale import asks_for_logarithm, mean_factor, shift_of

RANDOM = np.random.default_rng(5)
FLAT = RANDOM.random(1000)
BELL = RANDOM.normal(size=1000)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.exp(1.5 * BELL), True),  # prices over three magnitudes
        (np.floor(np.exp(2 * BELL)), True),  # counts, some of them 0
        (np.exp(0.5 * BELL), False),  # less than two magnitudes
        (1000 * FLAT, False),  # evenly spread, however small the smallest is
        (np.exp(1.5 * BELL) - 1, False),  # some are below zero
        ((FLAT > 0.95).astype(float), False),  # nearly all 0
        (np.exp(1.5 * BELL)[:19], False),  # too few to tell
        (-np.exp(1.5 * BELL) + 1e4, False),  # the low end is the long one
        (np.zeros(50), False),
    ],
)
def test_what_asks_for_a_logarithm(values: np.ndarray, wanted: bool) -> None:
    assert asks_for_logarithm(values) == wanted


@pytest.mark.parametrize(
    ("values", "shift"),
    [([0.5, 2.0, 8.0], 0.0), ([0.0, 1.0, 40.0], 1.0), ([0.0, 0.5, 40.0], 0.5)],
)
def test_what_is_added(values: list[float], shift: float) -> None:
    assert shift_of(np.array(values)) == shift


def test_the_way_there_and_back() -> None:
    values = np.array([0.0, 1.0, 30.0, 4000.0])
    target = TargetSchema("y", log=True, shift=1.0).fitted(values)
    logs = np.log(values + 1)
    assert target.mean == values.mean()
    np.testing.assert_allclose(target.centre, logs.mean(), rtol=1e-15)
    goals = target.standardise(values)
    np.testing.assert_allclose(goals, (logs - logs.mean()) / logs.std(), rtol=1e-14)
    np.testing.assert_allclose(target.restore(goals), values, rtol=1e-13, atol=1e-13)


def test_predictions_are_means() -> None:
    """exp(N(0, 1)) has the mean exp(½), 1.65 times its median."""
    errors = RANDOM.normal(size=100_000)
    assert mean_factor(errors) == pytest.approx(np.exp(0.5), rel=0.02)
    assert mean_factor(errors * 100) == 4.0  # not taken too far
    target = TargetSchema("y", log=True, scale=2.0).calibrated(np.zeros(100_000), errors / 2)
    assert target.restore(np.zeros(1)) == pytest.approx(np.exp(0.5), rel=0.02)
    assert target.truth(np.zeros(1)) == 1.0  # what rows truly have is not multiplied


def schema_of(target: TargetSchema) -> Schema:
    table = table_of(mapping_columns({"a": FLAT[:50], "y": np.exp(1.5 * BELL[:50])}), "t")
    found = understand(table, "y")
    return Schema.fit(found.columns, target.fitted(found.truth), np.arange(50))


def test_the_model_file_keeps_it() -> None:
    schema = schema_of(TargetSchema("y", log=True))
    assert Schema.from_plain(schema.to_plain()) == schema
    assert "log" not in schema_of(TargetSchema("y")).to_plain()["target"]


def test_it_can_be_overruled() -> None:
    prices = table_of(mapping_columns({"y": np.exp(1.5 * BELL)}), "t")
    assert infer_target(prices, "y").log
    assert not infer_target(prices, "y", "number:plain").log
    flat = table_of(mapping_columns({"y": 1000 * FLAT}), "t")
    assert infer_target(flat, "y", "number:log").log
    below = table_of(mapping_columns({"y": BELL}), "t")
    with pytest.raises(TableError, match=r"below zero.*pass target_scale='plain'"):
        infer_target(below, "y", "number:log")
