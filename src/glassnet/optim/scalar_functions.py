"""Elementary functions with the same bits on every machine, unlike log and cos of a C library.

In: floats or arrays of them. Out: float64 arrays; errors are at most 2 units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassnet.ops.math_exp import exp_code
from glassnet.ops.math_log import log_code
from glassnet.ops.math_trig import cos_code
from glassnet.ops.onnumpy import Number, NumpyBuilder


def _on_numbers(code: Callable[[Any, Any], Any]) -> Callable[[Any], np.ndarray]:
    def function(x: Any) -> np.ndarray:
        given = np.asarray(x, np.float64)
        with np.errstate(all="ignore"):
            return code(NumpyBuilder(), Number(given.reshape(-1))).array.reshape(given.shape)

    return function


exp = _on_numbers(exp_code)
log = _on_numbers(log_code)
cos = _on_numbers(cos_code)
