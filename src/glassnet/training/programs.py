"""Compiled programs of a model, each made once and kept with the model.

In: a model, a loss, an optimiser. Out: programs. The learning rate, the seed and the data are
inputs, so that changing them compiles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.ops.philox import words
from glassnet.optim.optimizer import Optimizer
from glassnet.pipeline import compile_graph
from glassnet.run.program import Call, Program
from glassnet.training.step import gradient_graph, loss_graph, step_graph, widths

STEPPED = ("rows", "lr", "step")


class Seeded:
    """A program for all seeds, with one of them: it adds the inputs `key0` and `key1`."""

    def __init__(self, program: Program, seed: int) -> None:
        self.program, self.plan = program, program.plan
        self._key = {f"key{i}": np.array(word, np.int64) for i, word in enumerate(words(seed))}

    def prepare(
        self,
        arrays: Mapping[str, np.ndarray],
        steps: int = 1,
        threads: int | None = None,
        ahead: int = 0,
    ) -> Call:
        """See `Program.prepare`."""
        return self.program.prepare({**arrays, **self._key}, steps, threads, ahead)

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        """See `Program.run`."""
        return self.program.run({**arrays, **self._key}, steps, threads)


def step_program(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: bool, seed: int
) -> Program:
    """Steps of training; see `step.StepGraph` for its inputs. Seeds share their code."""
    key = ("step", loss, optimizer.rule(), width, weighted)
    found: tuple[Program, bool] | None = model.programs.get(key)
    if found is None:
        step = step_graph(model, loss, optimizer, width, weighted, seed)
        if step.random:
            step = step_graph(model, loss, optimizer, width, weighted, None)
        program = compile_graph(
            step.graph, donate=step.donate, stepped=STEPPED, collect=(0,), widths=step.widths
        )
        found = model.programs[key] = program, step.random
    program, random = found
    return Seeded(program, seed) if random else program


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
