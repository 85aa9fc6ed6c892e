"""Training with code that leaves the widths open: the same bits, and one text for many networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from glassnet import losses, nn, optim
from glassnet.errors import GraphError, ShapeError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.legality import check
from glassnet.graph.resize import digest, open_widths, resize
from glassnet.graph.types import Dim, Type
from glassnet.llvm.machine_code import host
from glassnet.pipeline import compile_graph
from glassnet.run.compiled import Compiled
from glassnet.run.program import Plan
from glassnet.simplify import simplify
from glassnet.training.step_graph import memory_arrays, parameter_arrays, step_graph
from tests.drawn import drawn
from tests.engine.variants import difference, thresholds

ROWS, BATCH, STEPS = 50, 20, 5
LAYERS = {
    "relu": lambda a, b: [nn.Linear(a, b), nn.ReLU()],
    "sigmoid": lambda a, b: [nn.Linear(a, b), nn.Sigmoid()],
    "slopes": lambda a, b: [nn.Linear(a, b), nn.ParametricSigmoid(width=b)],
    "prelu": lambda a, b: [nn.Linear(a, b), nn.PReLU()],
    "layer norm": lambda a, b: [nn.Linear(a, b), nn.LayerNorm(b), nn.GELU()],
    "batch norm": lambda a, b: [nn.Linear(a, b), nn.BatchNorm(b), nn.ReLU()],
    "dropout": lambda a, b: [nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.5)],
    "residual": lambda a, b: [nn.Linear(a, b), nn.Residual(nn.Linear(b, b), nn.Tanh())],
    "ensemble": lambda a, b: [nn.Repeat(3), nn.BatchEnsemble(a, b, 3), nn.Linear(3 * b, b)],
    "two sides": lambda a, b: [
        nn.Parallel(nn.Linear(a, b), nn.Linear(a, 7)),
        nn.Linear(b + 7, b),
    ],
}
SHARED = ("relu", "sigmoid", "slopes", "prelu", "batch norm", "residual")
RULES = {"sgd": optim.SGD(lr=0.01, momentum=0.9), "adam": optim.Adam(lr=0.01)}


def network(kind: str, *sizes: int) -> nn.Sequential:
    *hidden, last = sizes
    layers = [layer for a, b in pairwise(hidden) for layer in LAYERS[kind](a, b)]
    inner = nn.Sequential(*layers)
    return nn.Sequential(*layers, nn.Linear(inner.output_width(hidden[0]), last))


def planned(model: nn.Sequential, rule: str, width: int) -> Plan:
    step = step_graph(model, losses.HalfMSE(), RULES[rule], width, False, 0)
    stepped = frozenset({"rows", "lr", "step"})
    return Plan(step.graph, step.donate, stepped, frozenset({0}), step.widths)


def trained(
    model: nn.Sequential, plan: Plan, rule: str, width: int, outputs: int
) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    held = {**parameter_arrays(model), **memory_arrays(model, RULES[rule])}
    arrays = {name: array.copy() for name, array in held.items()}
    arrays["x"] = rng.normal(size=(ROWS, width)).astype("float32")
    arrays["y"] = rng.normal(size=(ROWS, outputs)).astype("float32")
    arrays["rows"] = rng.integers(0, ROWS, (STEPS, BATCH)).astype(np.int32)
    arrays["lr"] = np.full(STEPS, 0.01, "float32")
    arrays["step"] = np.arange(STEPS)
    with thresholds():
        return Compiled(plan, host(), simplify=simplify).run(arrays, STEPS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", LAYERS)
def test_open_widths_give_the_same_bits(kind: str, rule: str) -> None:
    for sizes in drawn(((12, 33, 20, 3), (5, 50, 50, 1)), 1, f"{kind} {rule}"):
        model = network(kind, *sizes)
        plan = planned(model, rule, sizes[0])
        ends = sizes[0], sizes[-1]
        opened = trained(model, plan, rule, *ends)
        known = trained(model, replace(plan, widths=frozenset()), rule, *ends)
        for a, b in zip(opened, known, strict=True):
            assert not difference(a, b)


@pytest.mark.parametrize("kind", LAYERS)
def test_which_layers_share_their_code(kind: str) -> None:
    """Those whose formulas do not hold their width as a number."""
    found: set[str | None] = set()
    legal = True
    for sizes in ((12, 33, 20, 3), (5, 60, 41, 3), (9, 24, 90, 3)):
        plan = planned(network(kind, *sizes), "adam", sizes[0])
        names = open_widths(plan.graph, plan.widths)
        found.add(digest(plan.graph, names))
        try:
            check(resize(plan.graph, names))
        except (GraphError, ShapeError):
            legal = False
    assert (legal and len(found) == 1) == (kind in SHARED)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 300])
def test_numbers_beside_open_sizes_stay_apart(size: int) -> None:
    """A size that the graph leaves open, by the very name that a width would get, and a width that
    is a number: either array has its own length, and nothing is written behind it."""
    builder = GraphBuilder()
    x = builder.input("x", Type("float32", (Dim("width0"),)))
    y = builder.input("y", Type("float32", (7,)))
    graph = builder.finish([x * 2.0, y * 3.0])
    program = compile_graph(graph, widths=frozenset({7, Dim("width0")}))
    arrays = {"x": np.arange(size, dtype="float32"), "y": np.arange(7, dtype="float32")}
    twice, thrice = program.run(arrays)
    assert np.array_equal(twice, 2 * np.arange(size))
    assert np.array_equal(thrice, 3 * np.arange(7))
