"""Small dense networks with their update rules, written as plain graphs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.types import Size, Type
from glassnet.run.program import Plan
from glassnet.simplify import simplify
from glassnet.tracing import trace

Rule = Callable[[list[Any], list[Any], list[Any], Any], tuple[list[Any], list[Any]]]


def sgd(ps: list[Any], gs: list[Any], state: list[Any], t: Any) -> tuple[list[Any], list[Any]]:
    return [p - 0.1 * g for p, g in zip(ps, gs, strict=True)], []


def momentum(ps: list[Any], gs: list[Any], state: list[Any], t: Any) -> tuple[list[Any], list[Any]]:
    new = [0.9 * v + g for v, g in zip(state, gs, strict=True)]
    return [p - 0.05 * v for p, v in zip(ps, new, strict=True)], new


def adam(ps: list[Any], gs: list[Any], state: list[Any], t: Any) -> tuple[list[Any], list[Any]]:
    """With the bias corrections 1 − βᵗ, t the number of the step."""
    half = len(ps)
    m = [0.9 * a + 0.1 * g for a, g in zip(state[:half], gs, strict=True)]
    v = [0.999 * a + 0.001 * ops.square(g) for a, g in zip(state[half:], gs, strict=True)]
    scale = ops.sqrt(1.0 - ops.pow(np.float32(0.999), t)) / (1.0 - ops.pow(np.float32(0.9), t))
    new = [p - 0.01 * scale * a / (ops.sqrt(b) + 1e-8) for p, a, b in zip(ps, m, v, strict=True)]
    return new, m + v


RULES: dict[str, tuple[Rule, int]] = {"sgd": (sgd, 0), "momentum": (momentum, 1), "adam": (adam, 2)}


def shapes(widths: Sequence[int]) -> list[tuple[int, ...]]:
    """Weights and biases, layer by layer."""
    return [s for a, b in pairwise(widths) for s in ((a, b), (b,))]


def dense(
    widths: Sequence[int], batch: Size, rule: str, dtype: str = "float32", classes: bool = False
) -> Plan:
    """One training step. Inputs x, y, t (the number of the step, as a float), parameters p0 …,
    state s0 …; the loss is collected. Sigmoid in the first hidden layer, then tanh and relu."""
    update, copies = RULES[rule]
    sizes = shapes(widths)
    count = len(sizes)

    def step(x: Any, y: Any, t: Any, *rest: Any) -> tuple[Any, ...]:
        ps, state = list(rest[:count]), list(rest[count:])
        h = x
        for layer in range(count // 2):
            h = h @ ps[2 * layer] + ps[2 * layer + 1]
            if 2 * layer + 2 < count:
                h = (ops.sigmoid, ops.tanh, ops.relu)[layer % 3](h)
        loss = cross_entropy(h, y) if classes else half_mse(h, y)
        ps, state = update(ps, gradients(loss, ps), state, t)
        return (loss, *ps, *state)

    label = Type("int32", (batch,)) if classes else Type(dtype, (batch, widths[-1]))
    names = [f"p{i}" for i in range(count)] + [f"s{i}" for i in range(copies * count)]
    types = [Type(dtype, (batch, widths[0])), label, Type(dtype, ())]
    types += [Type(dtype, s) for _ in range(1 + copies) for s in sizes]
    graph = simplify(trace(named(step, ["x", "y", "t", *names]), *types))
    donate = {name: i + 1 for i, name in enumerate(names)}
    return Plan(graph, donate, frozenset({"x", "y", "t"}), frozenset({0}))


def half_mse(h: Any, y: Any) -> Any:
    return 0.5 * ops.mean(ops.sum(ops.square(h - y), 1))


def cross_entropy(h: Any, y: Any) -> Any:
    chosen = ops.sum(ops.log_softmax(h) * ops.one_hot(y, h.shape[1], h.dtype), 1)
    return -ops.mean(chosen)


def named(f: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """f with parameters of the given names."""
    kind = inspect.Parameter.POSITIONAL_ONLY
    parameters = [inspect.Parameter(name, kind) for name in names]
    f.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return f


def spread(count: int, seed: int) -> np.ndarray:
    """Numbers between −1 and 1, the same with every version of NumPy."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed += np.uint64((seed + 1) * 0xBF58476D1CE4E5B9 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def arguments(plan: Plan, batch: int, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Data for all steps, weights within Glorot's limits, state 0."""
    found: dict[str, np.ndarray] = {}
    for number, (name, type) in enumerate(plan.graph.input_types.items()):
        shape = tuple(size if isinstance(size, int) else batch for size in type.shape)
        if name in plan.stepped:
            shape = (steps, *shape)
        numbers = spread(int(np.prod(shape)), 1000 * seed + number).reshape(shape)
        if name == "t":
            numbers = np.arange(1, steps + 1)
        elif name == "y" and type.dtype == "int32":
            numbers = np.floor((numbers + 1.0) / 2.0 * labels(plan))
        elif name[0] == "s" or (name[0] == "p" and len(shape) == 1):
            numbers = np.zeros(shape)
        elif name[0] == "p":
            numbers = numbers * np.sqrt(6 / sum(shape))
        found[name] = numbers.astype(type.dtype)
    return found


def labels(plan: Plan) -> int:
    """The number of classes: the width of the last bias."""
    last = max((n for n in plan.graph.inputs if n[0] == "p"), key=lambda n: int(n[1:]))
    size = plan.graph.input_types[last].shape[0]
    assert isinstance(size, int)
    return size
