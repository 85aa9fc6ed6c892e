"""SciPy's L-BFGS on the compiled value and gradient of an MLP estimator.

In: an estimator, its network and rows. Out: the parameters found, in one flat vector.
"""

# SciPy has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from glassnet.estimators.mlp_graph import Network, gradient_program
from glassnet.estimators.mlp_solve import PART, Rows, dense, views


class Objective:
    """Loss and gradient of all rows at a point, for SciPy's L-BFGS."""

    def __init__(self, network: Network, rows: Rows, alpha: float, threads: int | None) -> None:
        self.block = np.zeros(sum(int(np.prod(s)) for s in network.shapes), network.dtype)
        self.network, self.rows, self.threads = network, rows, threads
        self.program = gradient_program(network)
        total = float(rows.weight.sum())
        self.share, self.alpha = 1.0 / total, alpha / total
        self.kept = list(self._calls()) if not hasattr(rows.x, "toarray") else None

    def _calls(self) -> Iterator[Any]:
        parts = zip(self.network.names, views(self.network, self.block), strict=True)
        held = dict(parts)
        for i in range(0, len(self.rows), PART):
            part = slice(i, i + PART)
            given = {
                "x": np.ascontiguousarray(dense(self.rows.x[part]), self.network.dtype),
                "y": self.rows.y[part],
                "weight": self.rows.weight[part],
                "share": np.array(self.share, self.network.dtype),
                "decay": np.array(0.0 if i else self.alpha, self.network.dtype),
            }
            yield self.program.prepare({**held, **given}, 1, self.threads)

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        self.block[...] = point
        loss, slope = 0.0, np.zeros_like(self.block)
        for call in self.kept if self.kept is not None else self._calls():
            value, *parts = call()
            loss += float(value)
            slope += np.concatenate([part.ravel() for part in parts])
        return loss, slope


def lbfgs(est: Any, objective: Objective, network: Network) -> np.ndarray:
    """The parameters found from those of the estimator."""
    options = {"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol}
    start = est._block(network.dtype)
    found: Any = minimize(objective, start, method="L-BFGS-B", jac=True, options=options)
    est.n_iter_ = min(int(found.nit), est.max_iter)
    est.loss_ = float(found.fun)
    if found.status != 0:
        warnings.warn(
            f"lbfgs failed to converge after {est.n_iter_} iteration(s) (status={found.status}):\n"
            f"{found.message}\n\nYou might also want to scale the data, or increase max_iter or "
            "max_fun.",
            ConvergenceWarning,
            stacklevel=5,
        )
    x: np.ndarray = found.x
    return x
