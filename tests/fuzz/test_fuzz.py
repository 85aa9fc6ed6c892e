"""Random graphs, compiled in every way, against the interpreter and against each other.

`make fuzz` tries 10 000; GLASSNET_FUZZ sets the number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassnet.run.program import Plan
from tests.engine.check import reference
from tests.engine.variants import assert_same_bits, difference
from tests.fuzz.graphs import Case, cases, programs

EXAMPLES = int(os.environ.get("GLASSNET_FUZZ", "60"))


def search(share: float) -> settings:
    checks = list(HealthCheck)  # large examples and slow ones are what we are after
    return settings(max_examples=int(EXAMPLES * share), suppress_health_check=checks)


def check_plan(
    plan: Plan,
    args: Mapping[str, np.ndarray],
    steps: int,
    ways: Mapping[str, Any],
    exact: Sequence[bool] = (),
) -> None:
    """The same bits every way, and close to the interpreter; equal where NumPy rounds alike, which
    `exact` tells of every output."""
    results = assert_same_bits(plan, args, steps, **ways)
    narrow = reference(plan, args, steps, wide=False)
    wide = reference(plan, args, steps, wide=True)
    for got, near, far, equal in zip(
        results, narrow, wide, exact or [False] * len(results), strict=True
    ):
        assert (got.dtype, got.shape) == (near.dtype, near.shape)
        if equal:
            assert_equal(got, near)
        else:
            assert_close(got, near, far)


def assert_equal(got: np.ndarray, near: np.ndarray) -> None:
    found = difference(without_minus_zero(near), without_minus_zero(got))
    assert not found, found


def without_minus_zero(array: np.ndarray) -> np.ndarray:
    """Which of two zeros an extreme gives is not said."""
    return array + np.zeros((), array.dtype) if array.dtype.kind == "f" else array


def assert_close(got: np.ndarray, near: np.ndarray, far: np.ndarray) -> None:
    """Within a few rounding errors: NumPy's own show how large they are."""
    if not got.size or not (np.isfinite(near).all() and np.isfinite(far).all()):
        return
    single = got.dtype == np.float32
    spread = np.abs(near.astype(float) - far).max() if single else 0.0
    scale = 1.0 + np.abs(near.astype(float)).max()
    error = np.abs(got.astype(float) - near.astype(float)).max()
    assert error <= (1e-5 if single else 1e-10) * scale + 50 * spread


WAYS = st.fixed_dictionaries(
    {
        "tiles": st.tuples(
            st.integers(1, 12), st.integers(1, 4), st.sampled_from((1, 512, 1 << 19))
        ),
        "threads": st.sampled_from((2, 3, 7)),
    }
)


@search(1.0)
@given(case=cases(), ways=WAYS)
def test_random_graphs(case: Case, ways: dict[str, Any]) -> None:
    check_plan(case.plan, case.args, 1, ways, case.exact)


@search(0.4)
@given(case=cases(special=True), ways=WAYS)
def test_infinities_nan_and_tiny_numbers(case: Case, ways: dict[str, Any]) -> None:
    results = assert_same_bits(case.plan, case.args, **ways)
    narrow = reference(case.plan, case.args, 1, wide=False)
    for got, near, equal in zip(results, narrow, case.exact, strict=True):
        if equal:
            assert_equal(got, near)


@search(0.4)
@given(case=programs(), ways=WAYS)
def test_random_programs(case: Case, ways: dict[str, Any]) -> None:
    check_plan(case.plan, case.args, case.steps, ways)
