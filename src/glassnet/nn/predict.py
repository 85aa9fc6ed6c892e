"""A network computing on arrays.

In: a module and rows. Out: its results, from a program compiled once for any number of rows. Rows
are taken a part at a time, so that memory does not grow with their number; a result does not
depend on the rows around it, to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.types import Dim, Type
from glassnet.nn.scope import Scope

if TYPE_CHECKING:
    from glassnet.nn.module import Module

PART = 4096  # rows at a time
FEW = 64  # calls for up to this many rows are kept ready

Ready = tuple[np.ndarray, Callable[[], list[np.ndarray]]]


class Predictor:
    """The compiled forward pass of a module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._graphs: dict[int, Graph] = {}
        self._programs: dict[int, Any] = {}
        self._ready: dict[tuple[int, int], Ready] = {}
        self._lock = threading.Lock()

    def graph(self, width: int | None = None) -> Graph:
        """The forward graph for rows of `width` numbers, where the module takes any."""
        module = self.module
        width = module.takes() if width is None else width
        if width is None:
            raise ShapeError(
                f"{module!r} takes rows of any width, so say for which: model.graph(width=3)"
            )
        if width not in self._graphs:
            module.gives(width)  # complains where layers do not fit that width
            builder = GraphBuilder()
            x = builder.input("x", Type(module.dtype, (Dim("n"), width)))
            declared = module.declared().items()
            held = {n: builder.input(f"W.{n}", Type(module.dtype, p.shape)) for n, p in declared}
            self._graphs[width] = builder.finish([module.build(x, Scope(held))])
        return self._graphs[width]

    def __call__(self, x: Any) -> np.ndarray:
        rows = self._rows(x)
        parts = [self._part(rows[i : i + PART]) for i in range(0, len(rows), PART)]
        if not parts:  # a network gives no rows for no rows
            parts = [self._part(np.zeros((1, rows.shape[1])))[:0]]
        result = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return result[0] if np.ndim(x) == 1 else result

    def _rows(self, x: Any) -> np.ndarray:
        """x as [rows, width]; a single row may come without the first axis."""
        rows = np.asarray(x)
        rows = rows[None] if rows.ndim == 1 else rows
        width = self.module.takes()
        if rows.ndim != 2 or width not in (None, rows.shape[1]):
            wanted = "[rows, columns]" if width is None else f"[rows, {width}]"
            raise ShapeError(
                f"the network takes rows of {width or 'any number of'} numbers, {wanted}; got an "
                f"array of shape {np.shape(x)}"
            )
        if rows.dtype.kind not in "fiub":
            raise ShapeError(
                f"the network takes numbers; got an array of {rows.dtype}; encode the columns that "
                "are no numbers first (glassnet fit does it for tables)"
            )
        return rows

    def _part(self, rows: np.ndarray) -> np.ndarray:
        with self._lock:
            buffer, call = self._ready.get(rows.shape) or self._prepare(*rows.shape)
            buffer[...] = rows
            return call()[0].copy()

    def _prepare(self, count: int, width: int) -> Ready:
        from glassnet.pipeline import compile_graph  # the compiler loads when first needed

        if width not in self._programs:
            self._programs[width] = compile_graph(self.graph(width))
        buffer = np.empty((count, width), self.module.dtype)
        held = {f"W.{name}": own for name, own in self.module.parameters().items()}
        ready: Ready = buffer, self._programs[width].prepare({"x": buffer, **held})
        if count <= FEW or count == PART:
            self._ready[count, width] = ready
        return ready
