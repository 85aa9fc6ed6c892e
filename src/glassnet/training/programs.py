"""Compiled programs of a model, each made once and kept with the model.

In: a model, a loss, an optimiser. Out: programs. The learning rate and the data are inputs, so
that changing them compiles nothing.
"""

from __future__ import annotations

from typing import Any

from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.optim.optimizer import Optimizer
from glassnet.pipeline import compile_graph
from glassnet.run.program import Program
from glassnet.training.step import gradient_graph, loss_graph, step_graph, widths

STEPPED = ("rows", "lr", "step")


def step_program(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: bool, seed: int
) -> Program:
    """Steps of training; see `step.StepGraph` for its inputs."""
    key = ("step", loss, optimizer.rule(), width, weighted)
    found: tuple[Program, int | None] | None = model.programs.get(key)
    if found is None or found[1] not in (None, seed):
        step = step_graph(model, loss, optimizer, width, weighted, seed)
        program = compile_graph(
            step.graph, donate=step.donate, stepped=STEPPED, collect=(0,), widths=step.widths
        )
        found = model.programs[key] = program, seed if step.random else None
    return found[0]


def loss_program(model: Module, loss: Loss, width: int, weighted: bool) -> Program:
    """The loss of parts of the rows, a part a step."""
    stepped = ("x", "y", "weight") if weighted else ("x", "y")
    key = ("loss", loss, width, weighted)
    if key not in model.programs:
        graph = loss_graph(model, loss, width, weighted)
        model.programs[key] = compile_graph(
            graph, stepped=stepped, collect=(0,), widths=widths(model, width)
        )
    return model.programs[key]


def gradient_program(model: Module, loss: Loss, width: int, weighted: bool) -> Program:
    """The loss, and its gradient by every parameter."""
    key: Any = ("gradient", loss, width, weighted)
    if key not in model.programs:
        graph = gradient_graph(model, loss, width, weighted)
        model.programs[key] = compile_graph(graph, widths=widths(model, width))
    return model.programs[key]
