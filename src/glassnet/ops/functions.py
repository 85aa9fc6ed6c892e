"""Functions that need an approximation: exponentials, logarithms, circular functions.

In: floats. Out: records, whose scalar code is the package's own (`math_*.py`), so that compiled
results are the same bits on every machine, within 2 units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.graph.op import Op, Value, define
from glassnet.graph.types import FLOATS
from glassnet.ops.elementwise import PAIRS, SINGLES, sqrt, square
from glassnet.ops.logic import equal, greater_equal, logical_and, where
from glassnet.ops.math_erf import erf_code
from glassnet.ops.math_exp import exp_code, expm1_code, sigmoid_code, tanh_code
from glassnet.ops.math_log import log1p_code, log_code
from glassnet.ops.math_pow import pow_code
from glassnet.ops.math_trig import cos_code, sin_code
from glassnet.ops.rules import elementwise_rule

__all__ = [
    "cos", "erf", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "tanh"
]  # fmt: skip


def _function(name: str, formula: str, meaning: Any, vjp: Any, code: Any, **more: Any) -> Op:
    rule = elementwise_rule(name, FLOATS)
    return define(
        Op(name, "elementwise", formula, 1, rule, meaning, vjp, code, examples=SINGLES, **more)
    )


def _numpy_sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(np.less(x, 0), small, np.ones_like(small)) / (1 + small)


def _numpy_erf(x: Any) -> Any:
    x = np.asarray(x)
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x)).astype(x.dtype)


exp = _function("exp", "eˣ", np.exp, lambda g, y, x: (g * y,), exp_code)
expm1 = _function("expm1", "eˣ − 1", np.expm1, lambda g, y, x: (g * (y + 1.0),), expm1_code)
log = _function("log", "ln x", np.log, lambda g, y, x: (g / x,), log_code, domain=(0.1, 4.0))
log1p = _function(
    "log1p", "ln(1 + x)", np.log1p, lambda g, y, x: (g / (x + 1.0),), log1p_code,
    domain=(-0.9, 4.0),
)  # fmt: skip
sin = _function("sin", "sin x", np.sin, lambda g, y, x: (g * cos(x),), sin_code)
cos = _function("cos", "cos x", np.cos, lambda g, y, x: (-(g * sin(x)),), cos_code)
tanh = _function("tanh", "tanh x", np.tanh, lambda g, y, x: (g * (1.0 - y * y),), tanh_code)
sigmoid = _function(
    "sigmoid", "1 / (1 + e⁻ˣ)", _numpy_sigmoid, lambda g, y, x: (g * (y * (1.0 - y)),),
    sigmoid_code,
)  # fmt: skip
erf = _function(
    "erf", "2/√π ∫₀ˣ exp(−t²) dt", _numpy_erf,
    lambda g, y, x: (g * (2.0 / math.sqrt(math.pi)) * exp(-(x * x)),), erf_code,
)  # fmt: skip


def _vjp_pow(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    # a⁰ is constant, and so is 0ᵇ; aᵇ has no slope by b where a is negative: ln a is NaN there
    by_base = where(equal(b, 0.0), 0.0, b * pow(a, where(equal(b, 0.0), 1.0, b - 1.0)))
    still = logical_and(equal(a, 0.0), greater_equal(b, 0.0))
    by_exponent = where(still, 0.0, y * log(where(still, 1.0, a)))
    return g * by_base, g * by_exponent


@dataclass(frozen=True, eq=False)
class Power(Op):
    """A power whose exponent is a number with a shorter way is written that way."""

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
        "pow", "elementwise", "aᵇ", 2, elementwise_rule("pow", FLOATS), np.power, _vjp_pow,
        pow_code, symbol="**", domain=(0.2, 3.0), examples=PAIRS,
    )
)  # fmt: skip
