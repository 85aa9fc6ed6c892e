"""Compiled programs of models, shared by all models of the same structure.

In: a model, a loss, an optimiser. Out: programs. The learning rate, the seed, the hyperparameters
and the data are inputs, so that changing them needs no compilation. Networks that differ only in
their widths share programs where that is possible (`nn/structure.py`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.graph.graph import Graph
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.nn.structure import structure, with_open_widths
from glassnet.ops.philox import words
from glassnet.optim.optimizer import Optimizer
from glassnet.pipeline import compile_graph
from glassnet.references import References
from glassnet.run.beside import BesideCompiler
from glassnet.run.program import Call, Program
from glassnet.tracing import Traced
from glassnet.training.step_graph import (
    StepGraph,
    gradient_graph,
    gradient_step_graph,
    loss_graph,
    part_graph,
    step_graph,
    update_graph,
    widths,
)

STEPPED = ("rows", "lr", "step")
PROGRAMS = 256  # number of programs in the cache of a process; the least recently used are dropped

Make = Callable[[Module, Any], Any]  # takes a model and its number of columns


class BoundProgram:
    """A program with some inputs bound: the words of the seed, and arrays that the user's code
    refers to, which are read at every step."""

    def __init__(
        self,
        program: Program,
        given: Mapping[str, np.ndarray],
        references: References | None = None,
    ) -> None:
        self.program, self.plan, self.given = program, program.plan, given
        self.references = references or References()

    def prepare(
        self,
        arrays: Mapping[str, np.ndarray],
        steps: int = 1,
        threads: int | None = None,
        ahead: int = 0,
        beside: BesideCompiler | None = None,
    ) -> Call:
        """See `Program.prepare`."""
        return self.program.prepare({**arrays, **self.given}, steps, threads, ahead, beside)

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        """See `Program.run`."""
        return self.program.run({**arrays, **self.given}, steps, threads)


def is_outdated(program: Program) -> bool:
    """Whether something that the user's code in a program refers to has changed since tracing, so
    that the program must be requested again."""
    return isinstance(program, BoundProgram) and program.references.changed()


@dataclass
class _Entry:
    """A model's cache entry of a program with user code: the current graph, and the programs of
    this and earlier graphs."""

    references: References
    traced: Traced
    random: bool
    program: Program
    by_graph: dict[Graph, Program]

    def bound(self, seed: int = 0) -> Program:
        given = dict(self.traced.captured)
        if self.random:
            given |= seed_words(seed)
        return BoundProgram(self.program, given, self.references)


class _Shared:
    """A cache of the most recently used objects by key; None for those that cannot be made."""

    def __init__(self) -> None:
        self._cached: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.RLock()

    def clear(self) -> None:
        with self._lock:
            self._cached.clear()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._cached:
                self._cached[key] = make()
                if len(self._cached) > PROGRAMS:
                    self._cached.popitem(last=False)
            self._cached.move_to_end(key)
            return self._cached[key]


_shared = _Shared()


def clear_shared() -> None:
    """Clear the cache, so that later models get new programs."""
    _shared.clear()


def shared(key: Hashable, make: Callable[[], Any]) -> Any:
    """Return the result of `make`, which is called once per key."""
    return _shared.get(key, make)


def program(model: Module, key: Hashable, width: int, make: Make, any_width: bool = True) -> Any:
    """Return the result of `make` for the model and `width` columns, cached under `key`, which has
    everything else that determines it. With `any_width=True` models of other widths may share it;
    user code must then not depend on sizes."""
    found = model.programs.get((key, width))
    if found is None:
        found = model.programs[key, width] = _make_program(model, key, width, make, any_width)
    return found


def _make_program(model: Module, key: Hashable, width: int, make: Make, any_width: bool) -> Any:
    structure_key = structure(model)
    if structure_key is None:
        return make(model, width)
    return shared(
        (structure_key, width, key), lambda: _for_all_widths(model, key, width, make, any_width)
    )


def _for_all_widths(model: Module, key: Hashable, width: int, make: Make, any_width: bool) -> Any:
    """Return a program that networks of other widths can use, too, if that is possible."""
    opened = with_open_widths(model) if any_width and model.input_width() == width else None
    found = None
    if opened is not None:
        found = shared((structure(opened), key), lambda: _try_make(make, opened))
    return make(model, width) if found is None else found


def _try_make(make: Make, opened: Module) -> Any:
    try:
        return make(opened, opened.input_width())
    except (GlassnetError, TypeError, AssertionError):
        return None  # errors of the network itself are raised with its own widths


def step_program(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: int, seed: int
) -> Program:
    """Return the program of training steps; `step_graph.StepGraph` describes its inputs. Code is
    shared by all seeds."""
    return _step_like_program("step", step_graph, model, loss, optimizer, width, weighted, seed)


def gradient_step_program(
    model: Module, loss: Loss, optimizer: Optimizer, width: int, weighted: int, seed: int
) -> Program:
    """Return the program of steps that compute gradients without an update; see
    `step_graph.gradient_step_graph`."""
    return _step_like_program(
        "slope", gradient_step_graph, model, loss, optimizer, width, weighted, seed
    )


def update_program(model: Module, optimizer: Optimizer) -> Program:
    """Return the program of an update with given gradients; see `step_graph.update_graph`."""

    def trace(module: Module, columns: int, references: References | None = None) -> _Made:
        step = update_graph(module, optimizer, module.input_width() and columns, references)
        how = {"donate": step.donate, "stepped": ("lr", "step"), "widths": step.widths}
        return Traced(step.graph, False, step.captured), False, how

    key = ("update", optimizer.compile_key())
    return _program(
        model, key, model.input_width() or 0, trace, (optimizer,), ours=_is_ours(optimizer)
    )


def _step_like_program(
    what: str,
    graph: Callable[..., StepGraph],
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    width: int,
    weighted: int,
    seed: int,
) -> Program:
    def trace(module: Module, columns: int, references: References | None = None) -> _Made:
        step = graph(module, loss, optimizer, columns, weighted, seed, references)
        if step.random:
            step = graph(module, loss, optimizer, columns, weighted, None, references)
        how = {"donate": step.donate, "stepped": STEPPED, "widths": step.widths, "collect": (0,)}
        return Traced(step.graph, False, step.captured), step.random, how

    key = (what, loss.compile_key(), optimizer.compile_key(), weighted)
    return _program(model, key, width, trace, (loss, optimizer), seed, _is_ours(optimizer))


def _is_ours(optimizer: Optimizer) -> bool:
    return type(optimizer).__module__.startswith("glassnet.")


def loss_program(model: Module, loss: Loss, width: int, weighted: int) -> Program:
    """Return the program that computes the loss of parts of the rows, one part per step."""

    def trace(module: Module, columns: int, references: References | None = None) -> _Made:
        stepped = ("x", "y", "weight") if weighted else ("x", "y")
        how = {"stepped": stepped, "widths": widths(module, columns), "collect": (0,)}
        return loss_graph(module, loss, columns, weighted, references), False, how

    return _program(model, ("loss", loss.compile_key(), weighted), width, trace, (loss,))


def gradient_program(model: Module, loss: Loss, width: int, weighted: int) -> Program:
    """Return the program that computes the loss and its gradient for every trained parameter."""

    def trace(module: Module, columns: int, references: References | None = None) -> _Made:
        traced = gradient_graph(module, loss, columns, weighted, references)
        return traced, False, {"widths": widths(module, columns)}

    return _program(model, ("gradient", loss.compile_key(), weighted), width, trace, (loss,))


def part_program(model: Module, loss: Loss, width: int) -> Program:
    """Return the program for some rows' contribution to loss and gradient; see `Loss.part`."""

    def make(module: Module, columns: int) -> Program:
        return compile_graph(part_graph(module, loss, columns), widths=widths(module, columns))

    found: Program = program(model, ("part", loss.compile_key()), width, make)
    return found


