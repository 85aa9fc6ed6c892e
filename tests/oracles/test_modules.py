"""Every module against PyTorch's: results, and gradients by x and by all parameters; needs torch.

Where PyTorch has the layer it is that layer, else the formula written with its operators.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.build import GraphBuilder
from glassnet.graph.types import type_of
from glassnet.nn.module import Module
from glassnet.nn.scope import BuildContext, Scope, apply
from glassnet.nn.storage import layout_of
from glassnet.ops import philox
from glassnet.pipeline import compile_graph
from glassnet.training import value_and_grad

torch = pytest.importorskip("torch")

nn, T, F = gn.nn, torch.nn, torch.nn.functional
ROWS, WIDTH = 9, 4
X = philox.normal(ROWS * WIDTH, 1).reshape(ROWS, WIDTH)
CATEGORIES = np.arange(2.0 * ROWS).reshape(ROWS, 2) % 3

Tensors = dict[str, Any]


@dataclass
class Case:
    """A module, and PyTorch's function of x and our parameters by name."""

    ours: Module
    theirs: Callable[[Any, Tensors], Any]
    x: Any = None
    training: bool = False


def same(ours: Module, theirs: Any) -> Case:
    """A layer of PyTorch's without parameters."""
    return Case(ours, lambda x, p: theirs(x))


def parametric(slope: Any, shift: Any) -> Callable[[Any, Tensors], Any]:
    return lambda x, p: torch.sigmoid(p.get("slope", slope) * (x - p.get("shift", shift)))


def linear(x: Any, p: Tensors, name: str = "") -> Any:
    return F.linear(x, p[f"{name}weight"].T, p.get(f"{name}bias"))


def batch_norm(training: bool) -> Callable[[Any, Tensors], Any]:
    def compute(x: Any, p: Tensors) -> Any:
        mean, variance = (p[name].detach().clone() for name in ("mean", "variance"))
        if not training:
            mean, variance = p["mean"], p["variance"]
            return (x - mean) / torch.sqrt(variance + 1e-5) * p["scale"] + p["shift"]
        return F.batch_norm(x, mean, variance, p["scale"], p["shift"], True, 0.1, 1e-5)

    return compute


def embedding(x: Any, p: Tensors) -> Any:
    tables = [p[name] for name in p]
    return torch.cat([F.embedding(x[:, i].long(), own) for i, own in enumerate(tables)], 1)


def periodic(x: Any, p: Tensors) -> Any:
    angle = 2 * math.pi * x[:, :, None] * p["frequency"]
    return torch.cat([torch.sin(angle), torch.cos(angle)], 2).flatten(1)


EDGES = ((-1.0, 0.0, 0.5, 2.0), (-0.5, 0.5), (-2.0, 0.0, 1.0), (0.0, 0.1, 0.3))


def piecewise(x: Any, p: Tensors) -> Any:
    columns = []
    for i, own in enumerate(EDGES):
        for j in range(len(own) - 1):
            way = (x[:, i] - own[j]) / (own[j + 1] - own[j])
            way = way if j == 0 else torch.clamp(way, min=0.0)
            columns.append(way if j == len(own) - 2 else torch.clamp(way, max=1.0))
    return torch.stack(columns, 1)


def ensemble(x: Any, p: Tensors) -> Any:
    members = [
        F.linear(own * p["r"][j], p["weight"].T) * p["s"][j] + p["bias"][j]
        for j, own in enumerate(torch.chunk(x, 2, 1))
    ]
    return torch.cat(members, 1)


def embedded(x: Any, p: Tensors) -> Any:
    """Two features in 2 groups, and two numbers that are kept."""
    low, high = p["edges"][:, :-1], p["edges"][:, 1:]
    size = torch.where(high > low, high - low, torch.ones_like(low))
    way = torch.clamp((x[:, :2, None] - low) / size, 0.0, 1.0) * (high > low)
    bent = torch.einsum("nfb,fbgd->ngfd", way, p["weight"].reshape(2, 3, 2, 3))
    e = x[:, None, :2, None] * p["slope"] + p["bias"] + bent
    parts = [torch.cat([e[:, g].flatten(1), x[:, 2:]], 1) for g in range(2)]
    return torch.cat(parts, 1)


def embedded_with_own(x: Any, p: Tensors) -> Any:
    """The same, whose two last numbers are those of the first and of the second group."""
    wide = embedded(x[:, :2], p)
    first, second = torch.chunk(wide, 2, 1)
    return torch.cat([first, x[:, 2:3], second, x[:, 3:4]], 1)


