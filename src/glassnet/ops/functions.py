"""Functions that need an approximation: exponentials, logarithms, trigonometric functions.

In: floats. Out: records with scalar code from `math_*.py`, so that compiled results have the same
bits on every machine. Errors are at most 2 units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.graph.op import Op, Value, define
from glassnet.graph.types import FLOATS
from glassnet.ops.elementwise import PAIRS, sqrt, square, unary
from glassnet.ops.logic import equal, greater_equal, logical_and, where
from glassnet.ops.math_erf import erf_code
from glassnet.ops.math_exp import exp_code, expm1_code, sigmoid_code, tanh_code
from glassnet.ops.math_log import log1p_code, log_code
from glassnet.ops.math_pow import pow_code
from glassnet.ops.math_trig import cos_code, sin_code
from glassnet.ops.type_rules import elementwise_rule

__all__ = [
    "cos", "erf", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "tanh"
]  # fmt: skip


def _numpy_sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(np.less(x, 0), small, np.ones_like(small)) / (1 + small)


def _numpy_erf(x: Any) -> Any:
    x = np.asarray(x)
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x)).astype(x.dtype)


exp = unary("exp", "eˣ", numpy=np.exp, vjp=lambda g, ans, x: (g * ans,), code=exp_code)
expm1 = unary(
    "expm1", "eˣ − 1", numpy=np.expm1, vjp=lambda g, ans, x: (g * (ans + 1.0),), code=expm1_code
)
log = unary(
    "log", "ln x", numpy=np.log, vjp=lambda g, ans, x: (g / x,), code=log_code, domain=(0.1, 4.0)
)
log1p = unary(
    "log1p",
    "ln(1 + x)",
    numpy=np.log1p,
    vjp=lambda g, ans, x: (g / (x + 1.0),),
    code=log1p_code,
    domain=(-0.9, 4.0),
)
sin = unary("sin", "sin x", numpy=np.sin, vjp=lambda g, ans, x: (g * cos(x),), code=sin_code)
cos = unary("cos", "cos x", numpy=np.cos, vjp=lambda g, ans, x: (-(g * sin(x)),), code=cos_code)
tanh = unary(
    "tanh", "tanh x", numpy=np.tanh, vjp=lambda g, ans, x: (g * (1.0 - ans * ans),), code=tanh_code
)
sigmoid = unary(
    "sigmoid",
    "1 / (1 + e⁻ˣ)",
    numpy=_numpy_sigmoid,
    vjp=lambda g, ans, x: (g * (ans * (1.0 - ans)),),
    code=sigmoid_code,
)
erf = unary(
    "erf",
    "2/√π ∫₀ˣ exp(−t²) dt",
    numpy=_numpy_erf,
    vjp=lambda g, ans, x: (g * (2.0 / math.sqrt(math.pi)) * exp(-(x * x)),),
    code=erf_code,
)


def _vjp_pow(g: Any, ans: Any, a: Any, b: Any) -> tuple[Any, Any]:
    # a⁰ and 0ᵇ are constant; for negative a the derivative with respect to b is NaN, as ln a is
    by_base = where(equal(b, 0.0), 0.0, b * pow(a, where(equal(b, 0.0), 1.0, b - 1.0)))
    is_constant = logical_and(equal(a, 0.0), greater_equal(b, 0.0))
    by_exponent = where(is_constant, 0.0, ans * log(where(is_constant, 1.0, a)))
    return g * by_base, g * by_exponent


@dataclass(frozen=True, eq=False)
class Power(Op):
    """The power op; exponents −1, ½, 1, 2 and 3 are replaced by cheaper ops."""

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        base, exponent = args
        if isinstance(base, Value) and isinstance(exponent, int | float) and exponent in SHORT:
            return SHORT[exponent](base)
        return super().__call__(*args, **attrs)


SHORT: dict[float, Callable[[Any], Any]] = {
    -1.0: lambda x: 1.0 / x,
    0.5: sqrt,
    1.0: lambda x: x,
    2.0: square,
    3.0: lambda x: square(x) * x,
}

pow = define(
    Power(
        "pow",
        "elementwise",
        "aᵇ",
        2,
        infer=elementwise_rule("pow", FLOATS),
        numpy=np.power,
        vjp=_vjp_pow,
        code=pow_code,
        symbol="**",
        domain=(0.2, 3.0),
        examples=PAIRS,
    )
)
