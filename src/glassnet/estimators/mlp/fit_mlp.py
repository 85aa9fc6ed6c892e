"""Fit an MLP estimator with the trainer of `gn.train`.

In: an estimator with initial weights, and checked rows. Out: the estimator, trained. Its parameters
become a network, a loss, an optimiser, an order of rows and stopping rules for the trainer in
`training/`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from glassnet.errors import warn_user
from glassnet.estimators.mlp.attributes import Attributes, OptimizerState
from glassnet.estimators.mlp.epoch_progress import CurrentRate, EpochProgress, SolverProgress
from glassnet.estimators.mlp.fit_callbacks import FitCallbacks
from glassnet.estimators.mlp.mlp_network import attach_weights, loss_of, network_of
from glassnet.estimators.mlp.record import FitFile, open_fit_file
from glassnet.estimators.mlp.validation import HeldOut, ValidationScorer, validation_split
from glassnet.nn.module import Module
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.scikit import ScikitAdam, ScikitLBFGS, ScikitSGD
from glassnet.training.batch_order import Order
from glassnet.training.data_checks import Rows
from glassnet.training.full_batch import FullBatchTrainer
from glassnet.training.history import History, Run
from glassnet.training.shuffles import ShuffledOrder
from glassnet.training.trainer import Conventions, Task, Trainer

SLOTS = {"adam": ("m", "v"), "sgd": ("m",)}
ONLINE = 1 << 20  # most bytes of rows for which a trainer is used again
INTERRUPTED = "Training interrupted by user."
MOST = (
    "Stochastic Optimizer: Maximum iterations ({}) reached and the optimization hasn't converged "
    "yet."
)
GROWN = 100  # times the loss of the first epoch
SMALLER = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"


@dataclass(frozen=True)
class FitData:
    """The training rows, and the validation rows if there are any. `weighted` says whether the user
    gave weights; `picked` are the indices of the training rows if some were held out."""

    rows: Rows
    held_out: HeldOut | None
    weighted: bool
    picked: np.ndarray | None = None


def fit_by_steps(est: Attributes, data: FitData, watch: FitCallbacks, once: bool) -> None:
    """Fit by solver "sgd" or "adam": all epochs, or with `once` (in `partial_fit`) one epoch that
    continues the last call. ConvergenceWarning if the training diverged, or used up all epochs."""
    if once and OnlineTrainer.goes_on(est, data, watch):
        return
    with open_fit_file(est) as file:
        seed = _dropout_seed(est, file)
        model = network_of(est, data.rows.y.dtype)
        est._optimizer = _optimizer_memory(est, model, once)
        if est.early_stopping and data.held_out is None:
            rows, held_out, picked = validation_split(est, data.rows, data.weighted)
            data = FitData(rows, held_out, data.weighted, picked)
        _begin_curves(est, data.held_out)
        attach_weights(est, model)
        descent, progress = _make_trainer(est, model, data, watch, seed, file)
        epochs = 1 if once else est.max_iter
        history = _train_and_record(descent, epochs, progress, file, data)
        est._online = OnlineTrainer.of(est, descent, data.rows) if once else None
        if history is None or once:
            return
        diverged = _warn_of_divergence(est, history.loss, progress)
        if diverged:
            warn_user(diverged, ConvergenceWarning)
        elif history.stopped == "epochs":
            warn_user(MOST.format(est.max_iter), ConvergenceWarning)


def _warn_of_divergence(est: Attributes, losses: list[float], progress: SolverProgress) -> str:
    """Return the text of a warning if the last loss is more than GROWN times that of the first
    epoch, or NaN, else ""."""
    if not losses or losses[-1] <= GROWN * max(losses[0], 1e-3):
        return ""
    epoch = next(i for i, loss in enumerate(losses, 1) if not loss <= GROWN * max(losses[0], 1e-3))
    restored = ""
    if est.early_stopping and progress.scores:
        best = int(np.nanargmax([-np.inf, *progress.scores]))
        restored = f"; the weights are those of epoch {best}, the best one" if best else ""
    return (
        f"the training diverged: the loss was {losses[0]:.4g} in epoch 1 and "
        f"{losses[epoch - 1]:.4g} in epoch {epoch}{restored}\n"
        f"  right: learning_rate_init={est.learning_rate_init / 10:.2g}, or smaller\n"
        "  right: StandardScaler() before the network, so that inputs are near 1"
    )


def _dropout_seed(est: Attributes, file: FitFile | None) -> int:
    """Return the seed of the dropout masks, 0 without dropout. An integer `random_state` would give
    the same masks in each fit that continues another, so the number of these fits is added."""
    if not est.dropout:
        return 0
    if file is not None and file.known is not None:
        est._warm_fits = file.known.get("warm_fits", 0)
    drawn = int(est._random_state.randint(2**31 - 1))
    return drawn + est._warm_fits * isinstance(est.random_state, Integral)


class OnlineTrainer:
    """The trainer of the last `partial_fit`, which the next call with as many rows uses again to
    save the preparation. A copy or a pickle drops it."""

    def __init__(self, est: Attributes, descent: Trainer, rows: Rows) -> None:
        self._descent = descent
        self._rows = descent.own_rows()  # users' arrays are not changed
        self._known, self._made_for = _settings(est, rows), _identity_settings(est)

    def __reduce__(self) -> Any:
        return _empty_copy, ()

    @classmethod
    def of(cls, est: Attributes, descent: Trainer, rows: Rows) -> OnlineTrainer | None:
        """Return a reusable trainer; None if the rows are large or sparse, or each call draws
        another seed for dropout."""
        again = not rows.sparse and not est.dropout and rows.x.nbytes <= ONLINE
        return cls(est, descent, rows) if again else None

    @classmethod
    def goes_on(cls, est: Attributes, data: FitData, watch: FitCallbacks) -> bool:
        """Train on new rows with the same trainer, if nothing else has changed; return whether it
        did."""
        online = vars(est).get("_online")
        return isinstance(online, cls) and online._train(est, data, watch)

    def _train(self, est: Attributes, data: FitData, watch: FitCallbacks) -> bool:
        pairs = zip(self._made_for, _identity_settings(est), strict=False)
        if self._known != _settings(est, data.rows) or not all(a is b for a, b in pairs):
            return False
        for name, array in data.rows.arrays().items():
            self._rows[name][...] = array
        descent, count = self._descent, len(data.rows)
        _batch_size(est.batch_size, count)  # warns at every call, if at all
        order = descent.order
        if est.shuffle:
            order = ShuffledOrder(count, order.size, None, est._random_state)
        descent.order, descent.first = order, est._optimizer.t
        if count == 1 or not est.shuffle:  # nothing will be drawn
            est._undrawn = est.random_state
        progress = EpochProgress(est, None, watch, count, order.steps, descent.schedule)
        if descent.train(1, [progress]).stopped == "interrupted":
            warn_user(INTERRUPTED)
        return True


def _empty_copy() -> None:
    """Return None, the copy of a trainer."""


def _settings(est: Attributes, rows: Rows) -> tuple[Any, ...]:
    """Return the settings that must be equal for a trainer to be used again."""
    asked = rows.x.shape, rows.y.shape, rows.y.dtype, est.batch_size, est.shuffle, est._threads
    rule = est.solver, est.learning_rate_init, est.momentum, est.nesterovs_momentum
    adam = est.beta_1, est.beta_2, est.epsilon
    loss = est.out_activation_, est._loss(), est.alpha
    return (*asked, len(est.coefs_), est.dropout, *rule, *adam, *loss, est.learning_rate)


def _identity_settings(est: Attributes) -> list[Any]:
    """Return the objects that must be identical for a trainer to be used again."""
    return [*est.coefs_, *est.intercepts_, est.activation, est._optimizer]


def _make_trainer(
    est: Attributes,
    model: Module,
    data: FitData,
    watch: FitCallbacks,
    seed: int,
    file: FitFile | None,
) -> tuple[Trainer, EpochProgress]:
    """Return the trainer, and the progress that it reports to."""
    rows, size = data.rows, _batch_size(est.batch_size, len(data.rows))
    order = Order(len(rows), size, None)
    if est.shuffle:
        order = _shuffled_order(est, len(rows), size, file)
    rule = _optimizer(est)
    schedule = rule.schedule
    if est.solver == "sgd":
        schedule = CurrentRate(schedule.lr, est._optimizer)
    task = Task(model, loss_of(est), rows, None, est._threads, seed)
    judge = None if data.held_out is None else ValidationScorer(est, data.held_out, loss_of(est))
    memory, first = est._optimizer.arrays(model), est._optimizer.t
    conventions = Conventions(schedule, memory, judge, first, guarded=False, by_rows=True)
    progress = EpochProgress(est, judge, watch, len(rows), order.steps, schedule)
    return Trainer(task, rule, order, conventions), progress


def _shuffled_order(est: Attributes, count: int, size: int, file: FitFile | None) -> Order:
    """Return the order of rows, in which each epoch shuffles the order of the one before, as in
    scikit-learn. In a recorded fit it can be drawn again; in a resumed one the RandomState of the
    estimator becomes that after the last checkpoint."""
    if file is None:
        return ShuffledOrder(count, size, None, est._random_state)
    state = file.order_state(est)
    order = ShuffledOrder(count, size, None, None if file.known else est._random_state, state)
    if file.known:
        est._random_state = order.after(file.start())
    return order


def _optimizer(est: Attributes) -> Optimizer:
    rate = float(est.learning_rate_init)
    if est.solver == "adam":
        return ScikitAdam(rate, float(est.beta_1), float(est.beta_2), float(est.epsilon))
    return ScikitSGD(rate, float(est.momentum), bool(est.nesterovs_momentum))


def _optimizer_memory(est: Attributes, model: Module, again: bool) -> OptimizerState:
    """Return the optimiser's state: that of the estimator, in the network's dtype, if training
    continues (`again`) with the same solver, else a new one."""
    slots, dtype = SLOTS[est.solver], model.W.dtype
    known: OptimizerState | None = getattr(est, "_optimizer", None)
    if again and known is not None and set(known.slots) == set(slots):
        known.slots = {name: old.astype(dtype) for name, old in known.slots.items()}
        return known
    fresh = {name: np.zeros_like(model.W) for name in slots}
    return OptimizerState(float(est.learning_rate_init), 0, fresh)


def _batch_size(asked: Any, rows: int) -> int:
    if isinstance(asked, str):
        return min(200, rows)
    if asked > rows:
        warn_user(SMALLER)
    return int(min(max(asked, 1), rows))


def fit_by_lbfgs(est: Attributes, data: FitData, watch: FitCallbacks) -> None:
    """Fit by solver "lbfgs", in float64 for any dtype of the data; the weights then have that
    dtype. ConvergenceWarning if it has not converged."""
    dtype, data = data.rows.y.dtype, replace(data, rows=as_float64(data.rows))
    _begin_curves(est, data.held_out)
    with open_fit_file(est) as file:
        model = network_of(est, np.float64)
        attach_weights(est, model)
        rule = ScikitLBFGS(tolerance=float(est.tol), evaluations=int(est.max_fun))
        judge = (
            None if data.held_out is None else ValidationScorer(est, data.held_out, loss_of(est))
        )
        search = FullBatchTrainer(_full_batch(est, model, data.rows), rule, judge)
        history = _train_and_record(
            search, est.max_iter, SolverProgress(est, judge, watch), file, data
        )
    if dtype != model.dtype:
        attach_weights(est, network_of(est, dtype))
    found = search.outcome
    if history is None or found is None:
        return
    est.n_iter_, est.loss_ = min(int(found.nit), est.max_iter), float(found.fun)
    if found.status:
        warn_user(
            f"lbfgs failed to converge after {est.n_iter_} iteration(s) (status={found.status}):\n"
            f"{found.message}\n\nYou might also want to scale the data, or increase max_iter or "
            "max_fun.",
            ConvergenceWarning,
        )


def as_float64(rows: Rows) -> Rows:
    """Return rows with targets and weights in float64, and inputs too unless they are sparse, which
    are converted by batch."""
    x = rows.x if rows.sparse else rows.x.astype(float, copy=False)
    assert rows.weight is not None
    y, weight = rows.y.astype(float, copy=False), rows.weight.astype(float, copy=False)
    return replace(rows, x=x, y=y, weight=weight)


def _full_batch(est: Attributes, model: Module, rows: Rows) -> Task:
    return Task(model, loss_of(est), rows, None, est._threads, 0)


def loss_and_gradient(est: Attributes, point: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
    """Return the loss and the gradient, float64 [n_parameters], that solver "lbfgs" uses, at a
    point: `coefs_`, then `intercepts_`, each of them flat. The estimator is not changed."""
    model = network_of(est, np.float64)
    search = FullBatchTrainer(_full_batch(est, model, as_float64(rows)), ScikitLBFGS())
    model.W[search.places] = point
    objective = search.objective(Run(model, 1, 1))
    return objective(np.asarray(point, float))


def _begin_curves(est: Attributes, held_out: HeldOut | None) -> None:
    if held_out is not None and est.validation_scores_ is None:
        est.validation_scores_, est.best_validation_score_ = [], -np.inf
        est.validation_loss_curve_ = []
    if est.best_loss_ is None and not est.early_stopping:
        est.best_loss_ = np.inf  # the fit before had early stopping, and no best loss


def _train_and_record(
    run: Trainer | FullBatchTrainer,
    epochs: int,
    progress: SolverProgress,
    file: FitFile | None,
    data: FitData,
) -> History | None:
    """Train, record if there is a file, and return the history; None if the file has all epochs
    already. Warn if Ctrl+C ended the training."""
    if file is None:
        history = run.train(epochs, [progress])
    else:
        history = file.train(run, epochs, progress, data.held_out, data.picked)
    if history is not None and history.stopped == "interrupted":
        warn_user(INTERRUPTED)
    return history
