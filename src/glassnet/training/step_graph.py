"""The training step: model, loss and optimiser as one graph.

In: a module, a loss and an optimiser. Out: a graph that takes the row numbers of a mini-batch and
computes the loss, the new parameters and the optimiser's new state; and which output updates which
input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.op import Value
from glassnet.graph.types import Dim, Size, Type
from glassnet.graph.userline import user_line
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module, split
from glassnet.nn.scope import BuildContext, Scope, apply
from glassnet.nn.storage import layout_of
from glassnet.optim.optimizer import Optimizer, StepContext
from glassnet.references import References
from glassnet.tracing import Traced
from glassnet.words import plural

ALL, BATCH = Dim("N"), Dim("n")


@dataclass(frozen=True)
class StepGraph:
    """The graph of a step. Inputs: x, y, weight (if rows have weights) for all rows; rows, lr, step
    for one step; the `hyperparameters` of loss and optimiser by name; W.<name> for parameters,
    <slot>.<name> for the optimiser's state; key0 and key1, the words of the seed, if the graph is
    for all seeds. Output 0 is the loss, with its penalty."""

    graph: Graph
    donate: dict[str, int]
    random: bool  # whether the seed has any effect
    widths: frozenset[Size]  # sizes that may be symbolic in shared code
    sources: tuple[int, ...]  # for nodes up to the gradients: whose gradient each is, or −1
    captured: Mapping[str, np.ndarray]  # further inputs: arrays that the user's code refers to


@user_line()
def step_graph(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    width: int,
    weighted: int,
    seed: int | None,
    references: References | None = None,
) -> StepGraph:
    """Return the graph of one training step, for one seed, or for all if that is None. `references`
    are those of model, loss and optimiser, if known."""
    begun = _forward(model, loss, optimizer, width, weighted, seed, references, update=True)
    sources: list[int] = []
    slopes = gradients(begun.total, list(begun.parameters.values()), sources=sources)
    new = updated_values(optimizer, begun.parameters, slopes, begun.memory, begun.now)
    return begun.finish(model, width, [], new, sources)


@user_line()
def gradient_step_graph(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    width: int,
    weighted: int,
    seed: int | None,
    references: References | None = None,
) -> StepGraph:
    """Return the graph of a step without its update: the loss, then the gradients of all trained
    parameters. For random numbers, the rows of the mini-batch count from the input `first`.
    Parameters that layers update themselves, such as the running mean of a `BatchNorm`, change."""
    begun = _forward(model, loss, optimizer, width, weighted, seed, references, update=False)
    slopes = gradients(begun.total, list(begun.parameters.values()))
    return begun.finish(model, width, slopes, {}, [])


@user_line()
def update_graph(
    model: Module, optimizer: Optimizer, width: int | None, references: References | None = None
) -> StepGraph:
    """Return the graph of an update with given gradients, the inputs g.<name>. If `width` is None,
    the code is only for the sizes of this model."""
    builder = GraphBuilder(references=references or References(model, optimizer))
    now = _now(builder, model, optimizer.hyperparameters())
    parameters = trained_only(model, parameter_inputs(builder, model))
    memory = _memory(builder, optimizer, parameters)
    slopes = [builder.input(f"g.{name}", value.type) for name, value in parameters.items()]
    with builder.tracing():
        new = updated_values(optimizer, parameters, slopes, memory, now)
    donate = {name: place for place, name in enumerate(new)}
    graph = builder.finish(list(new.values()))
    sizes: frozenset[Size] = frozenset() if width is None else widths(model, width)
    return StepGraph(graph, donate, False, sizes, (), builder.captured)


@dataclass(frozen=True)
class _Forward:
    """A step up to its loss, penalty included."""

    builder: GraphBuilder
    now: StepContext
    parameters: dict[str, Value]  # the trained ones
    memory: dict[str, dict[str, Value]]
    around: BuildContext
    total: Value

    def finish(
        self,
        model: Module,
        width: int,
        outputs: list[Value],
        new: dict[str, Value],
        sources: list[int],
    ) -> StepGraph:
        """Return the graph with the outputs loss, `outputs`, and the updated values `new`."""
        new = new | {f"W.{name}": value for name, value in self.around.updates.items()}
        donate = {name: place for place, name in enumerate(new, 1 + len(outputs))}
        graph = self.builder.finish([self.total, *outputs, *new.values()])
        return StepGraph(
            graph, donate, self.around.streams > 0, widths(model, width), tuple(sources),
            self.builder.captured,
        )  # fmt: skip


def _forward(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    width: int,
    weighted: int,
    seed: int | None,
    references: References | None,
    update: bool,
) -> _Forward:
    declared = layout_of(model).parameters
    parameters = trained_only(model, declared)
    if not parameters:
        raise ShapeError(f"{model!r} has no parameters to train")
    optimizer.check_groups(list(parameters), [name for name in declared if name not in parameters])
    builder = GraphBuilder(references=references or References(model, loss, optimizer))
    batch = batch_inputs(builder, model, loss, width, weighted, ALL)
    rows = builder.input("rows", Type("int32", (BATCH,)))
    now = _now(builder, model, hyperparameters(loss, optimizer))
    words = Type("int64", ())
    key = (builder.input("key0", words), builder.input("key1", words)) if seed is None else seed
    inputs = parameter_inputs(builder, model)
    memory = _memory(builder, optimizer, trained_only(model, inputs)) if update else {}
    first = None if update else builder.input("first", Type("int32", ()))
    taken = {name: ops.take(value, rows) for name, value in batch.items()}
    numbers = rows if first is None else rows + first
    around = BuildContext(True, key, now.step, numbers, optimizer.frozen(declared))
    outputs = outputs_of(model, width)
    with builder.tracing():
        prediction = apply(model, taken["x"], Scope(inputs, around))
        total = mean_loss(loss, prediction, outputs, taken)
    penalty = loss.penalty(trained_only(model, inputs), taken.get("weight"), now.settings)
    total = total if penalty is None else total + penalty
    return _Forward(builder, now, trained_only(model, inputs), memory, around, total)


def _now(builder: GraphBuilder, model: Module, settings: Mapping[str, float]) -> StepContext:
    """Add the learning rate, the number of the step and the hyperparameters as inputs."""
    scalar = Type(model.dtype, ())
    lr, step = builder.input("lr", scalar), builder.input("step", Type("int64", ()))
    return StepContext(lr, step, {name: builder.input(name, scalar) for name in settings})


def _memory(
    builder: GraphBuilder, optimizer: Optimizer, parameters: Mapping[str, Value]
) -> dict[str, dict[str, Value]]:
    """Add the optimiser's state of each parameter as inputs."""
    slots = optimizer.all_slots()
    return {
        name: {slot: builder.input(f"{slot}.{name}", value.type) for slot in slots}
        for name, value in parameters.items()
    }


