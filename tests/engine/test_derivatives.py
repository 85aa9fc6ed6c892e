"""A user's own function, differentiated again and again and compiled, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops

ORDERS = 5
POINTS = np.array([0.3, 0.7, 1.1, 1.9])


def sigmoids(x: np.ndarray) -> list[np.ndarray]:
    """Derivatives of σ as polynomials in s = σ(x)."""
    s = 1 / (1 + np.exp(-x))
    polynomial = np.polynomial.Polynomial([0.0, 1.0])
    found = [s]
    for _ in range(ORDERS):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([0.0, 1.0, -1.0])  # s′ = s − s²
        found.append(polynomial(s))
    return found


def tanhs(x: np.ndarray) -> list[np.ndarray]:
    t = np.tanh(x)
    polynomial = np.polynomial.Polynomial([0.0, 1.0])
    found = [t]
    for _ in range(ORDERS):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([1.0, 0.0, -1.0])  # t′ = 1 − t²
        found.append(polynomial(t))
    return found


def gaussians(x: np.ndarray) -> list[np.ndarray]:
    """exp(−x²/2) and its derivatives: Hermite polynomials with alternating signs."""
    return [
        (-1) ** n * np.polynomial.hermite_e.HermiteE.basis(n)(x) * np.exp(-x * x / 2)
        for n in range(ORDERS + 1)
    ]


def erfs(x: np.ndarray) -> list[np.ndarray]:
    """erf(x/√2), whose derivative is √(2/π) times the function above."""
    first = np.array([math.erf(v / math.sqrt(2)) for v in x])
    return [first, *(math.sqrt(2 / math.pi) * g for g in gaussians(x)[:ORDERS])]


def falling(power: float, n: int) -> float:
    """power · (power − 1) · … of n factors."""
    return math.prod(power - i for i in range(n))


def swish_like(x: Any) -> Any:
    """A composition of several ops: x eˣ, whose n-th derivative is (x + n) eˣ."""
    return x * ops.exp(x)


CASES: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], list[Any]]]] = {
    "sin 2x": (
        lambda x: ops.sin(2.0 * x),
        lambda x: [2.0**n * np.sin(2 * x + n * np.pi / 2) for n in range(ORDERS + 1)],
    ),
    "cos x": (ops.cos, lambda x: [np.cos(x + n * np.pi / 2) for n in range(ORDERS + 1)]),
    "x exp x": (swish_like, lambda x: [(x + n) * np.exp(x) for n in range(ORDERS + 1)]),
    "expm1 x": (ops.expm1, lambda x: [np.expm1(x), *[np.exp(x)] * ORDERS]),
    "log x": (
        ops.log,
        lambda x: [
            np.log(x),
            *(-((-1) ** n) * math.factorial(n - 1) / x**n for n in range(1, ORDERS + 1)),
        ],
    ),
    "log1p x": (
        ops.log1p,
        lambda x: [
            np.log1p(x),
            *(-((-1) ** n) * math.factorial(n - 1) / (1 + x) ** n for n in range(1, ORDERS + 1)),
        ],
    ),
    "1 / x": (
        lambda x: 1.0 / x,
        lambda x: [(-1) ** n * math.factorial(n) / x ** (n + 1) for n in range(ORDERS + 1)],
    ),
    "sqrt x": (
        ops.sqrt,
        lambda x: [falling(0.5, n) * x ** (0.5 - n) for n in range(ORDERS + 1)],
    ),
    "x ** 2.5": (
        lambda x: x**2.5,
        lambda x: [falling(2.5, n) * x ** (2.5 - n) for n in range(ORDERS + 1)],
    ),
    "sigmoid x": (ops.sigmoid, sigmoids),
    "tanh x": (ops.tanh, tanhs),
    "exp(-x²/2)": (lambda x: ops.exp(-0.5 * ops.square(x)), gaussians),
    "erf(x/√2)": (lambda x: ops.erf(x / math.sqrt(2)), erfs),
    "a chosen branch": (
        lambda x: ops.where(x > 1.0, x * x * x, ops.sin(x)),
        lambda x: [
            np.where(x > 1, falling(3, n) * x ** (3.0 - n), np.sin(x + n * np.pi / 2))
            for n in range(ORDERS + 1)
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_up_to_the_fifth(name: str) -> None:
    """Of a number, by `grad` of `grad` of …; relative to the largest of the values."""
    f, exact = CASES[name]
    for n, wanted in enumerate(exact(POINTS)):
        found = np.array([gn.compile(f)(x) for x in POINTS])
        assert np.abs(found - wanted).max() <= 1e-12 * max(1.0, np.abs(wanted).max()), n
        f = gn.grad(f)


@pytest.mark.parametrize("name", CASES)
def test_third_derivatives_of_every_element_in_float32(name: str) -> None:
    """Σ f(xᵢ) three times: each gradient is summed again, so all elements go their own way."""
    f, exact = CASES[name]
    g = lambda x: ops.sum(f(x))  # noqa: E731
    for _ in range(2):
        g = lambda x, g=g: ops.sum(gn.grad(g)(x))  # noqa: E731
    found = gn.grad(g)(POINTS.astype("float32"))
    wanted = exact(POINTS)[3]
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() <= 2e-5 * max(1.0, np.abs(wanted).max())


def test_a_gradient_is_part_of_a_compiled_function() -> None:
    """f + f‴ of x⁴ is x⁴ + 24x."""
    f = lambda x: x**4  # noqa: E731
    third = gn.grad(gn.grad(gn.grad(f)))
    assert gn.compile(lambda x: f(x) + third(x))(3.0) == 81.0 + 72.0


def test_mixed_derivatives_do_not_depend_on_their_order() -> None:
    """x³y² + sin(xy): by x, x, y and by y, x, x."""
    f = lambda x, y: x**3 * y**2 + ops.sin(x * y)  # noqa: E731
    by_x = lambda f: gn.grad(f, 0)  # noqa: E731
    by_y = lambda f: gn.grad(f, 1)  # noqa: E731
    x, y = 0.7, 1.3
    # 6x·2y; y² (−sin xy) by y: −2y sin xy − xy² cos xy
    wanted = 12 * x * y - 2 * y * math.sin(x * y) - x * y * y * math.cos(x * y)
    assert by_y(by_x(by_x(f)))(x, y) == pytest.approx(wanted, rel=1e-14)
    assert by_x(by_x(by_y(f)))(x, y) == pytest.approx(wanted, rel=1e-14)


def test_the_hessian_of_a_quadratic_form_and_its_zero_third_derivative() -> None:
    """xᵀAx: the Hessian times v is (A + Aᵀ)v, and the derivative of that is 0."""
    random = np.random.default_rng(0)
    a, x, v, u = (random.standard_normal(s) for s in ((7, 7), 7, 7, 7))
    f = lambda x: ops.sum(x * (a @ x))  # noqa: E731
    slope = gn.grad(f)
    along = gn.grad(lambda x: ops.sum(slope(x) * v))
    np.testing.assert_allclose(slope(x), (a + a.T) @ x, rtol=1e-12)
    np.testing.assert_allclose(along(x), (a + a.T) @ v, rtol=1e-12)
    third = gn.grad(lambda x: ops.sum(along(x) * u))
    np.testing.assert_array_equal(third(x), 0.0)


def test_third_derivatives_through_a_product_a_gather_and_a_sum() -> None:
    """Σᵢ (Σⱼ wⱼ x[kᵢ, j])³ along v thrice: 6 Σᵢ (v·x[kᵢ])³, whatever w is."""
    random = np.random.default_rng(1)
    x, w, v = (random.standard_normal(s) for s in ((9, 5), 5, 5))
    rows = np.array([0, 3, 3, 8, 1])
    f = lambda w: ops.sum((ops.take(x, rows) @ w) ** 3)  # noqa: E731
    for _ in range(3):
        f = lambda w, f=f: ops.sum(gn.grad(f)(w) * v)  # noqa: E731
    wanted = 6 * np.sum((x[rows] @ v) ** 3)
    assert gn.compile(f)(w) == pytest.approx(wanted, rel=1e-12)


def test_the_gradient_of_a_gradient_of_a_network() -> None:
    """½(wx + b − y)² with one row: the Hessian is [[x², x], [x, 1]]."""

    def loss(w: Any, b: Any) -> Any:
        return 0.5 * ops.square(w * 3.0 + b - 2.0)

    parts = [
        [float(gn.grad(lambda w, b, i=i: gn.grad(loss, i)(w, b), j)(0.5, 0.25)) for j in (0, 1)]
        for i in (0, 1)
    ]
    assert parts == [[9.0, 3.0], [3.0, 1.0]]
