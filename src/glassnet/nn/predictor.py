"""Predictions: computes a network on arrays.

In: a module and rows. Out: its results, from a program compiled once for any number of rows. Many
rows are divided into parts whose intermediate values fit in the cache, and threads compute
different parts. No bit of a row's result depends on the other rows.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import Any, cast

import numpy as np

from glassnet.errors import GlassnetError, ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.types import FLOATS, Dim, Type
from glassnet.graph.userline import user_line
from glassnet.nn.scope import BuildContext, Scope, apply
from glassnet.nn.storage import Part, arrays_of, layout_of
from glassnet.ops import philox
from glassnet.references import References
from glassnet.rounding import computed_to_nearest
from glassnet.words import plural

PART = 1024  # largest number of rows of a part
LEAST = 64  # smallest number of rows of a part
CACHED = 1 << 19  # bytes of the largest intermediate value of a part
CALL_BYTES = 1 << 26  # bytes of rows that are converted at a time
FEW = 64  # prepared calls are cached for up to this many rows

Ready = tuple[np.ndarray, Callable[[], list[np.ndarray]]]


def _advice(rows: np.ndarray, width: int | None) -> str:
    """Return advice for rows of the wrong shape; "" where there is none."""
    if rows.ndim > 2:
        return "\n  right: model(x.reshape(len(x), -1)), each row in one line"
    if rows.ndim < 2 or width is None:
        return ""
    return (
        f"\n  right: a network whose first layer takes {rows.shape[1]}, or the "
        f"{plural(width, 'column')} it was made for"
    )


@dataclass(frozen=True)
class TracedForward:
    """A forward graph, the arrays that it reads besides rows and parameters, and the names of its
    outputs (for activations)."""

    graph: Graph
    captured: Mapping[str, np.ndarray]
    names: tuple[str, ...] = ()
    programs: dict[bool, Any] = field(default_factory=dict[bool, Any], compare=False)

    @cached_property
    def part(self) -> int:
        """The number of rows computed at a time: few enough that results of matrix products stay in
        the cache, but enough that reading the weights takes little time."""
        nodes = [node for node in self.graph.nodes if node.op.kind == "contract"]
        each = max((_bytes_of_a_row(node.type) for node in nodes), default=0)
        types = [t for name, t in self.graph.input_types.items() if name != "x"]
        weights = sum(_bytes_of_a_row(type) for type in types)
        wanted = max(CACHED, weights) // max(1, each)
        return min(PART, max(LEAST, 1 << max(0, wanted.bit_length() - 1)))


def _bytes_of_a_row(type: Type) -> int:
    """Return the bytes of a value for one row."""
    sizes = [size if isinstance(size, int) else 1 for size in type.shape]
    return math.prod(sizes) * np.dtype(type.dtype).itemsize


def check_categories(module: Part, rows: np.ndarray, name: str) -> None:
    """Raise ShapeError with the position of the first number that is not a valid category, in
    columns of the data that an `Embedding` reads."""
    width = rows.shape[1]
    by_width: dict[int, dict[int, int]] = vars(module).setdefault("_categories", {})
    if width not in by_width:  # a module's structure is fixed
        by_width[width] = module.categorical_columns(range(width))
    for column, size in by_width[width].items():
        categories = rows[:, column]
        wrong = ~((categories >= 0) & (categories < size) & (categories == np.floor(categories)))
        if wrong.any():
            row = int(wrong.argmax())
            raise ShapeError(
                f"{name} has {categories[row]:g} in row {row}, column {column}, where Embedding "
                f"takes category numbers 0 to {size - 1}\n"
                "  right: the number of categories that there are, Embedding(7, …)\n"
                "  right: Embedding(…, unknown=True), which has a row for all others"
            )


class Predictor:
    """The compiled forward pass of a module."""

    def __init__(self, module: Part) -> None:
        self.module = module
        self._references = References(module)
        self._traced: dict[tuple[int, str, str], TracedForward] = {}
        self._programs: dict[tuple[Graph, bool], Any] = {}
        self._ready: dict[tuple[int, int, str], Ready] = {}
        self._lock = threading.Lock()

    @computed_to_nearest
    def graph(self, width: int | None = None) -> Graph:
        """Return the forward graph; `width` is needed if the module takes rows of any width."""
        return self._trace(width, self._dtype(None)).graph

    @user_line()
    def _trace(self, width: int | None, dtype: str, kind: str = "") -> TracedForward:
        module = self.module
        width = module.input_width() if width is None else width
        if width is None:
            raise ShapeError(f"{module!r} takes rows of any width; pass one, model.graph(width=3)")
        if (width, dtype, kind) not in self._traced:
            module.output_width(width)  # raises an error where layers do not fit that width
            self._traced[width, dtype, kind] = self._built(width, dtype, kind)
            captured = [
                array for traced in self._traced.values() for array in traced.captured.values()
            ]
            self._references = self._references.refreshed(captured)
        return self._traced[width, dtype, kind]

    def _built(self, width: int, dtype: str, kind: str) -> TracedForward:
        module = self.module
        builder = GraphBuilder(references=self._references)
        x = builder.input("x", Type(dtype, (Dim("n"), width)))
        declared = layout_of(module).parameters.items()
        parameters = {n: builder.input(f"W.{n}", Type(dtype, p.shape)) for n, p in declared}
        around = BuildContext(seen={} if kind == "activations" else None)
        if kind == "sample":
            words = [builder.input(name, Type("int64", ())) for name in ("key0", "key1", "step")]
            around = BuildContext(seed=(words[0], words[1]), step=words[2], sampling=True)
        with builder.tracing():
            result = apply(module, x, Scope(parameters, around))
        if around.sampling and not around.streams:
            raise GlassnetError(
                f"{module!r} has no Dropout, so that all samples would be the same prediction\n"
                "  right: Sequential(Linear(2, 8), ReLU(), Dropout(0.2), Linear(8, 1))"
            )
        if around.seen is None:
            return TracedForward(builder.finish([result]), builder.captured)
        seen = around.seen or {type(module).__name__.lower(): result}
        return TracedForward(builder.finish(list(seen.values())), builder.captured, tuple(seen))

    @computed_to_nearest
    def __call__(self, x: Any) -> np.ndarray:
        rows = self._rows(x)
        if self._references.changed():
            self._trace_again()
        if not len(rows):  # a network gives no rows for no rows
            result = self._part(np.zeros((1, rows.shape[1])))[:0]
        else:
            result = self._part(rows) if len(rows) <= LEAST else self._long_outputs(rows)
        return result[0] if np.ndim(x) == 1 else result

    def _trace_again(self) -> None:
        """Discard all traces, since something that the user's code refers to has changed."""
        with self._lock:
            self._references = References(self.module)
            self._traced.clear()
            self._ready.clear()

    def activations(self, x: Any) -> dict[str, np.ndarray]:
        """Return the output of every layer; see `Module.activations`."""
        names, found = self._outputs(x, "activations", [{}])
        single = np.ndim(x) == 1
        return {n: part[0] if single else part for n, part in zip(names, found[0], strict=True)}

    def sample(self, x: Any, count: int, seed: int) -> np.ndarray:
        """Return predictions with random numbers; see `Module.sample`."""
        if not isinstance(count, Integral) or count < 1 or not isinstance(seed, Integral):
            raise ShapeError(
                f"sample(x, count={count!r}, seed={seed!r}): both are whole numbers, and count is "
                "1 or more\n  right: model.sample(x, count=100, seed=0)"
            )
        key = {f"key{i}": np.array(w, np.int64) for i, w in enumerate(philox.words(int(seed)))}
        steps = [{**key, "step": np.array(i, np.int64)} for i in range(count)]
        _, found = self._outputs(x, "sample", steps)
        samples = np.stack([sample for (sample,) in found])
        return samples[:, 0] if np.ndim(x) == 1 else samples

    def _outputs(
        self, x: Any, kind: str, calls: list[dict[str, np.ndarray]]
    ) -> tuple[tuple[str, ...], list[list[np.ndarray]]]:
        rows = self._rows(x)
        if self._references.changed():
            self._trace_again()
        dtype = self._dtype(rows)
        given = np.ascontiguousarray(rows, dtype)
        empty = not len(given)
        given = np.zeros((1, rows.shape[1]), dtype) if empty else given
        with self._lock:
            traced = self._trace(rows.shape[1], dtype, kind)
            program = self._program(traced)
        inputs = traced.graph.inputs
        found: list[list[np.ndarray]] = []
        for inputs_of_call in calls:
            arrays = {"x": given, **self._held(), **traced.captured, **inputs_of_call}
            results = program.run({name: arrays[name] for name in inputs})
            found.append([np.array(result[:0] if empty else result) for result in results])
        return traced.names, found

    def _long_outputs(self, rows: np.ndarray) -> np.ndarray:
        """Compute whole parts, then the remainder; all at once where there is no whole part."""
        width = rows.shape[1]
        with self._lock:
            traced = self._trace(width, self._dtype(rows))
            part = traced.part
            program = self._program(traced, parts=True) if len(rows) >= part else None
        if program is None:
            return self._part(rows)
        size = max(1, CALL_BYTES // (width * 8 + 1) // part) * part
        whole = len(rows) // part * part
        found = [
            self._parts(program, traced, rows[i : min(i + size, whole)], part)
            for i in range(0, whole, size)
        ]
        if whole < len(rows):
            found.append(self._parts(program, traced, rows[whole:], len(rows) - whole))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _parts(
        self, program: Any, traced: TracedForward, rows: np.ndarray, part: int
    ) -> np.ndarray:
        """Compute rows, `part` of them at a time."""
        given = np.ascontiguousarray(rows, self._dtype(rows))
        given = given.reshape(-1, part, rows.shape[1])
        result = program.run({"x": given, **self._held(), **traced.captured}, len(given))[0]
        return result.reshape(-1, *result.shape[2:])

    def _dtype(self, rows: np.ndarray | None) -> str:
        """Return the dtype of the module; that of the rows for a module without parameters that is
        part of networks of both dtypes."""
        if self.module.dtype:
            return self.module.dtype
        return rows.dtype.name if rows is not None and rows.dtype.name in FLOATS else "float32"

    def _rows(self, x: Any) -> np.ndarray:
        """Return x as [rows, width]; a single row may be a vector. Raises ShapeError."""
        rows = as_rows(x, "x")
        rows = rows[None] if rows.ndim == 1 else rows
        width = self.module.input_width()
        if rows.ndim != 2 or width not in (None, rows.shape[1]):
            wanted = "[rows, columns]" if width is None else f"[rows, {width}]"
            numbers = "any number of numbers" if width is None else plural(width, "number")
            raise ShapeError(
                f"the network takes rows of {numbers}, {wanted}; got an "
                f"array of shape {np.shape(x) or np.shape(rows)}{_advice(rows, width)}"
            )
        if rows.dtype.kind not in "fiub":
            raise ShapeError(
                f"the network takes numbers; got an array of {rows.dtype}; encode non-numeric "
                "columns first (glassnet fit does it for tables)"
            )
        check_categories(self.module, rows, "x")
        return rows

    def _part(self, rows: np.ndarray) -> np.ndarray:
        key = len(rows), rows.shape[1], self._dtype(rows)
        with self._lock:
            buffer, call = self._ready.get(key) or self._prepare(*key)
            buffer[...] = rows
            return call()[0].copy()

    def _prepare(self, count: int, width: int, dtype: str) -> Ready:
        buffer = np.empty((count, width), dtype)
        traced = self._trace(width, dtype)
        program = self._program(traced)
        ready: Ready = buffer, program.prepare({"x": buffer, **self._held(), **traced.captured})
        if count <= FEW:
            self._ready[count, width, dtype] = ready
        return ready

    def _held(self) -> dict[str, np.ndarray]:
        return {f"W.{name}": array for name, array in arrays_of(self.module).items()}

    def _program(self, traced: TracedForward, parts: bool = False) -> Any:
        """Return the compiled graph; with `parts`, each step computes one part."""
        from glassnet.pipeline import compile_graph  # the compiler loads when first needed

        if parts not in traced.programs:
            key = traced.graph, parts
            if key not in self._programs:
                steps: dict[str, Any] = {"stepped": ("x",), "collect": (0,)} if parts else {}
                self._programs[key] = compile_graph(traced.graph, **steps)
            traced.programs[parts] = self._programs[key]
        return traced.programs[parts]


def as_rows(x: Any, name: str) -> np.ndarray:
    """Convert rows to an array, also a sparse matrix or objects that are numbers. Raises ShapeError
    for a mapping of columns and for an iterator of batches."""
    if type(x) is np.ndarray and x.dtype.kind != "O":
        return x
    if isinstance(x, Mapping):
        raise ShapeError(
            f"{name} is a {type(cast('Any', x)).__name__}; a network takes rows [rows, columns]\n"
            "  right: numpy.column_stack([x[name] for name in names])\n"
            "  right: a data frame of the columns; gn.TabularClassifier encodes texts too"
        )
    in_turn = hasattr(x, "__iter__") and not hasattr(x, "__len__") and not hasattr(x, "__array__")
    if in_turn or (hasattr(x, "dataset") and hasattr(x, "__iter__")):
        raise ShapeError(
            f"{name} is a {type(x).__name__}, which gives batches one after the other; a network "
            "takes all rows\n"
            '  right: gn.train(model, gn.stream("rows.parquet", target="y"), …) for rows that do '
            "not fit into memory\n"
            "  right: step = gn.Step(model, loss=…, optimizer=…), then step(x, y) for every batch\n"
            "  right: numpy.concatenate([model(x) for x in batches]) for predictions"
        )
    given: Any = x
    rows = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    if rows.dtype.kind == "O" and all(isinstance(number, Real) for number in rows.flat):
        rows = rows.astype(float)
    return rows
