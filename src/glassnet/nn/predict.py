"""A network computing on arrays.

In: a module and rows. Out: its results, from a program compiled once for any number of rows. Many
rows are cut into parts whose intermediate values stay in the cache, and threads take parts; a
result does not depend on the rows around it, to the last bit.
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
from glassnet.graph.userline import user_line
from glassnet.nn.scope import Scope
from glassnet.rounding import to_nearest
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.nn.module import Module

PART = 1024  # rows at a time
CALL_BYTES = 1 << 26  # of rows that are converted at a time
FEW = 64  # calls for up to this many rows are kept ready

Ready = tuple[np.ndarray, Callable[[], list[np.ndarray]]]


def _advice(rows: np.ndarray, width: int | None) -> str:
    """What to do about rows of the wrong shape, where that can be told."""
    if rows.ndim > 2:
        return "\n  right: model(x.reshape(len(x), -1)), each row in one line"
    if rows.ndim < 2 or width is None:
        return ""
    return (
        f"\n  right: a network whose first layer takes {rows.shape[1]}, or the "
        f"{counted(width, 'column')} it was made for"
    )


class Predictor:
    """The compiled forward pass of a module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._graphs: dict[int, Graph] = {}
        self._programs: dict[tuple[int, bool], Any] = {}
        self._ready: dict[tuple[int, int], Ready] = {}
        self._lock = threading.Lock()

    @to_nearest
    @user_line()
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

    @to_nearest
    def __call__(self, x: Any) -> np.ndarray:
        rows = self._rows(x)
        if len(rows) < PART:
            # a network gives no rows for no rows
            result = self._part(rows) if len(rows) else self._part(np.zeros((1, rows.shape[1])))[:0]
        else:
            result = self._many(rows)
        return result[0] if np.ndim(x) == 1 else result

    def _many(self, rows: np.ndarray) -> np.ndarray:
        """Whole parts, then the rest."""
        width = rows.shape[1]
        size = max(1, CALL_BYTES // (width * 8 + 1) // PART) * PART
        whole = len(rows) // PART * PART
        with self._lock:
            program = self._program(width, parts=True)
        found = [
            self._parts(program, rows[i : min(i + size, whole)]) for i in range(0, whole, size)
        ]
        if whole < len(rows):
            found.append(self._part(rows[whole:]))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _parts(self, program: Any, rows: np.ndarray) -> np.ndarray:
        given = np.ascontiguousarray(rows, self.module.dtype)
        given = given.reshape(-1, PART, rows.shape[1])
        result = program.run({"x": given, **self._held()}, len(given))[0]
        return result.reshape(-1, *result.shape[2:])

    def _rows(self, x: Any) -> np.ndarray:
        """x as [rows, width]; a single row may come without the first axis."""
        rows = np.asarray(x)
        rows = rows[None] if rows.ndim == 1 else rows
        width = self.module.takes()
        if rows.ndim != 2 or width not in (None, rows.shape[1]):
            wanted = "[rows, columns]" if width is None else f"[rows, {width}]"
            numbers = "any number of numbers" if width is None else counted(width, "number")
            raise ShapeError(
                f"the network takes rows of {numbers}, {wanted}; got an "
                f"array of shape {np.shape(x)}{_advice(rows, width)}"
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
        buffer = np.empty((count, width), self.module.dtype)
        program = self._program(width)
        ready: Ready = buffer, program.prepare({"x": buffer, **self._held()})
        if count <= FEW:
            self._ready[count, width] = ready
        return ready

    def _held(self) -> dict[str, np.ndarray]:
        return {f"W.{name}": own for name, own in self.module.parameters().items()}

    def _program(self, width: int, parts: bool = False) -> Any:
        """The compiled graph; with `parts`, for a part a step."""
        from glassnet.pipeline import compile_graph  # the compiler loads when first needed

        if (width, parts) not in self._programs:
            steps: dict[str, Any] = {"stepped": ("x",), "collect": (0,)} if parts else {}
            self._programs[width, parts] = compile_graph(self.graph(width), **steps)
        return self._programs[width, parts]