def waves_of_groups(x: Any, p: Tensors) -> Any:
    """Three features in 2 groups, and a number that is kept."""
    turns = x[:, None, :3, None] * p["frequency"] + p["phase"]
    sums = torch.einsum("ngfk,gfkd->ngfd", torch.cos(2 * math.pi * turns), p["weight"]) + p["bias"]
    wide = [torch.cat([sums[:, g], x[:, :3, None]], 2).flatten(1) for g in range(2)]
    return torch.cat([wide[0], x[:, 3:], wide[1], x[:, 3:]], 1)


def groups(x: Any, p: Tensors) -> Any:
    parts = torch.chunk(x, 2, 1)
    members = [
        (own * p["r"][j]) @ p["weight"][j] * p["s"][j] + p["bias"][j] for j, own in enumerate(parts)
    ]
    return torch.cat(members, 1)


def apart(x: Any, p: Tensors) -> Any:
    parts = torch.chunk(x, 2, 1)
    return torch.cat([own @ p["weight"][j] + p["bias"][j] for j, own in enumerate(parts)], 1)


def mixture(x: Any, p: Tensors) -> Any:
    parts = [torch.softmax(own, 1) for own in torch.chunk(x, 2, 1)]
    return torch.log((parts[0] + parts[1]) / 2)


FOLDS = np.concatenate([X[:, : WIDTH - 1], np.arange(len(X))[:, None] % 3 - 1.0], 1)


def in_folds(x: Any, p: Tensors) -> Any:
    """Two members: of the one that did not learn from the row, or of both for a row of no fold."""
    parts, fold = torch.chunk(linear(x[:, :-1], p, "inner."), 2, 1), x[:, -1:]
    return torch.where(fold < 0, (parts[0] + parts[1]) / 2, torch.where(fold == 0, *parts))


def learnt_in_folds(x: Any, p: Tensors) -> Any:
    parts, fold = torch.chunk(linear(x[:, :-1], p, "inner."), 2, 1), x[:, -1:]
    return torch.cat([torch.where(fold == j, o.detach(), o) for j, o in enumerate(parts)], 1)


def side_by_side(x: Any, p: Tensors) -> Any:
    return torch.cat([linear(x, p, "linear1."), F.relu(x), linear(x, p, "linear2.")], 1)


