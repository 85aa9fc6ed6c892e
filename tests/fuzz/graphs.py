"""Random graphs with arguments for them.

In: choices drawn by hypothesis. Out: a `Case`. Ops come from the records: a new elementwise op is
taken up by itself, through its signature, its domain and its examples; a new op of another kind
through its examples, or through a recipe in `recipes.py`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.graph import Graph
from glassnet.graph.interpret import bind_attrs
from glassnet.graph.op import OPS, Op, Value
from glassnet.graph.types import FLOATS, SHORT, Dim, Shape, Type, bind
from glassnet.run.program import Plan
from glassnet.simplify import simplify

SIZES = (1, 2, 0, 3, 5, 8, 7, 15, 16, 17, 33, 64, 65, 70, 130, 200)
MOST = 6000  # elements of a value: larger ones are not kept
ROUNDED_ONCE = {"elementwise", "logic", "random", "joining", "view", "index", "source"}
JUMPS = {"floor", "round", "sign"}  # float to float, not continuous
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


def signatures(op: Op) -> list[tuple[str, ...]]:
    """The dtypes that an elementwise op takes, found by asking its type rule."""
    attrs = op.examples[0][1] if op.examples else {}
    every = (
        itertools.product(SHORT, repeat=op.arity)
        if op.arity <= 3
        else [(dtype,) * op.arity for dtype in SHORT]
    )
    found: list[tuple[str, ...]] = []
    for dtypes in every:
        try:
            op.infer(*(Type(dtype, ()) for dtype in dtypes), **attrs)
        except GlassnetError:
            continue
        found.append(tuple(dtypes))
    return found


ELEMENTWISE = {op: signatures(op) for op in OPS.values() if op.kind == "elementwise"}


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
        if self.some(0, 1):
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

    def step(self) -> None:
        """One more op: the first of a few drawn whose drawn arguments fit it."""
        for _ in range(8):
            made = self.attempt(self.pick(CHOICES))
            self.evaluate()
            if made is not None and self.add(made):
                return

    def attempt(self, op: Op) -> Value | None:
        from tests.fuzz.recipes import RECIPES, example  # recipes are written with makers

        try:
            if op in ELEMENTWISE:
                return self.elementwise(op)
            return RECIPES.get(op.name, example)(self, op)
        except GlassnetError:
            return None

    def elementwise(self, op: Op) -> Value | None:
        dtypes = self.pick(ELEMENTWISE[op])
        attrs = self.pick(op.examples)[1] if op.examples else {}
        first = self.of_dtype(dtypes[0])
        args = [first] + [self.beside(first, dtype) for dtype in dtypes[1:]]
        low, high = op.domain
        args = [self.tame(a, low, high) if isinstance(a, Value) else a for a in args]
        result = op.infer(*(Type(dtype, ()) for dtype in dtypes), **attrs)
        jumps = op.name in JUMPS or (result.dtype not in FLOATS and set(dtypes) & set(FLOATS))
        if jumps and not all(self.exact[a.index] for a in args if isinstance(a, Value)):
            return None
        return op(*args, **attrs)

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

    def gradient(self) -> None:
        """The derivatives of a sum of one value by some of the inputs."""
        found = [v for v in self.pool if v.dtype == self.dtype and v.index >= len(self.args)]
        inputs = [v for v in self.pool if v.dtype == self.dtype and v.index < len(self.args)]
        if not found or not inputs:
            return
        try:
            parts = gradients(ops.sum(self.value(found)), inputs)
        except GlassnetError:
            parts = []
        for part in parts:
            self.add(part)

    def update(self) -> None:
        """A new value for one of the inputs, from what fits it."""
        inputs = [v for v in self.pool if v.dtype == self.dtype and v.index < len(self.args)]
        x = self.pick(inputs)
        found = [v for v in self.pool if v.dtype == x.dtype and grows(v.shape, x.shape)]
        self.add(0.5 * x - 0.25 * self.value(found))

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


# every op, with more weight on the kinds of which there are few
WEIGHT = {"elementwise": 1, "reduce": 5, "contract": 10, "view": 2, "index": 5, "source": 1}
CHOICES = [op for op in OPS.values() if op.name != "input" for _ in range(WEIGHT[op.kind])]


SEEDS = st.integers(0, 1 << 32)


@st.composite
def cases(
    draw: Any, steps: int = 10, special: bool = False, extras: int = 2, raw: bool = False
) -> Case:
    """A random graph; `special` puts infinities, NaN, −0 and tiny numbers into its arguments, `raw`
    leaves it as it was built, not simplified.

    Every step has a seed of its own: all graphs are equally likely, as they would not be if
    hypothesis chose every argument, and yet a failing graph shrinks, step by step.
    """
    maker = Maker(draw(st.sampled_from(FLOATS)), special)
    maker.reseed(draw(SEEDS))
    maker.inputs(draw(st.sampled_from((2, 7, len(SIZES), len(SIZES)))))
    for seed in draw(st.lists(SEEDS, min_size=1, max_size=2 * steps)):
        maker.reseed(seed)
        maker.step()
    for seed in draw(st.lists(SEEDS, max_size=extras)):
        maker.reseed(seed)
        maker.pick((maker.gradient, maker.update))()
    case = maker.finish()
    plan = case.plan if raw else Plan(simplify(case.graph))
    return Case(plan, case.args, case.exact)


@st.composite
def programs(draw: Any) -> Case:
    """A random plan for a few steps: inputs updated in place, stepped inputs, collected outputs."""
    case = draw(cases(extras=4))
    graph, steps = case.graph, draw(st.integers(1, 3))
    donate: dict[str, int] = {}
    for name, type in graph.input_types.items():
        free = [i for i, t in enumerate(graph.output_types) if t == type]
        free = [i for i in free if i not in donate.values()]
        if free and name[0] == "x" and draw(st.booleans()):
            donate[name] = free[draw(st.integers(0, len(free) - 1))]
    others = [name for name in graph.inputs if name not in donate]
    stepped = frozenset(name for name in others if draw(st.integers(0, 3)) == 0)
    rest = [i for i in range(len(graph.outputs)) if i not in donate.values()]
    collect = frozenset(i for i in rest if draw(st.booleans()))
    args = {
        name: np.stack([np.roll(a, s) for s in range(steps)]) if name in stepped else a
        for name, a in case.args.items()
    }
    return Case(Plan(graph, donate, stepped, collect), args, (), steps)
