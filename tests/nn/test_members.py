"""A member of a pack as a plain network, against the formulas in NumPy and against the pack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.estimators.tabular.table_network import Architecture, build
from glassnet.nn.members import Pack

X = np.random.default_rng(4).normal(size=(20, 5))
ONE = {"inputs": 5, "hidden": (7, 6), "outputs": 3, "members": 4, "dtype": "float64"}
KINDS: dict[str, dict[str, Any]] = {
    "folds": {"folds": 3, "numbers": 3, "width": 4, "bins": 5},
    "one group": {"numbers": 5, "width": 2, "bins": 3},
    "no numbers": {"folds": 2, "outputs": 1, "activation": "tanh"},
    "own inputs": {"folds": 2, "numbers": 3, "width": 3, "bins": 3, "per_group": 1},
    "waves": {"folds": 3, "numbers": 3, "width": 4, "waves": 5, "activation": "silu"},
    "own inputs, no numbers": {"folds": 2, "per_group": 2},
}
ACTIVATED: dict[str, Any] = {
    "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "silu": lambda z: z / (1 + np.exp(-z)),
}  # fmt: skip


@pytest.fixture(params=list(KINDS))
def made(request: pytest.FixtureRequest) -> tuple[Architecture, Any]:
    """A pack in which every number is drawn, so that no part is 0 or 1."""
    architecture = Architecture(**(ONE | KINDS[request.param]))
    network = build(architecture, seed=3, x=X)
    rng = np.random.default_rng(5)
    for name, values in network.parameters().items():
        if not name.endswith("edges"):
            values[...] = rng.normal(scale=0.5, size=values.shape)
    return architecture, network


def scores(pack: Pack, member: int) -> np.ndarray:
    embedding, x = pack.embedding(member), pack.rows(member, X)
    return np.asarray(pack.network(member)(x if embedding is None else embedding(x)))


def by_hand(architecture: Architecture, network: Any, member: int) -> np.ndarray:
    """The member's answer, from the numbers of the pack by the formulas of its layers."""
    own, group = network.parameters(), member // architecture.members

    def of(name: str) -> np.ndarray:
        return next(values for key, values in own.items() if key.endswith(name))

    x, last = X, architecture.per_group * architecture.folds
    if last:
        first = 5 - last + group * architecture.per_group
        x = np.hstack([X[:, : 5 - last], X[:, first : first + architecture.per_group]])
    if architecture.waves:
        turns = X[:, :3, None] * of("frequency")[group] + of("phase")[group]
        sums = np.einsum("nfk,fkd->nfd", np.cos(2 * np.pi * turns), of("embedding1.weight")[group])
        sums += of("periodicembedding1.bias")[group]
        x = np.hstack([np.concatenate([sums, X[:, :3, None]], 2).reshape(len(X), -1), X[:, 3:]])
    elif architecture.numbers:
        edges, width, count = of("edges"), architecture.width, architecture.numbers
        slope, bias, weight = of("slope"), of("bias"), of("piecewiseembedding1.weight")
        parts = []
        for i in range(count):
            low, size = edges[i, :-1], np.diff(edges[i])
            way = np.clip((X[:, i : i + 1] - low) / np.where(size > 0, size, np.inf), 0, 1)
            bent = way @ weight[i][:, group * width : (group + 1) * width]
            parts.append(X[:, i : i + 1] * slope[group, i] + bias[group, i] + bent)
        x = np.hstack([*parts, x[:, count:]])
    for layer in ("batchensemble1", "batchensemble2"):
        shared = of(f"{layer}.weight")
        shared = shared[group] if shared.ndim == 3 else shared
        z = ((x * of(f"{layer}.r")[member]) @ shared) * of(f"{layer}.s")[member]
        z = z + of(f"{layer}.bias")[member]
        x = ACTIVATED[architecture.activation](z)
    return x @ of("memberlinear1.weight")[member] + of("memberlinear1.bias")[member]


def test_a_member_is_that_of_the_formulas(made: tuple[Architecture, Any]) -> None:
    architecture, network = made
    pack = Pack.of(network)
    assert pack is not None
    assert pack.members == architecture.together
    for member in range(pack.members):
        wanted = by_hand(architecture, network, member)
        np.testing.assert_allclose(scores(pack, member), wanted, rtol=1e-12, atol=1e-12)
        other = by_hand(architecture, network, (member + 1) % pack.members)
        assert np.abs(other - wanted).max() > 0.05  # a wrong member would be noticed


def test_the_members_together_predict_what_the_pack_does(made: tuple[Architecture, Any]) -> None:
    architecture, network = made
    pack = Pack.of(network)
    assert pack is not None
    each = np.stack([scores(pack, member) for member in range(pack.members)])
    rows = X if architecture.folds == 1 else np.column_stack([X, np.full(len(X), -1.0)])
    given = np.asarray(network(rows))
    if architecture.outputs == 1:
        np.testing.assert_allclose(each.mean(0), given, rtol=1e-12, atol=1e-12)
        return
    powers = np.exp(each)
    chances = (powers / powers.sum(2, keepdims=True)).mean(0)
    np.testing.assert_allclose(np.exp(given), chances, rtol=1e-10)


def test_a_member_has_numbers_of_its_own() -> None:
    network = build(Architecture(5, (4,), 1, members=2, numbers=5, width=2, bins=3), x=X)
    pack = Pack.of(network)
    assert pack is not None
    before = network.W.copy()
    pack.network(1).W[...] = 7
    embedding = pack.embedding(1)
    assert embedding is not None
    embedding.W[...] = 7
    np.testing.assert_array_equal(network.W, before)
    assert pack.network(0).dtype == "float32"


nn = gn.nn


@pytest.mark.parametrize(
    "network",
    [
        nn.Linear(3, 1),
        nn.Sequential(nn.Linear(3, 1)),
        nn.Sequential(nn.Linear(3, 2), nn.Repeat(2), nn.BatchEnsemble(2, 1, 2), nn.Average(2)),
        nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 4, 2), nn.Dropout(0.1), nn.Average(2)),
        nn.Sequential(nn.Repeat(4), nn.MemberLinear(3, 2, 4), nn.Average(2)),
        nn.Sequential(nn.Repeat(2), nn.Average(2)),
    ],
)
def test_what_is_not_made_of_members_alone_is_no_pack(network: Any) -> None:
    assert Pack.of(network) is None
