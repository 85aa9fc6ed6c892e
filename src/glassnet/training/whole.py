"""Random search, and L-BFGS by SciPy: training that looks at all rows at once.

In: a task and settings. Out: the model, trained in place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassnet.errors import TrainingError
from glassnet.nn.module import split
from glassnet.ops import philox
from glassnet.optim.search import LBFGS, RandomSearch
from glassnet.training.course import Course, Stop
from glassnet.training.descend import SHUFFLE, Task
from glassnet.training.functional import in_one
from glassnet.training.history import History, Run
from glassnet.training.programs import gradient_program
from glassnet.training.step import parameter_arrays, trained

TRIALS = SHUFFLE + 2  # the stream of random numbers that trials are drawn from


def random_search(
    task: Task, search: RandomSearch, epochs: int, callbacks: Sequence[Any]
) -> History:
    """One trial an epoch; the history has the least loss so far."""
    started = time.perf_counter()
    model = task.model
    judge, evaluate = task.judge(task.rows), task.evaluator()
    built = time.perf_counter() - started
    run = Run(model, epochs, epochs, started=started)
    course = Course(run, callbacks, evaluate, lambda: built)
    best, least = model.W.copy(), math.inf

    def body() -> None:
        nonlocal least
        while course.going:
            if run.epoch:
                _draw(task, search, best, run.epoch)
            loss = judge()
            run.history.evaluations += 1
            if loss < least:
                least = loss
                best[...] = model.W
            model.W[...] = best
            course.after_steps(1)
            course.end_epoch(least)

    def end() -> None:
        model.W[...] = best

    return course.follow(body, end)


def _draw(task: Task, search: RandomSearch, best: np.ndarray, trial: int) -> None:
    """Put the weights of a trial into the model."""
    model = task.model
    drawn = search.scale * philox.normal(model.W.size, task.seed, TRIALS, trial)
    whole = split(best + drawn if search.near else drawn, model.declared())
    held = trained(model, model.parameters())
    for name, view in held.items():
        view[...] = whole[name]


def lbfgs(task: Task, search: LBFGS, epochs: int, callbacks: Sequence[Any]) -> History:
    """One iteration an epoch; it ends early when it has converged."""
    # slow to import, and needed here only
    from scipy.optimize import minimize  # pyright: ignore[reportUnknownVariableType]

    started = time.perf_counter()
    run = Run(task.model, epochs, epochs, started=started)
    objective = _objective(task, search, run)
    evaluate = task.evaluator()
    built = time.perf_counter() - started
    course = Course(run, callbacks, evaluate, lambda: built)
    last = task.model.W.astype(float)

    def each(intermediate_result: Any) -> None:
        last[...] = intermediate_result.x
        task.model.W[...] = last
        course.after_steps(1)
        course.end_epoch(float(intermediate_result.fun))
        if not course.going:
            raise Stop

    def body() -> None:
        options = {
            "maxiter": epochs,
            "maxfun": 100 * epochs,
            "maxcor": search.memory,
            "gtol": search.tolerance,
            "ftol": 0.0,
        }
        start = last.copy()
        minimize(objective, start, jac=True, method="L-BFGS-B", callback=each, options=options)
        run.history.stopped = "converged"

    def end() -> None:
        task.model.W[...] = last

    return course.follow(body, end)


def _objective(
    task: Task, search: LBFGS, run: Run
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """The loss of all rows and its gradient, as a function of W in float64."""
    model, rows = task.model, task.rows
    weighted = rows.weight is not None
    program = gradient_program(model, task.loss, rows.x.shape[1], weighted)
    arrays = {**rows.arrays(), **parameter_arrays(model)}
    call = program.prepare(arrays, 1, task.threads)

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        model.W[...] = w
        value, *parts = call()
        run.history.evaluations += 1
        slope = in_one(model, parts).astype(float)
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
