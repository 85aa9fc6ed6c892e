"""Compiled programs of a model, each made once for all models of the same structure.

In: a model, a loss, an optimiser. Out: programs. The learning rate, the seed, the hyperparameters
and the data are inputs, so that changing them compiles nothing; networks that differ in their
widths only share programs where they can (`nn/structure.py`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.nn.structure import structure, with_open_widths
from glassnet.ops.philox import words
from glassnet.optim.optimizer import Optimizer
from glassnet.pipeline import compile_graph
from glassnet.run.program import Call, Program
from glassnet.training.step import gradient_graph, loss_graph, part_graph, step_graph, widths

STEPPED = ("rows", "lr", "step")
PROGRAMS = 256  # kept in a process for models that come later: the ones used last

Make = Callable[[Module, Any], Any]  # from a model and the number of columns that it reads


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


class _Shared:
    """What was made last, by what decides it; None where it could not be made."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.RLock()

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                if len(self._kept) > PROGRAMS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


_shared = _Shared()


def forget() -> None:
    """Make programs anew for models that come from now on, as after a change of how they are
    made."""
    _shared.clear()


def shared(key: Hashable, make: Callable[[], Any]) -> Any:
    """What `make` gives, once for a key."""
    return _shared.get(key, make)


def program(model: Module, key: Hashable, width: int, make: Make, own: bool = True) -> Any:
    """What `make` gives for the model and `width` columns. `key` is what decides it besides them;
    `own` says that nothing but the model looks at sizes that code of the user's may have read."""
    found = model.programs.get((key, width))
    if found is None:
        found = model.programs[key, width] = _made(model, key, width, make, own)
    return found


def _made(model: Module, key: Hashable, width: int, make: Make, own: bool) -> Any:
    known = structure(model)
    if known is None:
        return make(model, width)
    return shared((known, width, key), lambda: _for_all_widths(model, key, width, make, own))


def _for_all_widths(model: Module, key: Hashable, width: int, make: Make, own: bool) -> Any:
    """What networks with other widths have made already, or can use too, if possible."""
    opened = with_open_widths(model) if own and model.takes() == width else None
    found = None
    if opened is not None:
        found = shared((structure(opened), key), lambda: _attempt(make, opened))
    return make(model, width) if found is None else found


def _attempt(make: Make, opened: Module) -> Any:
    try:
        return make(opened, opened.takes())
    except (GlassnetError, TypeError, AssertionError):
        return None  # what is wrong with the network itself is raised for its own widths


def step_program(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: bool, seed: int
) -> Program:
    """Steps of training; see `step.StepGraph` for its inputs. Seeds share their code."""

    def make(own: Module, columns: int) -> tuple[Program, bool]:
        step = step_graph(own, loss, optimizer, columns, weighted, seed)
        if step.random:
            step = step_graph(own, loss, optimizer, columns, weighted, None)
        made = compile_graph(
            step.graph, donate=step.donate, stepped=STEPPED, collect=(0,), widths=step.widths
        )
        return made, step.random

    key = ("step", loss.rule(), optimizer.rule(), weighted)
    ours = type(optimizer).__module__.startswith("glassnet.")
    found, random = program(model, key, width, make, ours)
    return Seeded(found, seed) if random else found


def loss_program(model: Module, loss: Loss, width: int, weighted: bool) -> Program:
    """The loss of parts of the rows, a part a step."""

    def make(own: Module, columns: int) -> Program:
        stepped = ("x", "y", "weight") if weighted else ("x", "y")
        graph = loss_graph(own, loss, columns, weighted)
        return compile_graph(graph, stepped=stepped, collect=(0,), widths=widths(own, columns))

    found: Program = program(model, ("loss", loss.rule(), weighted), width, make)
    return found


def gradient_program(model: Module, loss: Loss, width: int, weighted: bool) -> Program:
    """The loss, and its gradient by every parameter."""

    def make(own: Module, columns: int) -> Program:
        graph = gradient_graph(own, loss, columns, weighted)
        return compile_graph(graph, widths=widths(own, columns))

    found: Program = program(model, ("gradient", loss.rule(), weighted), width, make)
    return found


def part_program(model: Module, loss: Loss, width: int) -> Program:
    """What some rows add to loss and gradient; see `Loss.part`."""

    def make(own: Module, columns: int) -> Program:
        return compile_graph(part_graph(own, loss, columns), widths=widths(own, columns))

    found: Program = program(model, ("part", loss.rule()), width, make)
    return found
