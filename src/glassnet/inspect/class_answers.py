"""Class names and predicted probabilities of a step, for runs of a classifier.

In: a `StepData`. Out: a probability for each row and class, averaged over the networks of an
ensemble; and short texts of them.
"""

from __future__ import annotations

import numpy as np

from glassnet.inspect.step_data import StepData
from glassnet.visible import make_visible

MOST = 3  # classes shown per row
_LONGEST = 16  # characters of a class name


def probabilities(step: StepData) -> np.ndarray | None:
    """Return class probabilities, float64 [rows, classes]; None if the class names are unknown, or
    ŷ has no class scores."""
    count = len(step.classes)
    scores = step.prediction
    if count < 2 or type(step.loss).__name__ != "CrossEntropy" or scores.ndim != 2:
        return None
    if step.y.ndim != 1 or scores.shape[1] % count:
        return None
    each = scores.astype(np.float64).reshape(len(scores), -1, count)
    powers = np.exp(each - each.max(axis=2, keepdims=True))
    return (powers / powers.sum(axis=2, keepdims=True)).mean(axis=1)


def class_label(step: StepData, at: int) -> str:
    """Return the true class of row `at` of the batch, by name."""
    code = int(step.y[at])
    return _short(step.classes[code]) if 0 <= code < len(step.classes) else "none"


def likely_classes(step: StepData, row: np.ndarray) -> str:
    """Return the most probable classes of a row as text: "yes 0.61, no 0.39"."""
    order: list[int] = np.argsort(-row, kind="stable")[:MOST].tolist()
    more = ", …" if len(row) > MOST else ""
    return ", ".join(f"{_short(step.classes[code])} {row[code]:.2f}" for code in order) + more


def _short(name: str) -> str:
    text = make_visible(name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
