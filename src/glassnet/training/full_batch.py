"""Full-batch training: random search, and SciPy's L-BFGS.

In: a task and settings. Out: the model, trained in place; run files use `FullBatchTrainer` as they
use `Trainer`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from glassnet.errors import TrainingError
from glassnet.nn.module import split
from glassnet.nn.storage import layout_of
from glassnet.ops import philox
from glassnet.optim.scikit import ScikitLBFGS
from glassnet.optim.search import LBFGS, RandomSearch
from glassnet.training.batch_order import SHUFFLE, Order
from glassnet.training.callbacks import callback_states
from glassnet.training.data_checks import dense
from glassnet.training.epoch_loop import EpochLoop, Stop
from glassnet.training.functional import as_one_vector
from glassnet.training.history import History, Run
from glassnet.training.programs import gradient_program, part_program
from glassnet.training.state import TrainingState, digest
from glassnet.training.step_graph import parameter_arrays, trained_only, weights_first
from glassnet.training.trainer import Task

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]

PART = 4096  # number of rows of a part
TRIALS = SHUFFLE + 2  # the random stream of trials
NO_STEPS = (
    "{} was trained by {!r}, which has no steps to open: it uses all rows at once; `glassnet "
    "check` repeats its epochs, and gn.value_and_grad(loss)(model, x, y) gives the loss and the "
    "gradient of all rows"
)


@dataclass
class FullBatchTrainer:
    """Full-batch training, with the interface of `Trainer`: an epoch is one step, and there is no
    state other than the model's weights."""

    task: Task
    optimizer: RandomSearch | LBFGS
    evaluate: Callable[[], float] | None = None  # replaces the validation loss
    memory: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    raw: np.ndarray | None = None
    outcome: Any = None  # SciPy's result of L-BFGS

    @property
    def order(self) -> Order:
        """All rows, in their original order, in one batch."""
        return Order(len(self.task.rows), len(self.task.rows), None)

    @property
    def again(self) -> bool:
        """Whether resuming repeats all epochs, since SciPy does not expose the state of L-BFGS."""
        return isinstance(self.optimizer, LBFGS)

    def train(
        self, epochs: int, callbacks: Sequence[Any], history: History | None = None
    ) -> History:
        """Train for `epochs` epochs in total, continuing after those in `history` (not with
        L-BFGS)."""
        if not isinstance(self.optimizer, RandomSearch):
            found = lbfgs(self, self.optimizer, epochs, callbacks)
            found.state = self.state(self.task.model.W, len(found.loss), ())
            return found
        return random_search(self, self.optimizer, epochs, callbacks, history)

    def state(self, best: np.ndarray, trials: int, callbacks: Sequence[Any]) -> TrainingState:
        """Return the state of a random search."""
        model, none = self.task.model, np.empty(0)
        return TrainingState(
            self.optimizer, tuple(layout_of(model).parameters), self.shape, trials, trials, best,
            digest(model.W), {}, none, none, *callback_states(callbacks),
        )  # fmt: skip

    @property
    def shape(self) -> dict[str, Any]:
        """The settings that determine the trials."""
        rows = self.task.rows
        return {"rows": len(rows), "columns": rows.x.shape[1], "seed": self.task.seed}

    def go_on(self, state: TrainingState) -> None:
        """Continue from the state of another search."""
        if isinstance(self.optimizer, LBFGS):
            raise TrainingError(
                "after=…: SciPy's L-BFGS does not expose its state; train without after=, which "
                "begins with the current weights of the model"
            )
        if state.weights is not None:
            self.task.model.W[...] = state.weights

    @property
    def places(self) -> Any:
        """The indices in W of the parameters in the order in which SciPy gets them, on which its
        sums depend: for a loss in parts all weights first, then all biases."""
        model = self.task.model
        if not self.task.loss.in_parts:
            return ...
        places = split(np.arange(model.W.size), layout_of(model).parameters)
        return np.concatenate([places[name].ravel() for name in weights_first(model)])

    def objective(self, run: Run) -> Objective:
        """Return a function that computes the loss and its gradient at the model's current W."""
        assert isinstance(self.optimizer, LBFGS)
        if self.task.loss.in_parts:
            return in_parts(self.task, run)
        return _objective(self.task, self.optimizer, run)


def random_search(
    search: FullBatchTrainer,
    by: RandomSearch,
    epochs: int,
    callbacks: Sequence[Any],
    history: History | None = None,
) -> History:
    """Run one trial per epoch; the history has the lowest loss so far. Trials are determined by
    seed and number, so that the best weights and their loss are the whole state."""
    started = time.perf_counter()
    task, model = search.task, search.task.model
    judge, evaluate = task.judge(task.rows), task.evaluator()
    built = time.perf_counter() - started
    run = Run(model, epochs, epochs, started=started)
    if history is not None:
        run.history = history
        run.epoch = run.steps_done = len(history.loss)
    loop = EpochLoop(run, callbacks, evaluate, lambda: built)
    best, least = model.W.copy(), run.history.loss[-1] if run.epoch else math.inf

    def body() -> None:
        nonlocal least
        while loop.continues:
            if run.epoch:
                _draw(task, by, best, run.epoch)
            loss = judge()
            run.history.evaluations += 1
            if loss < least:
                least = loss
                best[...] = model.W
            model.W[...] = best
            loop.after_steps(1)
            loop.end_epoch(least)

    def end() -> None:
        model.W[...] = best

    found = loop.follow(body, end)
    found.state = search.state(best, run.epoch, callbacks)
    return found


