"""One more step of a random graph: an op with arguments that fit it, a gradient, an update.

In: a maker. Out: nothing; the maker has grown. Elementwise ops need no recipe: their signature is
asked of their type rule, their arguments are kept in their domain.
"""

from __future__ import annotations

import itertools

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.gradient import gradients
from glassnet.graph.op import OPS, Op, Value
from glassnet.graph.types import FLOATS, SHORT, Type
from tests.fuzz.maker import Maker, grows
from tests.fuzz.recipes import RECIPES, example

JUMPS = {"floor", "round", "sign"}  # float to float, not continuous


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

# every op, with more weight on the kinds of which there are few
WEIGHT = {"elementwise": 1, "reduce": 5, "contract": 10, "view": 2, "index": 5, "source": 1}
CHOICES = [op for op in OPS.values() if op.name != "input" for _ in range(WEIGHT[op.kind])]


def step(maker: Maker) -> None:
    """One more op: the first of a few drawn whose drawn arguments fit it."""
    for _ in range(8):
        made = attempt(maker, maker.pick(CHOICES))
        maker.evaluate()
        if made is not None and maker.add(made):
            return


def attempt(maker: Maker, op: Op) -> Value | None:
    try:
        if op in ELEMENTWISE:
            return elementwise(maker, op)
        return RECIPES.get(op.name, example)(maker, op)
    except GlassnetError:
        return None


def elementwise(maker: Maker, op: Op) -> Value | None:
    dtypes = maker.pick(ELEMENTWISE[op])
    attrs = maker.pick(op.examples)[1] if op.examples else {}
    first = maker.of_dtype(dtypes[0])
    args = [first] + [maker.beside(first, dtype) for dtype in dtypes[1:]]
    low, high = op.domain
    args = [maker.tame(a, low, high) if isinstance(a, Value) else a for a in args]
    result = op.infer(*(Type(dtype, ()) for dtype in dtypes), **attrs)
    jumps = op.name in JUMPS or (result.dtype not in FLOATS and set(dtypes) & set(FLOATS))
    if jumps and not all(maker.exact[a.index] for a in args if isinstance(a, Value)):
        return None
    return op(*args, **attrs)


def gradient(maker: Maker) -> None:
    """The derivatives of a sum of one value by some of the inputs."""
    found = [v for v in maker.pool if v.dtype == maker.dtype and v.index >= len(maker.args)]
    inputs = [v for v in maker.pool if v.dtype == maker.dtype and v.index < len(maker.args)]
    if not found or not inputs:
        return
    try:
        parts = gradients(ops.sum(maker.value(found)), inputs)
    except GlassnetError:
        parts = []
    for part in parts:
        maker.add(part)


def update(maker: Maker) -> None:
    """A new value for one of the inputs, from what fits it."""
    inputs = [v for v in maker.pool if v.dtype == maker.dtype and v.index < len(maker.args)]
    x = maker.pick(inputs)
    found = [v for v in maker.pool if v.dtype == x.dtype and grows(v.shape, x.shape)]
    maker.add(0.5 * x - 0.25 * maker.value(found))
