"""Per-example gradients: the part of ∂L/∂W that comes from each row of a batch.

In: a model, a loss, and the arrays of a step. Out: `RowGradients`. L is a weighted sum of one term
Lᵢ per row, so ∂L/∂W is the sum of the gradients ∂Lᵢ/∂W, for all layers. For a loss that is not a
sum over rows, the part of row i is ∂L/∂ŷᵢ·∂ŷᵢ/∂W.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.graph.types import Type
from glassnet.nn.loss import Loss
from glassnet.nn.scope import BuildContext, Scope, apply
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.probe import ProbedModule
from glassnet.training.programs import BoundProgram
from glassnet.training.step_graph import (
    ALL,
    BATCH,
    batch_inputs,
    mean_loss,
    outputs_of,
    parameter_inputs,
    trained_only,
)
from glassnet.training.trainer import Task

LOSS = "the loss"  # the value of `coupled` if rows influence each other in the loss
APART = 1000  # multiples of the rounding error by which a row's result alone may differ


class RowGradients:
    """Per-example gradients ∂Lᵢ/∂W of one batch; their sum over the rows is ∂L/∂W.

    If rows influence each other (`BatchNorm` uses mean and variance of the batch), Lᵢ depends on
    the other rows too; `coupled` then names the first such layer, or the loss.
    """

    def __init__(self, task: Task, arrays: Mapping[str, np.ndarray]) -> None:
        self._task, self._arrays = task, arrays
        self.rows = arrays["rows"]

    def of_weight(self, name: str, place: tuple[int, ...]) -> np.ndarray:
        """Return ∂Lᵢ/∂w of one weight, [rows]."""
        program = weight_program(self._task, name, place)
        return weight_gradients(program, self._arrays, row_shares(self._task.loss, self._arrays))

    def of_row(self, at: int) -> dict[str, np.ndarray]:
        """Return ∂Lᵢ/∂W of row number `at` of the batch, by parameter."""
        share = row_shares(self._task.loss, self._arrays)
        if self.coupled:
            share = np.where(np.arange(len(share)) == at, share, 0).astype(share.dtype)
            found = self._run(self.rows, share)
        else:
            found = self._run(self.rows[at : at + 1], share[at : at + 1])
        return {n[3:]: gradient for n, gradient in found.items() if n.startswith("dW.")}

    @cached_property
    def coupled(self) -> str:
        """The first layer whose result for a row changes if the row is alone; "" if there is
        none."""
        share = row_shares(self._task.loss, self._arrays)
        if len(share) == 1:
            return ""
        if not self._task.loss.by_row:
            return LOSS
        together, alone = self._run(self.rows, share), self._run(self.rows[:1], share[:1])
        for name, result in alone.items():
            if not name.startswith("a."):
                continue
            seen = together[name][:1]
            room = APART * np.finfo(result.dtype).eps * max(1.0, float(np.abs(seen).max(initial=0)))
            if not np.allclose(result, seen, rtol=0.0, atol=room, equal_nan=True):
                return name[2:]
        return ""

    @cached_property
    def _program(self) -> tuple[Program, tuple[str, ...]]:
        weighed = _shared_loss(self._task)
        found = {f"a.{layer.name}": layer.result for layer in weighed.watched.seen}
        parameters = trained_only(self._task.model, weighed.parameters)
        slopes = gradients(weighed.total, list(parameters.values()))
        found |= {f"dW.{name}": slope for name, slope in zip(parameters, slopes, strict=True)}
        graph = weighed.builder.finish(list(found.values()))
        return BoundProgram(compile_graph(graph), weighed.builder.captured), tuple(found)

    def _run(self, rows: np.ndarray, share: np.ndarray) -> dict[str, np.ndarray]:
        program, names = self._program
        given = needed_arrays(program, {**self._arrays, "rows": rows, "share": share})
        return dict(zip(names, program.run(given), strict=True))


def weight_program(task: Task, name: str, place: tuple[int, ...]) -> Program:
    """Compile a program for the per-example gradients of one weight. ∂L/∂w is linear in the rows'
    shares of L, so its gradient with respect to the shares has one element per row."""
    weighed = _shared_loss(task)
    slope = gradients(weighed.total, [weighed.parameters[name]])[0]
    one = ops.sum(slope[tuple(slice(i, i + 1) for i in place)])
    graph = weighed.builder.finish(gradients(one, [weighed.share]))
    return BoundProgram(compile_graph(graph), weighed.builder.captured)


def weight_gradients(
    program: Program, arrays: Mapping[str, np.ndarray], share: np.ndarray
) -> np.ndarray:
    """Return ∂Lᵢ/∂w for each row of the batch, [rows]."""
    return program.run(needed_arrays(program, {**arrays, "share": share}))[0] * share


def row_shares(loss: Loss, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the factor of each row's term in the mean over the batch, [rows]."""
    rows, dtype = arrays["rows"], arrays["x"].dtype
    if not loss.by_row:
        return np.ones(len(rows), dtype)
    if "weight" not in arrays:
        return np.full(len(rows), 1.0 / len(rows), dtype)
    weight = arrays["weight"][rows]
    total = weight.sum(dtype=float) or 1.0
    if weight.ndim == 2:  # the rows' terms include these weights already
        return np.full(len(rows), weight.shape[1] / total, dtype)
    return (weight / total).astype(dtype)


def needed_arrays(program: Program, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays that a program reads."""
    return {name: arrays[name] for name in program.plan.graph.inputs if name in arrays}


@dataclass(frozen=True)
class _SharedLoss:
    """The loss of a training step as a graph whose inputs include the rows' shares."""

    builder: GraphBuilder
    total: Value
    share: Value
    parameters: dict[str, Value]
    watched: ProbedModule


def _shared_loss(task: Task) -> _SharedLoss:
    """Build the loss of the step with the same layers in the same order, so that random numbers are
    the same."""
    model, width = task.model, task.rows.x.shape[1]
    builder = GraphBuilder()
    weighted = task.rows.weighting
    batch = batch_inputs(builder, model, task.loss, width, weighted, ALL)
    rows = builder.input("rows", Type("int32", (BATCH,)))
    share = builder.input("share", Type(model.dtype, (BATCH,)))
    step = builder.input("step", Type("int64", ()))
    parameters = parameter_inputs(builder, model)
    taken = {name: ops.take(value, rows) for name, value in batch.items()}
    watched = ProbedModule(model)
    around = BuildContext(True, task.seed, step, rows, task.frozen)
    prediction = apply(watched, taken["x"], Scope(parameters, around))
    size, outputs = prediction.shape[1], outputs_of(model, width)
    assert isinstance(size, int)
    if not task.loss.by_row:
        slope = gradients(mean_loss(task.loss, prediction, outputs, taken), [prediction])[0]
        each = ops.sum(prediction * ops.stop_gradient(slope), 1)
        return _SharedLoss(builder, ops.sum(each * share, 0), share, parameters, watched)
    members = [prediction[:, i : i + outputs] for i in range(0, size, outputs)]
    given = taken["y"], taken.get("weight") if weighted == 2 else None
    total = ops.sum(task.loss.terms(members[0], *given) * share, 0)
    for member in members[1:]:
        total = total + ops.sum(task.loss.terms(member, *given) * share, 0)
    return _SharedLoss(builder, total / float(len(members)), share, parameters, watched)