def _draw(task: Task, search: RandomSearch, best: np.ndarray, trial: int) -> None:
    """Set the model's weights to those of a trial."""
    model = task.model
    drawn = search.scale * philox.normal(model.W.size, task.seed, TRIALS, trial)
    whole = split(best + drawn if search.near else drawn, layout_of(model).parameters)
    parameters = trained_only(model, model.parameters())
    for name, view in parameters.items():
        view[...] = whole[name]


def lbfgs(search: FullBatchTrainer, by: LBFGS, epochs: int, callbacks: Sequence[Any]) -> History:
    """Run L-BFGS with one iteration per epoch; it stops early when it has converged."""
    # slow to import, and needed only here
    from scipy.optimize import minimize  # pyright: ignore[reportUnknownVariableType]

    started = time.perf_counter()
    task, places, W = search.task, search.places, search.task.model.W
    run = Run(task.model, epochs, epochs, started=started)
    objective, evaluate = search.objective(run), search.evaluate or task.evaluator()
    built = time.perf_counter() - started
    loop = EpochLoop(run, callbacks, evaluate, lambda: built)
    last = W[places].astype(float)
    to_the_end = isinstance(by, ScikitLBFGS)  # let SciPy finish, for its status

    def at(w: np.ndarray) -> tuple[float, np.ndarray]:
        W[places] = w
        return objective(w)

    def each(intermediate_result: Any) -> None:
        last[...] = intermediate_result.x
        W[places] = last
        loop.after_steps(1)
        loop.end_epoch(float(intermediate_result.fun))
        if run.history.stopped != "epochs" or (run.epoch == epochs and not to_the_end):
            raise Stop
        if run.epoch < epochs:
            loop.begin_epoch()

    def body() -> None:
        loop.begin_epoch()
        options: dict[str, Any] = {"method": "L-BFGS-B", "options": by.options(epochs)}
        ended: Any = cast(Any, minimize)(at, last.copy(), jac=True, callback=each, **options)
        search.outcome, last[...] = ended, ended.x
        unfinished = "epochs" if run.epoch >= epochs else "early"
        run.history.stopped = unfinished if to_the_end and ended.status else "converged"

    def end() -> None:
        W[places] = last

    return loop.follow(body, end)


def in_parts(task: Task, run: Run) -> Objective:
    """Return a function that computes the loss of all rows with its penalty, and the gradient in
    the order of `weights_first`, in parts of the rows."""
    model, rows, loss = task.model, task.rows, task.loss
    assert rows.weight is not None
    width, total = rows.x.shape[1], float(rows.weight.sum())
    found, parameters = part_program(model, loss, width), parameter_arrays(model)
    alpha = loss.hyperparameters()["alpha"]

    def prepared(first: int) -> Callable[[], list[np.ndarray]]:
        part = rows.part(slice(first, first + PART))
        counts = {"share": 1.0 / total, "decay": 0.0 if first else alpha / total}
        scalars = {name: np.array(count, model.dtype) for name, count in counts.items()}
        arrays = {**parameters, **scalars, **part.arrays()}
        arrays["x"] = np.ascontiguousarray(dense(part.x), model.dtype)
        return found.prepare(arrays, 1, task.threads)

    starts = range(0, len(rows), PART)
    # sparse rows are converted to dense ones part by part, at every evaluation
    prepared_calls = None if rows.sparse else [prepared(first) for first in starts]

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        run.history.evaluations += 1
        value, slope = 0.0, np.zeros_like(w)
        for call in prepared_calls if prepared_calls is not None else map(prepared, starts):
            loss, *parts = call()
            value += float(loss)
            slope += np.concatenate([part.ravel() for part in parts])
        return value, slope

    return objective


def _objective(task: Task, search: LBFGS, run: Run) -> Objective:
    """Return a function that computes the loss of all rows and its gradient for W in float64."""
    model, rows = task.model, task.rows
    weighted = rows.weighting
    program = gradient_program(model, task.loss, rows.x.shape[1], weighted)
    arrays = {**rows.arrays(), **parameter_arrays(model)}
    call = program.prepare(arrays, 1, task.threads)

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, *parts = call()
        run.history.evaluations += 1
        slope = as_one_vector(model, parts).astype(float)
        loss = float(value)
        if search.weight_decay:
            loss += 0.5 * search.weight_decay * math.fsum(w * w)
            slope += search.weight_decay * w
        if not math.isfinite(loss) and run.history.evaluations == 1:
            raise TrainingError(
                f"the loss of the model before training is {loss:g}; scale x, or start with "
                "smaller weights"
            )
        return loss, slope

    return objective