CASES = [
    same(nn.Identity(), T.Identity()), same(nn.Sigmoid(), T.Sigmoid()), same(nn.Tanh(), T.Tanh()),
    same(nn.Softmax(), T.Softmax(1)), same(nn.Softplus(), T.Softplus(threshold=1e9)),
    same(nn.ReLU(), T.ReLU()), same(nn.LeakyReLU(0.2), T.LeakyReLU(0.2)),
    same(nn.ELU(1.5), T.ELU(1.5)), same(nn.SELU(), T.SELU()), same(nn.GELU(), T.GELU()),
    same(nn.SiLU(), T.SiLU()), same(nn.Mish(), T.Mish()),
    same(nn.Heaviside(), lambda x: (x > 0).double() + 0.0 * x),
    same(nn.Columns(2, 0, 2), lambda x: x[:, [2, 0, 2]]),
    same(nn.Columns(1, 2), lambda x: x[:, 1:3]),
    same(nn.Function(lambda x: ops.sin(x) * x), lambda x: torch.sin(x) * x),
    same(nn.Repeat(3), lambda x: x.repeat(1, 3)),
    same(nn.Average(2), lambda x: (x[:, :2] + x[:, 2:]) / 2),
    Case(nn.Average(2), lambda x, p: x, training=True), Case(nn.Average(2, True), mixture),
    Case(nn.InFolds(nn.Linear(WIDTH - 1, 4), members=2, folds=2), in_folds, FOLDS),
    Case(nn.InFolds(nn.Linear(WIDTH - 1, 4), members=2, folds=2), learnt_in_folds, FOLDS, True),
    same(nn.PiecewiseLinear(EDGES), lambda x: piecewise(x, {})),
    Case(nn.PReLU(), lambda x, p: F.prelu(x, p["slope"])),
    Case(nn.PReLU(width=WIDTH), lambda x, p: F.prelu(x, p["slope"])),
    Case(nn.ParametricSigmoid(2.0, 0.5, learn=False), parametric(2.0, 0.5)),
    Case(nn.ParametricSigmoid(), parametric(None, None)),
    Case(nn.ParametricSigmoid(width=WIDTH), parametric(None, None)),
    Case(nn.Blend(nn.Tanh()), lambda x, p: x + p["amount"] * (torch.tanh(x) - x)),
    Case(nn.Blend(nn.PReLU(), width=WIDTH),
         lambda x, p: x + p["amount"] * (F.prelu(x, p["f.slope"]) - x)),
    Case(nn.Linear(WIDTH, 3), linear), Case(nn.Linear(WIDTH, 3, bias=False), linear),
    Case(nn.Neuron(WIDTH), lambda x, p: torch.sigmoid(linear(x, p))),
    Case(nn.Neuron(WIDTH, nn.PReLU()),
         lambda x, p: F.prelu(linear(x, p), p["activation.slope"])),
    Case(nn.LayerNorm(WIDTH), lambda x, p: F.layer_norm(x, (WIDTH,), p["scale"], p["shift"])),
    Case(nn.RMSNorm(WIDTH), lambda x, p: F.rms_norm(x, (WIDTH,), p["scale"], 1e-6)),
    Case(nn.BatchNorm(WIDTH), batch_norm(False)),
    Case(nn.BatchNorm(WIDTH), batch_norm(True), training=True),
    Case(nn.Embedding(3, 2), embedding, CATEGORIES[:, :1].copy()),
    Case(nn.Embedding((3, 4), 2), embedding, CATEGORIES), Case(nn.Periodic(WIDTH, 3), periodic),
    Case(nn.PiecewiseEmbedding(2, 3, 3, 2, 2), embedded),
    Case(nn.PiecewiseEmbedding(2, 3, 3, groups=2, per_group=1), embedded_with_own),
    Case(nn.PeriodicEmbedding(3, 3, 4, 1, groups=2), waves_of_groups),
    same(nn.GroupInputs(2, 1, 2), lambda x: torch.cat([x[:, :3], x[:, :2], x[:, 3:]], 1)),
    Case(nn.BatchEnsemble(2, 3, 2, groups=2), groups), Case(nn.MemberLinear(2, 3, 2), apart),
    Case(nn.BatchEnsemble(2, 3, 2), ensemble), same(nn.Dropout(0.4), T.Dropout(0.4).eval()),
    Case(nn.Sequential(nn.Linear(WIDTH, 3), nn.Tanh(), nn.Linear(3, 2)),
         lambda x, p: linear(torch.tanh(linear(x, p, "linear1.")), p, "linear2.")),
    Case(nn.Residual(nn.Linear(WIDTH, WIDTH), nn.Tanh()),
         lambda x, p: x + torch.tanh(linear(x, p, "linear1."))),
    Case(nn.Parallel(nn.Linear(WIDTH, 2), nn.ReLU(), nn.Linear(WIDTH, 1)), side_by_side),
]  # fmt: skip


def numbers(module: Module, x: np.ndarray) -> dict[str, np.ndarray]:
    """x and parameters away from their first values; running variances are above 0."""
    drawn = {"x": x}
    for stream, (name, parameter) in enumerate(layout_of(module).parameters.items(), 2):
        own = philox.normal(parameter.size, stream).reshape(parameter.shape)
        drawn[name] = np.abs(own) + 0.5 if name == "variance" else own
    return drawn


def waves(shape: tuple[int, ...]) -> np.ndarray:
    return np.cos(np.arange(float(math.prod(shape)))).reshape(shape)