_Made = tuple[Traced, bool, dict[str, Any]]  # a graph, whether it uses the seed, compiler options


def _program(
    model: Module,
    key: Hashable,
    width: int,
    trace: Callable[..., _Made],
    others: tuple[Any, ...],
    seed: int = 0,
    ours: bool = True,
) -> Program:
    """Return the program under a key: shared by all models of a structure or, if it contains user
    code, the model's own, traced again where something that this code refers to has changed."""
    place = ("code", key, width)
    found: _Entry | None = model.programs.get(place)
    if found is None:
        references = References(model, *others)
        if not references.code:

            def make(module: Module, columns: int) -> tuple[Program, bool]:
                traced, random, how = trace(module, columns)
                return compile_graph(traced.graph, **how), random

            made, random = program(model, key, width, make, ours)
            return BoundProgram(made, seed_words(seed)) if random else made
        found = _retrace(model, width, references, trace, {})
    elif found.references.changed():
        references = References(model, *others)
        found = _retrace(model, width, references, trace, found.by_graph)
    model.programs[place] = found
    return found.bound(seed)


def _retrace(
    model: Module,
    width: int,
    references: References,
    trace: Callable[..., _Made],
    by_graph: dict[Graph, Program],
) -> _Entry:
    traced, random, how = trace(model, width, references)
    references = references.refreshed(traced.captured.values())
    if traced.graph not in by_graph:
        by_graph[traced.graph] = compile_graph(traced.graph, **how)
    return _Entry(references, traced, random, by_graph[traced.graph], by_graph)


def seed_words(seed: int) -> dict[str, np.ndarray]:
    """Return the inputs for a seed, its two words."""
    return {f"key{i}": np.array(word, np.int64) for i, word in enumerate(words(seed))}