def hyperparameters(loss: Loss, optimizer: Optimizer) -> dict[str, float]:
    """Return the settings that are inputs of the step."""
    return {**loss.hyperparameters(), **optimizer.hyperparameters()}


def mean_loss(loss: Loss, prediction: Value, outputs: int, batch: dict[str, Value]) -> Value:
    """Return the loss; for an ensemble in training, the mean of the losses of its members."""
    width = prediction.shape[1]
    if width == outputs:
        return loss.mean(prediction, batch["y"], batch.get("weight"))
    if not isinstance(width, int) or width % outputs:
        given = plural(width, "number") if isinstance(width, int) else f"{width} numbers"
        raise ShapeError(f"in training the network gives {given} a row, else {outputs}")
    parts = [prediction[:, i : i + outputs] for i in range(0, width, outputs)]
    total: Value = loss.mean(parts[0], batch["y"], batch.get("weight"))
    for part in parts[1:]:
        total = total + loss.mean(part, batch["y"], batch.get("weight"))
    return total / float(len(parts))


def updated_values(
    optimizer: Optimizer,
    parameters: dict[str, Value],
    slopes: Sequence[Value],
    memory: dict[str, dict[str, Value]],
    now: StepContext,
) -> dict[str, Value]:
    """Return the new parameters and optimiser state by the names of their inputs."""
    new, new_memory = optimizer.updates(
        parameters, dict(zip(parameters, slopes, strict=True)), memory, now
    )
    changed = {f"W.{name}": value for name, value in new.items()}
    for name, slots in new_memory.items():
        changed |= {f"{slot}.{name}": value for slot, value in slots.items()}
    return changed


@user_line()
def loss_graph(
    model: Module, loss: Loss, width: int, weighted: int, references: References | None = None
) -> Traced:
    """Return the graph of the loss of some rows, with the model in prediction mode."""
    builder = GraphBuilder(references=references or References(model, loss))
    batch = batch_inputs(builder, model, loss, width, weighted, BATCH)
    inputs = parameter_inputs(builder, model)
    with builder.tracing():
        prediction = apply(model, batch["x"], Scope(inputs))
        total: Value = loss.mean(prediction, batch["y"], batch.get("weight"))
    return Traced(builder.finish([total]), True, builder.captured)


