"""Targets over many orders of magnitude: decide whether to predict their logarithm, and invert it.

In: the values of a target. Out: a decision; logarithms and exponentials with the same bits on all
machines, which NumPy's functions do not guarantee.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.ops.math_exp import exp_code
from glassnet.ops.math_log import log_code
from glassnet.ops.onnumpy import Number, NumpyBuilder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FEWEST = 20  # numbers that a decision is made from
_MAGNITUDES = 2.0  # powers of ten from the low to the high end
_UNEVEN = 0.75  # of the range of the middle 80 % of values, the part above the median, at least
_LARGEST = 700.0  # the exponential of much larger numbers overflows
MOST_FACTOR = 4.0  # of the mean over the median, at most


def shift_of(values: Floats) -> float:
    """Return the number that is added before the logarithm: 0 if all values are positive (or none
    is), 1 for integers, else the 5 % quantile of the positive values."""
    positive = values[values > 0]
    if len(positive) == len(values) or not len(positive):
        return 0.0
    if (values == np.floor(values)).all():
        return 1.0
    return float(np.quantile(positive, 0.05, method="inverted_cdf"))


def has_logarithm(values: Floats) -> bool:
    """Return whether no value is negative, and some are positive."""
    return bool(len(values)) and bool(values.min() >= 0) and bool(values.max() > 0)


def asks_for_logarithm(values: Floats) -> bool:
    """Return whether 20 or more values, none of them negative, span two orders of magnitude or
    more (1 % to 99 % quantile), most of them at the low end."""
    if len(values) < _FEWEST or not has_logarithm(values):
        return False
    shifted = values + shift_of(values)
    low, tenth, middle, ninth, high = np.quantile(
        shifted, (0.01, 0.1, 0.5, 0.9, 0.99), method="inverted_cdf"
    )
    if not low > 0 or ninth == tenth:
        return False
    wide = math.log10(high) - math.log10(low) >= _MAGNITUDES
    return wide and bool(ninth - middle > _UNEVEN * (ninth - tenth))


def logarithm(values: Floats, shift: float) -> Floats:
    """Return log(value + shift); NaN for NaN and for values without a logarithm."""
    shifted = np.asarray(values + shift, np.float64)
    usable = shifted > 0
    found: Floats = log_code(NumpyBuilder(), Number(np.where(usable, shifted, 1.0))).array
    return np.where(usable, found, np.nan)


def exponential(logs: Floats, shift: float, factor: float) -> Floats:
    """Return exp(log) · factor − shift; logarithms beyond ±700 count as ±700."""
    inside = Number(np.clip(np.asarray(logs, np.float64), -_LARGEST, _LARGEST))
    found: Floats = exp_code(NumpyBuilder(), inside).array
    return found * factor - shift


def mean_factor(errors: Floats) -> float:
    """Return the factor that turns the exponential of a predicted logarithm from the median into
    the mean: the mean of exp(error), limited to 1/4 … 4; 1 without rows. `errors` are true minus
    predicted logarithms."""
    rows: Floats = exponential(errors, 0.0, 1.0)
    mean = math.fsum(rows) / max(len(rows), 1)
    return min(max(mean, 1 / MOST_FACTOR), MOST_FACTOR) if mean > 0 else 1.0


def decades(values: Floats, shift: float) -> int:
    """Return the powers of ten between the 1 % and the 99 % quantile, rounded; 0 if values + shift
    are not positive there."""
    low, high = np.quantile(values + shift, (0.01, 0.99), method="inverted_cdf")
    return round(math.log10(high) - math.log10(low)) if low > 0 else 0


def scale_in_words(shift: float) -> str:
    """Return in words what the network predicts of the target: its logarithm, plus the shift."""
    return "its logarithm" if not shift else f"the logarithm of it plus {shift:g}"


def round_number(value: float, decimals: int | None) -> Any:
    """Return a prediction rounded to `decimals`; to 7 significant digits if that is None."""
    return float(f"{value:.7g}") if decimals is None else round(value, decimals)
