"""One training step of a 2-2-1 network, worked out by hand.

The network has sigmoid hidden neurons and a linear output, the loss is half the squared error, the
learning rate is 1/2. Weights are chosen so that each hidden neuron's z is the logarithm of a small
ratio, and every number of the step is a fraction.

    x = (1, 2), y = 1
    W1 = | ln 3   −ln 2 |        b1 = (−2 ln 3, ln 2)
         | ln 3    ln 2 |

    z1 = x W1 + b1 = (ln 3 + 2 ln 3 − 2 ln 3, −ln 2 + 2 ln 2 + ln 2) = (ln 3, 2 ln 2) = (ln 3, ln 4)
    a  = σ(z1) = (3/4, 4/5),  as σ(ln r) = r / (1 + r)

    W2 = (4, −5)ᵀ, b2 = 5/2
    ŷ  = 4 · 3/4 − 5 · 4/5 + 5/2 = 3 − 4 + 5/2 = 3/2
    L  = 1/2 · (3/2 − 1)² = 1/8

    ∂L/∂ŷ  = ŷ − y = 1/2
    ∂L/∂W2 = a · 1/2 = (3/8, 2/5),  ∂L/∂b2 = 1/2
    ∂L/∂a  = W2 · 1/2 = (2, −5/2)
    ∂L/∂z1 = ∂L/∂a · a(1 − a) = (2 · 3/16, −5/2 · 4/25) = (3/8, −2/5)
    ∂L/∂W1 = xᵀ ∂L/∂z1 = | 3/8   −2/5 |      ∂L/∂b1 = (3/8, −2/5)
                         | 3/4   −4/5 |

    W ← W − 1/2 · ∂L/∂W
    W1 = | ln 3 − 3/16   −ln 2 + 1/5 |       b1 = (−2 ln 3 − 3/16, ln 2 + 1/5)
         | ln 3 − 3/8     ln 2 + 2/5 |
    W2 = (4 − 3/16, −5 − 1/5)ᵀ, b2 = 5/2 − 1/4
"""

from __future__ import annotations

from math import log

import numpy as np
import pytest

import glassnet as gn
from glassnet.training import value_and_grad

BEFORE = [log(3), -log(2), log(3), log(2), -2 * log(3), log(2), 4, -5, 5 / 2]
GRADIENT = [3 / 8, -2 / 5, 3 / 4, -4 / 5, 3 / 8, -2 / 5, 3 / 8, 2 / 5, 1 / 2]
AFTER = [
    log(3) - 3 / 16,
    -log(2) + 1 / 5,
    log(3) - 3 / 8,
    log(2) + 2 / 5,
    -2 * log(3) - 3 / 16,
    log(2) + 1 / 5,
    4 - 3 / 16,
    -5 - 1 / 5,
    5 / 2 - 1 / 4,
]
X, Y = np.array([[1.0, 2.0]]), np.array([1.0])


def network(dtype: str) -> gn.nn.Sequential:
    model = gn.nn.Sequential(gn.nn.Linear(2, 2), gn.nn.Sigmoid(), gn.nn.Linear(2, 1), dtype=dtype)
    model.W = BEFORE
    return model


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-6), ("float64", 1e-14)])
def test_one_step(dtype: str, error: float) -> None:
    model = network(dtype)
    assert model(X)[0, 0] == pytest.approx(3 / 2, rel=error)
    loss, gradient = value_and_grad(gn.losses.HalfMSE())(model, X, Y)
    assert loss == pytest.approx(1 / 8, rel=4 * error)
    np.testing.assert_allclose(gradient, GRADIENT, rtol=4 * error)
    history = gn.train(
        model, X, Y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(lr=0.5), epochs=1
    )
    assert history.loss == [pytest.approx(1 / 8, rel=4 * error)]
    np.testing.assert_allclose(model.W, AFTER, rtol=4 * error)


def test_the_same_step_by_hand_in_numpy() -> None:
    model = network("float32")
    _, gradient = value_and_grad(gn.losses.HalfMSE())(model, X, Y)
    model.W -= 0.5 * gradient
    np.testing.assert_allclose(model.W, AFTER, rtol=4e-6)


def test_the_named_parts() -> None:
    model = network("float64")
    parts = model.parameters()
    assert list(parts) == ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    np.testing.assert_array_equal(parts["linear1.weight"], [BEFORE[:2], BEFORE[2:4]])
    np.testing.assert_array_equal(parts["linear2.weight"], [[4], [-5]])