def computed(case: Case, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Our result, and the gradients of a weighted sum of it by x and each parameter."""
    builder = GraphBuilder()
    values = {name: builder.input(name, type_of(own)) for name, own in given.items()}
    now = BuildContext(training=case.training)
    y = apply(case.ours, values["x"], Scope(values, now))
    total = ops.sum(y * waves(y.shape))
    graph = builder.finish([y, *gradients(total, list(values.values()))])
    return compile_graph(graph).run(given)


def wanted(case: Case, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    p = {name: torch.tensor(own, requires_grad=True) for name, own in given.items()}
    y = case.theirs(p["x"], {name: own for name, own in p.items() if name != "x"})
    total = (y * torch.tensor(waves(tuple(y.shape)))).sum()
    slopes = torch.autograd.grad(total, list(p.values()), allow_unused=True)
    pairs = zip(slopes, given.values(), strict=True)
    return [y.detach().numpy(), *(np.zeros_like(x) if g is None else g.numpy() for g, x in pairs)]


def name_of(case: Case) -> str:
    return f"{case.ours!r}{' in training' if case.training else ''}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_results_and_gradients(case: Case) -> None:
    given = numbers(case.ours, X if case.x is None else case.x)
    found = computed(case, given)
    for what, got, reference in zip(["y", *given], found, wanted(case, given), strict=True):
        # a sum whose terms cancel is as exact as its largest element allows
        scale = 1e-12 * max(1.0, np.abs(reference).max())
        np.testing.assert_allclose(got, reference, rtol=1e-10, atol=scale, err_msg=what)


def test_every_module_is_compared() -> None:
    kinds = {
        kind for kind in vars(nn).values()
        if inspect.isclass(kind) and issubclass(kind, Module) and kind is not Module
    }  # fmt: skip
    assert {kind.__name__ for kind in kinds - {type(case.ours) for case in CASES}} == set()
    assert kinds >= {getattr(nn, name) for name in ("Linear", "Neuron", "Sequential", "Blend")}


def test_dropout_in_training() -> None:
    """Which numbers stay is our own choice; what becomes of them and their gradients is not."""
    module = nn.Dropout(0.4)
    x = np.abs(X) + 1.0
    builder = GraphBuilder()
    value = builder.input("x", type_of(x))
    y = module.build(value, Scope({}, BuildContext(training=True, seed=5)))
    graph = builder.finish([y, *gradients(ops.sum(y * waves(y.shape)), [value])])
    found, slope = compile_graph(graph).run({"x": x})
    kept = found != 0.0
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(found, x * kept / 0.6, rtol=1e-15)
    np.testing.assert_allclose(slope, waves(x.shape) * kept / 0.6, rtol=1e-15)


def deep() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(WIDTH, 6), nn.LayerNorm(6), nn.GELU(), nn.Residual(nn.Linear(6, 6), nn.SiLU()),
        nn.BatchNorm(6), nn.PReLU(width=6), nn.Linear(6, 2), dtype="float64",
    )  # fmt: skip


def peer(model: nn.Sequential) -> Any:
    """The same in PyTorch's layers, with our numbers; its weights are (fan_out, fan_in)."""

    class Residual(T.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = T.Linear(6, 6)

        def forward(self, x: Any) -> Any:
            return x + F.silu(self.linear(x))

    other = T.Sequential(
        T.Linear(WIDTH, 6), T.LayerNorm(6), T.GELU(), Residual(), T.BatchNorm1d(6), T.PReLU(6),
        T.Linear(6, 2),
    ).double()  # fmt: skip
    own = [p for name, p in model.parameters().items() if model.parameter_specs()[name].trained]
    with torch.no_grad():
        for theirs, ours in zip(other.parameters(), own, strict=True):
            theirs.copy_(torch.tensor(ours.T.copy()))
    return other


def test_a_network_by_its_loss() -> None:
    model = deep()
    other, y = peer(model).eval(), X[:, :2]
    ((other(torch.tensor(X)) - torch.tensor(y)) ** 2).sum().div(2 * ROWS).backward()
    _, slope = value_and_grad(gn.losses.HalfMSE())(model, X, y)
    rows = [p.grad.numpy() for p in other.parameters()]
    trained = np.concatenate([np.full(p.size, p.trained) for p in model.parameter_specs().values()])
    gradient = np.concatenate([r.T.ravel() for r in rows])
    np.testing.assert_allclose(slope[trained], gradient, rtol=1e-10, atol=1e-14)


def test_training_with_running_figures() -> None:
    model = deep()
    other, y = peer(model), X[:, :2]
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        ((other(torch.tensor(X)) - torch.tensor(y)) ** 2).sum().div(2 * ROWS).backward()
        optimizer.step()
    gn.train(
        model, X, y, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(0.1), epochs=20,
        batch_size=ROWS, shuffle=False,
    )  # fmt: skip
    other.eval()
    parts = model.parameters()
    np.testing.assert_allclose(parts["batchnorm1.mean"], other[4].running_mean, rtol=1e-9)
    np.testing.assert_allclose(parts["batchnorm1.variance"], other[4].running_var, rtol=1e-9)
    np.testing.assert_allclose(model(X), other(torch.tensor(X)).detach().numpy(), rtol=1e-8)