@user_line()
def gradient_graph(
    model: Module, loss: Loss, width: int, weighted: int, references: References | None = None
) -> Traced:
    """Return the graph of the loss and of its gradients for all trained parameters, with the model
    in prediction mode."""
    builder = GraphBuilder(references=references or References(model, loss))
    batch = batch_inputs(builder, model, loss, width, weighted, BATCH)
    inputs = parameter_inputs(builder, model)
    with builder.tracing():
        prediction = apply(model, batch["x"], Scope(inputs))
        total: Value = loss.mean(prediction, batch["y"], batch.get("weight"))
    slopes = gradients(total, list(trained_only(model, inputs).values()))
    return Traced(builder.finish([total, *slopes]), False, builder.captured)


@user_line()
def part_graph(model: Module, loss: Loss, width: int) -> Graph:
    """Return the graph of the contribution of some weighted rows to the loss with its penalty, and
    to its gradients in the order of `weights_first`."""
    builder = GraphBuilder()
    batch = batch_inputs(builder, model, loss, width, True, BATCH)
    share, decay = (builder.input(name, Type(model.dtype, ())) for name in ("share", "decay"))
    inputs = parameter_inputs(builder, model)
    prediction = apply(model, batch["x"], Scope(inputs))
    total = loss.part(prediction, batch, trained_only(model, inputs), share, decay)
    return builder.finish([total, *gradients(total, [inputs[n] for n in weights_first(model)])])


def weights_first(model: Module) -> list[str]:
    """Return the names of the parameters: the weights of all layers, then their biases."""
    return sorted(layout_of(model).parameters, key=lambda name: not name.endswith("weight"))


def batch_inputs(
    builder: GraphBuilder, model: Module, loss: Loss, width: int, weighted: int, rows: Dim
) -> dict[str, Value]:
    """Add the inputs x, y and, if every row (1) or every label (2) has a weight, weight."""
    labels = loss.label_type(rows, outputs_of(model, width), model.dtype)
    batch = {
        "x": builder.input("x", Type(model.dtype, (rows, width))),
        "y": builder.input("y", labels),
    }
    if weighted:
        shape = (rows, *labels.shape[1:weighted])
        batch["weight"] = builder.input("weight", Type(model.dtype, shape))
    return batch


def parameter_inputs(builder: GraphBuilder, model: Module) -> dict[str, Value]:
    return {
        name: builder.input(f"W.{name}", Type(model.dtype, parameter.shape))
        for name, parameter in layout_of(model).parameters.items()
    }


def trained_only(model: Module, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return the trainable subset of a dictionary by parameter."""
    return {name: arrays[name] for name, p in layout_of(model).parameters.items() if p.trained}


def memory_arrays(model: Module, optimizer: Optimizer) -> dict[str, np.ndarray]:
    """Return the optimiser's initial state, by the names of the inputs."""
    parameters = trained_only(model, layout_of(model).parameters)
    size = sum(parameter.size for parameter in parameters.values())
    arrays: dict[str, np.ndarray] = {}
    for slot, first in optimizer.all_slots().items():
        views = split(np.full(size, first, model.dtype), parameters)
        arrays |= {f"{slot}.{name}": view for name, view in views.items()}
    return arrays


def parameter_arrays(model: Module) -> dict[str, np.ndarray]:
    return {f"W.{name}": view for name, view in model.parameters().items()}


def setting_arrays(loss: Loss, optimizer: Optimizer, dtype: str) -> dict[str, np.ndarray]:
    """Return the hyperparameters by the names of the inputs."""
    given = hyperparameters(loss, optimizer).items()
    return {name: np.array(value, dtype) for name, value in given}


def widths(model: Module, width: int) -> frozenset[Size]:
    """Return the sizes that may be symbolic, so that networks that differ only in them share code.
    The number of outputs is not among them, since known small sizes are faster."""
    declared = layout_of(model).parameters
    sizes: set[Size] = {size for parameter in declared.values() for size in parameter.shape}
    return frozenset((sizes | {width}) - {1, outputs_of(model, width)})


def outputs_of(model: Module, width: int) -> int:
    """Return the number of outputs of the model per row."""
    type = model.graph(width).output_types[0]
    if type.rank != 2 or not isinstance(type.shape[1], int):
        raise ShapeError(f"{model!r} gives {type}; a loss needs [rows, outputs]")
    return type.shape[1]
