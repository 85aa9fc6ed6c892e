"""Cached calls for low-latency prediction.

In: a fitted MLP estimator and an array of finite numbers. Out: outputs of its network; None for
other rows and estimators, which take the normal path with scikit-learn's checks.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.estimators.mlp.attributes import Attributes
from glassnet.estimators.mlp.mlp_network import architecture, forward_program, named_parameters
from glassnet.run.program import Call

FEW = 64  # most rows of a cached call
MOST_CALLS = 16  # in one cache


@dataclass(frozen=True)
class CachedCall:
    """A program bound to the input array `x` and to an estimator's weights and activations; it is
    valid while these are the same objects."""

    parts: tuple[np.ndarray, ...]
    activation: Any
    out: str
    x: np.ndarray
    call: Call

    def fits(self, attributes: Mapping[str, Any], parts: list[np.ndarray]) -> bool:
        """Return whether weights (`parts`) and activations are the objects it was made for."""
        same = (
            self.activation is attributes["activation"]
            and self.out == attributes["out_activation_"]
        )
        if not same or len(parts) != len(self.parts):
            return False
        return all(a is b for a, b in zip(parts, self.parts, strict=True))


class CallCache:
    """The cached calls of one estimator; a copy or a pickle starts with an empty cache."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, int], CachedCall] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return CallCache, ()

    def outputs(self, est: Attributes, X: Any, what: str, check: bool) -> np.ndarray | None:
        """Return the same as `predict_outputs` if a cached call can be used, else None.

        That needs 1 to FEW dense rows with the dtype and the number of columns of the weights, and
        no column encoder; with `check`, also finite rows and no names of columns.
        """
        attributes = vars(est)
        if type(X) is not np.ndarray or X.ndim != 2 or not 0 < len(X) <= FEW:
            return None
        if (
            "coefs_" not in attributes
            or "intercepts_" not in attributes
            or "_encoder" in attributes
        ):
            return None
        parts: list[np.ndarray] = [*attributes["coefs_"], *attributes["intercepts_"]]
        if X.dtype != parts[0].dtype or X.shape[1] != parts[0].shape[0]:
            return None
        if check and ("feature_names_in_" in attributes or not np.isfinite(X).all()):
            return None
        with self._lock:
            known = self._calls.get((what, len(X)))
            if known is None or not known.fits(attributes, parts):
                known = self._prepare(est, parts, X, what)
            if known is None:
                return None
            known.x[...] = X
            return known.call()[0].copy()

    def _prepare(
        self, est: Attributes, parts: list[np.ndarray], X: np.ndarray, what: str
    ) -> CachedCall | None:
        if isinstance(est.activation, list):  # its entries may change
            return None
        if not all(part.dtype == X.dtype and part.flags.c_contiguous for part in parts):
            return None
        x = np.empty(X.shape, X.dtype)
        held = named_parameters(est.coefs_, est.intercepts_)
        found = forward_program(architecture(est, X.dtype), est.out_activation_, what)
        call = found.prepare({"x": x, **held})
        if len(self._calls) >= MOST_CALLS:
            self._calls.clear()
        known = CachedCall(tuple(parts), est.activation, est.out_activation_, x, call)
        self._calls[what, len(X)] = known
        return known
