"""First values: their distributions, their fixed bits, and a start fitted to data."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, ShapeError
from glassnet.nn.initializers import INITIALIZERS, initializer

SHAPE = (300, 200)

# bound of uniform numbers, or deviation of normal ones
UNIFORM = {
    "glorot_uniform": math.sqrt(6 / 500),
    "he_uniform": math.sqrt(6 / 300),
    "lecun_uniform": math.sqrt(3 / 300),
}
NORMAL = {
    "glorot_normal": math.sqrt(2 / 500),
    "he_normal": math.sqrt(2 / 300),
    "lecun_normal": math.sqrt(1 / 300),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name: str) -> None:
    w, bound = initializer(name)(SHAPE, 0, 0), UNIFORM[name]
    assert w.shape == SHAPE
    assert bound * 0.9999 < np.abs(w).max() <= bound
    # 60 000 numbers: the mean of |w| is bound/2 ± bound/√12/√60000
    assert np.abs(w).mean() == pytest.approx(bound / 2, rel=0.01)
    assert abs(w.mean()) < 4 * bound / math.sqrt(3 * w.size)


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name: str) -> None:
    w, deviation = initializer(name)(SHAPE, 0, 0), NORMAL[name]
    assert w.std() == pytest.approx(deviation, rel=0.015)
    assert abs(w.mean()) < 4 * deviation / math.sqrt(w.size)
    within = (np.abs(w) < deviation).mean()
    assert within == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (40, 40), (1, 7), (7, 1)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    w = initializer("orthogonal")(shape, 3, 1)
    gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-12)


def test_zeros_and_ones() -> None:
    assert (initializer("zeros")((2, 3), 0, 0) == 0).all()
    assert (initializer("ones")((2, 3), 0, 0) == 1).all()


@pytest.mark.parametrize("name", [*UNIFORM, *NORMAL, "orthogonal"])
def test_seed_and_stream_decide(name: str) -> None:
    draw = initializer(name)
    np.testing.assert_array_equal(draw((4, 5), 1, 2), draw((4, 5), 1, 2))
    assert (draw((4, 5), 1, 2) != draw((4, 5), 1, 3)).any()
    assert (draw((4, 5), 1, 2) != draw((4, 5), 2, 2)).any()


def test_the_bits_of_first_weights_stay() -> None:
    """All initialisers, hashed: the same on every machine, until numerics_version goes up."""
    digest = hashlib.sha256()
    for name in sorted(INITIALIZERS):
        digest.update(initializer(name)((7, 5), 42, 3).tobytes())
    assert gn.numerics_version == 5
    assert digest.hexdigest()[:16] == "ae10dcfe0f415d26"


def test_an_unknown_name() -> None:
    with pytest.raises(GlassnetError, match=r"no initializer 'xavier'.*glorot_uniform"):
        initializer("xavier")


def test_a_start_fitted_to_data() -> None:
    nn = gn.nn
    x = np.random.default_rng(0).standard_normal((300, 4)) * [1, 10, 100, 0.1] + [0, 5, 300, 1]
    model = nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2), dtype="float64"
    )
    last = model.W[-12:].copy()
    assert nn.fit_start(model, x) is model
    p = model.parameters()
    z = x @ p["linear1.weight"] + p["linear1.bias"]
    np.testing.assert_allclose([z.mean(axis=0), z.std(axis=0)], [[0] * 6, [1] * 6], atol=1e-12)
    z = np.maximum(z, 0) @ p["linear2.weight"] + p["linear2.bias"]
    np.testing.assert_allclose([z.mean(axis=0), z.std(axis=0)], [[0] * 5, [1] * 5], atol=1e-12)
    np.testing.assert_array_equal(model.W[-12:], last)


def test_a_start_for_constant_columns() -> None:
    nn = gn.nn
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), dtype="float64")
    nn.fit_start(model, np.ones((5, 2)))
    assert np.isfinite(model.W).all()
    wrong: list[Any] = [np.ones((1, 2)), np.ones(3)]
    for x in wrong:
        with pytest.raises(ShapeError, match="two rows or more"):
            nn.fit_start(model, x)
