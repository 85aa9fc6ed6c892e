"""The L-BFGS of the scikit-learn estimators: loss and gradient a part of the rows at a time.

In: rows with weights, and a network. Out: what SciPy asks for at a point, to the bits of the fit;
and a recorded fit whose iterations are done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.types import Type
from glassnet.nn.module import Module, split
from glassnet.nn.scope import Scope
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.estimator_step import PenalisedLoss, part_of
from glassnet.training.history import Run
from glassnet.training.step import BATCH, batch_inputs, parameter_arrays, parameter_inputs
from glassnet.training.whole import Objective, Search

PART = 4096  # rows at a time


def shares(weight: np.ndarray, alpha: float) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Parts of the rows, each with its weights, with what a row counts in the mean, and with what
    the penalty counts: once for all parts."""
    total = float(weight.sum())
    for first in range(0, len(weight), PART):
        part = slice(first, first + PART)
        counts = {"share": 1.0 / total, "decay": 0.0 if first else alpha / total}
        scalars = {name: np.array(own, weight.dtype) for name, own in counts.items()}
        yield part, {"weight": weight[part], **scalars}


def added(calls: Iterable[Callable[[], Any]], slope: np.ndarray) -> float:
    """The sum of the parts' losses; that of their gradients is added to `slope`."""
    loss = 0.0
    for call in calls:
        value, *parts = call()
        loss += float(value)
        slope += np.concatenate([part.ravel() for part in parts])
    return loss


class FitSearch(Search):
    """A recorded fit by L-BFGS, whose iterations are done again from its first weights."""

    @property
    def places(self) -> np.ndarray:
        """The weights of every layer, then the biases: SciPy's sums depend on the order."""
        model = self.task.model
        places = split(np.arange(model.W.size), model.declared())
        return np.concatenate([places[name].ravel() for name in _in_a_row(model)])

    def objective(self, run: Run) -> Objective:
        """The loss with its penalty, and the gradient in the order of `places`."""
        model, rows, loss = self.task.model, self.task.rows, self.task.loss
        assert rows.weight is not None
        assert isinstance(loss, PenalisedLoss)
        program, held = _program(model, loss, rows.x.shape[1]), parameter_arrays(model)
        calls: list[Callable[[], Any]] = []
        for part, given in shares(rows.weight, loss.alpha):
            arrays = {**held, **given, "x": rows.x[part], "y": rows.y[part]}
            calls.append(program.prepare(arrays, 1, self.task.threads))

        def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
            slope = np.zeros_like(w)
            run.history.evaluations += 1
            return added(calls, slope), slope

        return objective


def _program(model: Module, loss: PenalisedLoss, width: int) -> Program:
    """What `gradient_program` of the estimators computes."""
    builder = GraphBuilder()
    batch = batch_inputs(builder, model, loss, width, True, BATCH)
    share, decay = (builder.input(name, Type(model.dtype, ())) for name in ("share", "decay"))
    held = parameter_inputs(builder, model)
    own = [held[name] for name in _in_a_row(model)]
    cost = loss.rows(model.build(batch["x"], Scope(held)), batch["y"])
    weights = [held[name] for name in held if name.endswith("weight")]
    total = part_of(cost, batch["weight"], share, weights, decay)
    return compile_graph(builder.finish([total, *gradients(total, own)]))


def _in_a_row(model: Module) -> list[str]:
    return sorted(model.declared(), key=lambda name: not name.endswith("weight"))
