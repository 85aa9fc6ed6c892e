"""A random graph in the making, with the numbers that its values have.

In: seeds. Out: a `Case`. What is added, `recipes.py` decides.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import bind_attrs
from glassnet.graph.op import Value
from glassnet.graph.types import FLOATS, Dim, Shape, Type, bind
from glassnet.run.program import Plan

SIZES = (1, 2, 0, 3, 5, 8, 7, 15, 16, 17, 33, 64, 65, 70, 130, 200)
MOST = 6000  # elements of a value: larger ones are not kept
ROUNDED_ONCE = {"elementwise", "logic", "random", "joining", "view", "index", "source"}
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-40, 1e30, 2.5)


class Case:
    """A plan, arrays for its inputs, a number of steps, and which outputs NumPy must match to the
    bit."""

    def __init__(
        self, plan: Plan, args: dict[str, np.ndarray], exact: tuple[bool, ...], steps: int = 1
    ) -> None:
        self.plan, self.args, self.exact, self.steps = plan, args, exact, steps

    @property
    def graph(self) -> Graph:
        return self.plan.graph

    def __repr__(self) -> str:
        plan = self.plan
        how = f"donate {plan.donate}, stepped {set(plan.stepped)}, collect {set(plan.collect)}"
        with np.printoptions(threshold=20):
            parts = [f"{name}: {array!r}" for name, array in self.args.items()]
        return "\n".join(["", str(plan.graph), f"{self.steps} steps, {how}", *parts])


class Maker:
    """A graph being made, with the numbers that its values have for the drawn arguments."""

    def __init__(self, dtype: str, special: bool) -> None:
        self.dtype, self.special = dtype, special
        self.reseed(0)
        self.builder = GraphBuilder()
        self.args: dict[str, np.ndarray] = {}
        self.dims: dict[str, int] = {}
        self.numbers: list[np.ndarray] = []
        self.exact: list[bool] = []
        self.ancestors: list[set[int]] = []
        self.pool: list[Value] = []  # values to draw arguments from

    def reseed(self, seed: int) -> None:
        self.choice, self.random = random.Random(seed), np.random.default_rng(seed)

    # -- choices -------------------------------------------------------------------------------

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.choice.randrange(len(items))]

    def value(self, items: Sequence[Value]) -> Value:
        """One of some values, more often one that nothing reads yet."""
        unread = [value for value in items if value.index in self.unread]
        return self.pick(unread if unread and self.some(0, 2) else items)

    @property
    def unread(self) -> set[int]:
        """Places of computed values that no kept value reads."""
        read = {source for value in self.pool for source in self.ancestors[value.index]}
        return {value.index for value in self.pool[len(self.args) :]} - read

    def some(self, low: int, high: int) -> int:
        return self.choice.randint(low, high)

    def number(self, value: Value) -> np.ndarray:
        return self.numbers[value.index]

    def fill(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers of a dtype."""
        return np.asarray(self._fill(dtype, shape))

    def _fill(self, dtype: str, shape: tuple[int, ...]) -> Any:
        if dtype == "bool":
            return self.random.random(shape) < 0.5
        if dtype not in FLOATS:
            return self.random.integers(-9, 10, shape).astype(dtype)
        if self.special:
            return self.random.choice(np.array(SPECIAL, dtype), shape)
        # halves and quarters among them, so that ties and exact sums happen
        coarse = self.random.integers(-12, 13, shape) / 4
        fine = self.random.uniform(-3, 3, shape)
        return np.where(self.random.random(shape) < 0.3, coarse, fine).astype(dtype)

    # -- inputs --------------------------------------------------------------------------------

    def shape(self, sizes: Sequence[int]) -> tuple[int, ...]:
        rank = self.pick((2, 2, 2, 1, 1, 3, 0, 4))
        shape: list[int] = []
        for _ in range(rank):
            left = MOST // 2 // max(int(np.prod(shape)), 1)
            fits = [size for size in sizes if size <= left] or [1]
            shape.append(self.pick(fits))
        return tuple(shape)

    def inputs(self, most: int) -> None:
        """Inputs over a few sizes, and index vectors that fit these."""
        sizes = [self.pick(SIZES[:most]) for _ in range(self.some(2, 3))]
        if self.some(0, 3) == 0:  # as many rows as columns, so that one may be taken for the other
            sizes = [self.pick((2, 3, 5, 8, 16))]
        elif self.some(0, 1):
            sizes.append(1)
        named = {size: Dim(f"d{size}") for size in sizes if self.some(0, 3) == 0}
        kinds = [self.dtype] * self.some(1, 3) + self.pick(
            ([], [], ["int32"], ["int64"], ["bool"], ["int64", "bool"])
        )
        for i, dtype in enumerate(kinds):
            shape = self.shape(sizes)
            symbolic = tuple(named.get(size, size) for size in shape)
            self.input(f"x{i}", dtype, symbolic, self.fill(dtype, shape))
        rows = self.pick(sizes)
        for i, size in enumerate(dict.fromkeys(size for size in sizes if size)):
            index = self.random.integers(0, size, rows).astype(self.pick(("int32", "int64")))
            self.input(f"i{i}", index.dtype.name, (named.get(rows, rows),), index)

    def input(self, name: str, dtype: str, shape: Shape, array: np.ndarray) -> None:
        self.dims |= {
            size.name: n
            for size, n in zip(shape, array.shape, strict=True)
            if isinstance(size, Dim)
        }
        self.args[name] = array
        value = self.builder.input(name, Type(dtype, shape))
        self.numbers.append(array)
        self.exact.append(True)
        self.ancestors.append(set())
        self.pool.append(value)

    # -- nodes ---------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """The numbers of the nodes that are new."""
        for node in self.builder.nodes[len(self.numbers) :]:
            inputs = [self.numbers[i] for i in node.inputs]
            with np.errstate(all="ignore"):
                result = node.op.numpy(*inputs, **bind_attrs(node, self.dims, False))
            self.numbers.append(np.asarray(result).astype(node.type.dtype))
            home = getattr(node.op.code, "__module__", "").rpartition(".")[2]
            once = node.op.kind in ("view", "index", "source") or home in ROUNDED_ONCE
            once = once or node.op.name in ("max", "min") or node.type.dtype not in FLOATS
            # a scatter adds in order, as NumPy does; sums and products of floats round elsewhere
            self.exact.append(once and all(self.exact[i] for i in node.inputs))
            self.ancestors.append(set(node.inputs).union(*(self.ancestors[i] for i in node.inputs)))

    def add(self, value: Value) -> bool:
        """Keep a value to draw from, if it is new and small and its numbers are tame."""
        self.evaluate()
        numbers = self.number(value)
        wild = numbers.dtype.kind == "f" and not self.special and numbers.size
        if wild and not np.abs(numbers).max() <= 1e4:
            return False
        if numbers.size > MOST or any(value.index == known.index for known in self.pool):
            return False
        self.pool.append(value)
        return True

    def tame(self, value: Value, low: float, high: float) -> Value:
        """The value within an interval: itself if its numbers are, else limited to it."""
        numbers = self.number(value)
        if self.special or value.dtype not in FLOATS or not numbers.size:
            return value
        if numbers.min() >= low and numbers.max() <= high:
            return value
        value = ops.minimum(ops.maximum(value, low), high)
        self.evaluate()
        return value

    def of_dtype(self, dtype: str) -> Value:
        found = [value for value in self.pool if value.dtype == dtype]
        if found and self.some(0, 9):
            return self.value(found)
        return self.scalar(dtype)

    def beside(self, first: Value, dtype: str) -> Value:
        """A value that broadcasts with the first."""
        found = [v for v in self.pool if v.dtype == dtype and fits(first.shape, v.shape)]
        if found and self.some(0, 7):
            return self.value(found)
        return self.scalar(dtype)

    def scalar(self, dtype: str) -> Value:
        made = self.builder.constant(self.fill(dtype, ())[()], dtype)
        self.evaluate()
        return made

    def finish(self) -> Case:
        unread = sorted(self.unread) or [self.pool[-1].index]
        chosen = [self.builder.value(place) for place in unread[-4:]]
        chosen += [self.pick(self.pool) for _ in range(self.some(0, 2))]
        graph = self.builder.finish(chosen)
        return Case(Plan(graph), self.args, tuple(self.exact[value.index] for value in chosen))

    def sized(self, shape: Shape) -> tuple[int, ...]:
        return bind(shape, self.dims)


def fits(a: Shape, b: Shape) -> bool:
    """Whether two shapes broadcast."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(left in (1, right) or right == 1 for left, right in pairs)


def grows(a: Shape, b: Shape) -> bool:
    """Whether a broadcasts to b."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return len(a) <= len(b) and all(old in (1, new) for old, new in pairs)
