"""SciPy's L-BFGS on the compiled value and gradient of an MLP estimator.

In: an estimator, its network and rows. Out: the parameters found, in one flat vector; loss and
gradient at a point.
"""

# SciPy has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from glassnet.estimators.mlp_graph import Network, gradient_program
from glassnet.estimators.mlp_recorder import Unrecorded
from glassnet.estimators.mlp_solve import Memory, Rows, dense, views
from glassnet.estimators.mlp_validate import HeldOut, judged
from glassnet.estimators.mlp_watch import Watch
from glassnet.training.estimator_search import added, shares

SCRATCH = ("activations", "deltas", "coef_grads", "intercept_grads")  # scikit-learn's buffers


class Objective:
    """Loss and gradient of all rows at a point, for SciPy's L-BFGS."""

    def __init__(self, network: Network, rows: Rows, alpha: float, threads: int | None) -> None:
        self.block = np.zeros(sum(int(np.prod(s)) for s in network.shapes), network.dtype)
        self.network, self.rows, self.threads = network, rows, threads
        self.program = gradient_program(network)
        self.alpha = alpha
        self.loss = np.inf  # at the point that was asked for last
        self.kept = list(self._calls()) if not hasattr(rows.x, "toarray") else None

    def _calls(self) -> Iterator[Any]:
        parts = zip(self.network.names, views(self.network, self.block), strict=True)
        held = dict(parts)
        for part, given in shares(self.rows.weight, self.alpha):
            x = np.ascontiguousarray(dense(self.rows.x[part]), self.network.dtype)
            arrays = {**held, **given, "x": x, "y": self.rows.y[part]}
            yield self.program.prepare(arrays, 1, self.threads)

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        self.block[...] = point
        slope = np.zeros_like(self.block)
        self.loss = added(self.kept if self.kept is not None else self._calls(), slope)
        return self.loss, slope


class LossGradient:
    """The part of the MLP estimators that says what L-BFGS asks of them."""

    alpha: float
    _network: Any
    _threads: Any

    def _loss_grad_lbfgs(
        self, packed_coef_inter: np.ndarray, X: Any, y: Any, *given: Any
    ) -> tuple[float, np.ndarray]:
        """Loss, with its penalty, and gradient at a point: what `solver="lbfgs"` descends on.

        Private with scikit-learn too; it is here so that code that checks gradients through it,
        as scikit-learn's own tests do, goes on working. The estimator is left as it is, while
        scikit-learn's takes the point as its weights.

        Parameters
        ----------
        packed_coef_inter : ndarray of shape (n_parameters,)
            The point: `coefs_`, then `intercepts_`, each of them flat.
        X : ndarray or sparse matrix of shape (n_samples, n_inputs)
            Rows as the network reads them.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Numbers, or classes as columns of 0 and 1.
        *given : ndarray of shape (n_samples,) or None, and four lists
            `sample_weight` (not in scikit-learn 1.6), and `activations`, `deltas`, `coef_grads`
            and `intercept_grads`, which are neither read nor filled, and may be left out.

        Returns
        -------
        loss : float
            Computed in float64, whatever X is.
        grad : ndarray of float64 of shape (n_parameters,)
            In the order of the point.
        """
        y = np.asarray(y, float).reshape(X.shape[0], -1)
        weight = given[0] if given and len(given) != len(SCRATCH) else None
        weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
        rows = Rows(X, np.ascontiguousarray(y), weight)
        network = self._network(np.float64)
        return Objective(network, rows, float(self.alpha), self._threads)(packed_coef_inter)


class Stopped(Exception):
    """Ends SciPy's iterations."""


class Course:
    """What happens after every iteration; the estimator then has the weights found so far, which
    are `block`. To a record it is a descent by one batch, with nothing to remember."""

    steps = SimpleNamespace(count=1)
    best = None

    def __init__(
        self,
        est: Any,
        objective: Objective,
        held_out: HeldOut | None,
        watch: Watch,
        record: Unrecorded,
    ) -> None:
        self.est, self.objective, self.held_out, self.watch = est, objective, held_out, watch
        self.record, self.rows, self.network = record, objective.rows, objective.network
        self.size, self.memory = len(self.rows), Memory(float(est.learning_rate_init))
        self.start = time.monotonic()
        self.block: np.ndarray = est._block(self.network.dtype)
        est.n_iter_ = 0

    def __call__(self, point: np.ndarray) -> None:
        est = self.est
        self.block = point.copy()
        est._take(self.network, self.block)
        est.n_iter_ += 1
        est.loss_ = self.objective.loss
        est.loss_curve_.append(est.loss_)
        if self.held_out is not None:
            score, loss = judged(est, self.held_out)
            est.validation_scores_.append(score)
            est.validation_loss_curve_.append(loss)
            est.best_validation_score_ = max(est.best_validation_score_, score)
        late = est.time_limit is not None and time.monotonic() - self.start >= est.time_limit
        stopped = "early" if self.watch.epoch_end() else "time" if late else "epochs"
        self.record.epoch(self, stopped)
        if stopped != "epochs":
            raise Stopped(stopped)
        if est.n_iter_ < est.max_iter:
            self.watch.epoch_begin()


def lbfgs(course: Course) -> np.ndarray:
    """The parameters found from those of the estimator."""
    est, record = course.est, course.record
    if not record.begin(course):
        return course.block
    options = {"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol}
    course.watch.epoch_begin()
    try:
        given: dict[str, Any] = {"jac": True, "options": options, "callback": course}
        found: Any = minimize(course.objective, course.block, method="L-BFGS-B", **given)
    except Stopped as stop:
        record.end(course, str(stop))
        return course.block
    est.n_iter_ = min(int(found.nit), est.max_iter)
    est.loss_ = float(found.fun)
    course.block = np.asarray(found.x)
    last = "epochs" if est.n_iter_ == est.max_iter else "early"
    record.end(course, "converged" if found.status == 0 else last)
    if found.status != 0:
        warnings.warn(
            f"lbfgs failed to converge after {est.n_iter_} iteration(s) (status={found.status}):\n"
            f"{found.message}\n\nYou might also want to scale the data, or increase max_iter or "
            "max_fun.",
            ConvergenceWarning,
            stacklevel=8,
        )
    return course.block
