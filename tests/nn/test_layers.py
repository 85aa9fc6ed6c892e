"""Layers, one row worked out by hand each, and their derivatives against differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import ShapeError
from glassnet.testing import check_grads, compare
from tests.nn.common import HALF, model

nn = gn.nn


def test_linear() -> None:
    network = model(
        nn.Linear(2, 3), linear1__weight=[[1, 2, 3], [4, 5, 6]], linear1__bias=[0, 1, 2]
    )
    np.testing.assert_array_equal(network([[10.0, 1.0]]), [[14, 26, 38]])
    assert model(nn.Linear(2, 3, bias=False)).W.size == 6


def test_neuron() -> None:
    # w·x + b = 2·1 − 1·3 + 1 = 0, and the sigmoid of 0 is ½
    neuron = model(nn.Neuron(2), neuron1__weight=[[2], [-1]], neuron1__bias=1)
    assert neuron([[1.0, 3.0]]) == 0.5
    linear = model(nn.Neuron(2, nn.Identity()), neuron1__weight=[[2], [-1]], neuron1__bias=1)
    assert linear([[5.0, 3.0]]) == 8.0
    learnt = model(nn.Neuron(2, nn.ParametricSigmoid()))
    assert list(learnt.parameters())[2:] == ["neuron1.activation.slope", "neuron1.activation.shift"]


def test_residual_adds() -> None:
    network = model(
        nn.Residual(nn.Linear(2, 2, bias=False)), residual1__linear1__weight=[[0, 1], [2, 0]]
    )
    np.testing.assert_array_equal(network([[3.0, 5.0]]), [[3 + 10, 5 + 3]])


def test_parallel_puts_side_by_side() -> None:
    network = model(
        nn.Parallel(nn.Columns(1), nn.ReLU(), nn.Sequential(nn.Columns(0, 2), lambda x: x * 10.0))
    )
    np.testing.assert_array_equal(network([[-1.0, 2.0, 3.0]]), [[2, 0, 2, 3, -10, 30]])


def test_columns() -> None:
    x = [[0.0, 1.0, 2.0, 3.0]]
    np.testing.assert_array_equal(model(nn.Columns(1, 2))(x), [[1, 2]])
    np.testing.assert_array_equal(model(nn.Columns(3, 0, 3))(x), [[3, 0, 3]])


def test_embedding() -> None:
    table = [[1, 2], [3, 4], [5, 6]]
    network = model(nn.Embedding(3, 2), embedding1__weight=table)
    np.testing.assert_array_equal(network([[2], [0], [1]]), [[5, 6], [1, 2], [3, 4]])
    several = model(
        nn.Embedding((3, 2), 2), embedding1__weight1=table, embedding1__weight2=[[7, 8], [9, 0]]
    )
    np.testing.assert_array_equal(several([[1, 1]]), [[3, 4, 9, 0]])


@pytest.mark.parametrize("value", [3, -1, 1.6, np.nan, np.inf, -np.inf, 1e20, -0.5])
def test_a_number_that_is_not_a_category_is_an_error(value: float) -> None:
    x = np.array([[0.0, 1.0], [9.0, 2.0], [9.0, value]])
    networks = [
        model(nn.Columns(1), nn.Embedding(3, 1)),
        model(nn.Parallel(nn.Columns(0), nn.Sequential(nn.Columns(1), nn.Embedding(3, 1)))),
        model(nn.Identity(), nn.Embedding((10, 3), 2)),
    ]
    for network in networks:
        wanted = rf"x has {value:g} in row 2, column 1, where Embedding takes .* 0 to 2"
        with pytest.raises(ShapeError, match=wanted.replace("+", r"\+")):
            network(x)
        if np.isfinite(value):
            with pytest.raises(ShapeError, match=f"validation {wanted}".replace("+", r"\+")):
                gn.train(
                    network, x[:2], network(x[:2]), loss=HALF, optimizer=gn.optim.SGD(0.1),
                    epochs=1, validation=(x, np.zeros((3, network.output_width(2) or 1))),
                )  # fmt: skip


def test_unknown_categories_have_a_row_of_their_own() -> None:
    network = model(nn.Embedding(2, 1, unknown=True), embedding1__weight=[[1], [2], [7]])
    found = network([[0], [1], [2], [-1], [np.nan], [np.inf]])
    np.testing.assert_array_equal(found, [[1], [2], [7], [7], [7], [7]])


def test_a_wrong_category_that_the_network_computes_is_not_hidden() -> None:
    network = model(lambda x: x + 1.0, nn.Embedding(3, 1), embedding1__weight=[[1], [2], [3]])
    np.testing.assert_array_equal(network([[0], [1], [2]]), [[2], [3], [np.nan]])


def test_an_embedding_learns_its_own_rows_only() -> None:
    network = model(nn.Embedding(3, 1))
    before = network.W.copy()
    gn.train(
        network,
        [[0], [2], [2]],
        [1.0, 2.0, 4.0],
        loss=HALF,
        optimizer=gn.optim.SGD(0.5),
        epochs=400,
    )
    # the least half squared error is at the mean of each category's labels
    np.testing.assert_allclose(network.W[[0, 2]], [1.0, 3.0], rtol=1e-6)
    assert network.W[1] == before[1]


def test_periodic() -> None:
    network = model(nn.Periodic(2, 2), periodic1__frequency=[[0.25, 0.5], [1.0, 0.0]])
    found = network([[1.0, 0.125]])
    # feature 0: sin(π/2), sin(π), cos(π/2), cos(π); feature 1: sin(π/4), sin 0, cos(π/4), cos 0
    root = math.sqrt(0.5)
    np.testing.assert_allclose(found, [[1, 0, 0, -1, root, 0, root, 1]], atol=1e-15)


def test_periodic_starts_with_sigma() -> None:
    w = nn.Sequential(nn.Periodic(20, 50, sigma=3.0), dtype="float64").W
    assert np.std(w) == pytest.approx(3.0, rel=0.1)


def test_piecewise_linear() -> None:
    layer = nn.PiecewiseLinear([[0, 1, 3], [10, 20]])
    found = model(layer)([[-1.0, 15.0], [0.5, 0.0], [2.0, 30.0], [4.0, 10.0]])
    # bins 0…1 and 1…3 of feature 0, 10…20 of feature 1; the ends are open
    wanted = [[-1, 0, 0.5], [0.5, 0, -1], [1, 0.5, 2], [1, 1.5, 0]]
    np.testing.assert_array_equal(found, wanted)


def test_piecewise_linear_of_data() -> None:
    x = np.array([[0.0, 5], [1, 5], [2, 5], [3, 5], [4, 5], [10, 5], [20, 5], [30, 5], [40, 5]])
    layer = nn.PiecewiseLinear.of(x, bins=4)
    assert layer.edges == ((0, 2, 4, 20, 40), (5, 6))  # a constant column still has a bin
    assert layer.output_width(2) == 5
    for wrong in ([[1.0]], [[1.0, 1.0]], [[2.0, 1.0]]):
        with pytest.raises(ShapeError, match="ascending"):
            nn.PiecewiseLinear(wrong)
    with pytest.raises(ShapeError, match="finite"):
        nn.PiecewiseLinear.of([[np.nan]])


def test_piecewise_embedding() -> None:
    layer = nn.PiecewiseEmbedding.of([[0.0], [1.0], [3.0]], width=2, bins=2)
    layer.parameters()["slope"] = [[[10, 0]]]
    layer.parameters()["bias"] = [[[0, 1]]]
    layer.parameters()["weight"] = [[[1, 0], [0, 100]]]  # of the bins 0…1 and 1…3
    found = nn.Sequential(layer)([[-1.0], [0.5], [2.0], [4.0]])
    # below and beyond the bins only the straight line goes on
    np.testing.assert_array_equal(found, [[-10, 1], [5.5, 1], [21, 51], [41, 101]])


def test_piecewise_embeddings_of_groups_stand_side_by_side() -> None:
    layer = nn.PiecewiseEmbedding(1, 1, bins=1, others=2, groups=2).with_edges([[0, 2]])
    layer.parameters()["slope"] = [[[1]], [[0]]]
    layer.parameters()["bias"] = [[[0]], [[5]]]
    layer.parameters()["weight"] = [[[2, 4]]]  # of group 0 and group 1
    # x = 1 is half of the way: 1 + ½ · 2 and 5 + ½ · 4, each followed by the other two numbers
    np.testing.assert_array_equal(nn.Sequential(layer)([[1.0, 7, 8]]), [[2, 7, 8, 7, 7, 8]])


def test_periodic_embedding() -> None:
    layer = nn.PeriodicEmbedding(1, 2, waves=2, others=1, groups=2)
    layer.parameters()["frequency"] = [[[0.25, 0.5]], [[0, 0]]]
    layer.parameters()["phase"] = [[[0, 0.25]], [[0.5, 0]]]
    layer.parameters()["weight"] = [[[[10], [1]]], [[[7], [5]]]]
    layer.parameters()["bias"] = [[[3]], [[0]]]
    # x = 2 is half a turn of the first wave, cos(π) = −1, and 1¼ turns of the second, whose cosine
    # is 0; group 1 has constant waves, −1 and 1; each is followed by x and by the other number
    found = nn.Sequential(layer)([[2.0, 9.0]])
    np.testing.assert_allclose(found, [[-7, 2, 9, -2, 2, 9]], atol=1e-5)


def test_a_periodic_embedding_begins_with_waves_of_its_size() -> None:
    layer = nn.PeriodicEmbedding(40, 9, waves=50, sigma=2.0)
    own = nn.Sequential(layer, dtype="float64").parameters()
    frequency, phase, weight = (
        own[f"periodicembedding1.{name}"] for name in ("frequency", "phase", "weight")
    )
    assert frequency.std() == pytest.approx(2.0, rel=0.05)
    assert (phase.min(), phase.max()) == pytest.approx((0.0, 1.0), abs=0.01)
    assert weight.var() == pytest.approx(1 / 50, rel=0.05)


def test_a_piecewise_embedding_begins_straight_and_learns_bends() -> None:
    x = np.linspace(-1, 1, 64)[:, None]
    network = nn.Sequential(nn.PiecewiseEmbedding.of(x, 3, 8), nn.Linear(3, 1), dtype="float64")
    steps = np.diff(network(x)[:, 0])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    optimizer = gn.optim.Adam(0.05)
    gn.train(network, x, np.abs(x), loss=HALF, optimizer=optimizer, epochs=200)
    assert np.abs(network(x) - np.abs(x)).max() < 0.05  # no straight line comes nearer than 0.5


def test_edges_of_bins_do_not_move_and_fewer_bins_are_filled_up() -> None:
    layer = nn.PiecewiseEmbedding.of([[0.0, 1], [1, 1], [2, 1]], 2, 2)
    edges = layer.parameters()["edges"].copy()
    np.testing.assert_array_equal(edges, [[0, 1, 2], [1, 2, 2]])
    network = nn.Sequential(layer, nn.Linear(4, 1))
    gn.train(network, [[0.5, 3.0]], [1.0], loss=HALF, optimizer=gn.optim.AdamW(0.1), epochs=3)
    np.testing.assert_array_equal(layer.parameters()["edges"], edges)
    assert np.isfinite(network.W).all()


def test_layer_norm() -> None:
    # mean 2, variance 2/3; with eps = 1/3 the divisor is 1
    network = model(nn.LayerNorm(3, eps=1 / 3), layernorm1__scale=[1, 2, 3], layernorm1__shift=5)
    np.testing.assert_allclose(network([[1.0, 2.0, 3.0]]), [[4, 5, 8]], rtol=1e-14)


def test_rms_norm() -> None:
    # the mean square of 1, 7 is 25; with eps = 0 the divisor is 5
    network = model(nn.RMSNorm(2, eps=0.0), rmsnorm1__scale=[1, 10])
    np.testing.assert_allclose(network([[1.0, 7.0]]), [[0.2, 14]], rtol=1e-14)


def test_batch_norm_in_training_and_after() -> None:
    x = np.array([[1.0], [2.0], [6.0]])
    network = model(nn.BatchNorm(1, momentum=0.5, eps=0.0))
    # batch: mean 3, variance (4 + 1 + 9)/3 = 14/3, with n − 1: 7
    z = (x - 3) / math.sqrt(14 / 3)
    history = gn.train(network, x, np.zeros(3), loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=1)
    assert history.loss[0] == pytest.approx((z**2).sum() / 6, rel=1e-14)
    parts = network.parameters()
    assert parts["batchnorm1.mean"][0] == pytest.approx(0.5 * 0 + 0.5 * 3)
    assert parts["batchnorm1.variance"][0] == pytest.approx(0.5 * 1 + 0.5 * 7)
    np.testing.assert_allclose(network(x), (x - 1.5) / 2, rtol=1e-14)


def test_batch_norm_of_a_single_row() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3))
    gn.train(
        network, [[1.0, 2.0]], [[1.0, 2.0, 3.0]], loss=HALF, optimizer=gn.optim.SGD(), epochs=3
    )
    assert np.isfinite(network.W).all()


def test_no_gradient_moves_running_figures() -> None:
    network = model(nn.Linear(2, 2), nn.BatchNorm(2))
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
    _, slopes = gn.value_and_grad(HALF)(network, x, np.ones((3, 2)))
    np.testing.assert_array_equal(slopes[-4:], 0.0)
    assert (slopes[:-4] != 0.0).all()
    alone = model(nn.BatchNorm(2))
    optimizer = gn.optim.Adam(0.1, weight_decay=1.0, average=0.5)
    gn.train(alone, x, x, loss=HALF, optimizer=optimizer, epochs=1)
    seen = alone.parameters()["batchnorm1.mean"]
    np.testing.assert_allclose(seen, 0.1 * x.mean(axis=0), rtol=1e-14)


def test_members_share_weights() -> None:
    network = model(
        nn.Repeat(2), nn.BatchEnsemble(2, 1, 2),
        batchensemble1__weight=[[1], [2]], batchensemble1__r=[[1, 1], [3, -1]],
        batchensemble1__s=[[1], [10]], batchensemble1__bias=[[0], [5]],
    )  # fmt: skip
    # x = (3, 4): member 0: 3 + 8 = 11; member 1: (9 − 8) · 10 + 5 = 15
    np.testing.assert_array_equal(network([[3.0, 4.0]]), [[11, 15]])


def test_groups_of_members_share_weights_inside_only() -> None:
    network = model(
        nn.Repeat(2), nn.Repeat(2, groups=2), nn.BatchEnsemble(1, 1, 4, signs=False, groups=2),
        batchensemble1__weight=[[[2]], [[3]]], batchensemble1__s=[[1], [10], [1], [10]],
    )  # fmt: skip
    np.testing.assert_array_equal(network([[5.0]]), [[10, 100, 15, 150]])
    two = model(nn.Repeat(2, groups=2))  # two groups of one number each
    np.testing.assert_array_equal(two([[1.0, 2.0]]), [[1, 1, 2, 2]])


def test_without_signs_members_begin_alike() -> None:
    same = nn.BatchEnsemble(3, 2, 4, signs=False).parameters()["r"]
    np.testing.assert_array_equal(same, np.ones((4, 3)))
    assert {-1.0, 1.0} == set(nn.BatchEnsemble(3, 2, 4).parameters()["r"].ravel().tolist())


def test_members_with_nothing_in_common() -> None:
    network = model(
        nn.MemberLinear(2, 1, 2),
        memberlinear1__weight=[[[1], [2]], [[3], [4]]], memberlinear1__bias=[[10], [20]],
    )  # fmt: skip
    # 1 + 2 · 2 + 10 and 3 · 3 + 4 · 4 + 20
    np.testing.assert_array_equal(network([[1.0, 2.0, 3.0, 4.0]]), [[15, 45]])
    # each is drawn as if it were alone: U(−a, a), a = √(6 / (2 + 1))
    drawn = nn.Sequential(nn.MemberLinear(2, 1, 500), dtype="float64").W[:1000]
    assert np.abs(drawn).max() == pytest.approx(math.sqrt(2), rel=0.01)


def test_a_fold_is_predicted_by_those_that_have_not_seen_it() -> None:
    network = model(nn.InFolds(nn.Identity(), 4, 2))
    row = [1.0, 3.0, 10.0, 30.0]
    found = network([[*row, -1.0], [*row, 0.0], [*row, 1.0]])
    np.testing.assert_array_equal(found, [[11], [2], [20]])
    scores = [0.0, math.log(3), 0.0, 0.0]  # (¼, ¾) and (½, ½) as probabilities
    found = model(nn.InFolds(nn.Identity(), 2, 2, True))([[*scores, -1], [*scores, 0]])
    np.testing.assert_allclose(found, np.log([[3 / 8, 5 / 8], [1 / 4, 3 / 4]]), rtol=1e-14)


def in_folds() -> Any:
    """Three folds of two members, whose first input is embedded."""
    inner = nn.Sequential(
        nn.PiecewiseEmbedding(1, 3, 4, 1, groups=3), nn.Repeat(2, 3),
        nn.BatchEnsemble(4, 3, 6, groups=3), nn.ReLU(), nn.MemberLinear(3, 1, 6),
    )  # fmt: skip
    return model(nn.InFolds(inner, 6, 3))


def test_members_learn_nothing_from_the_rows_of_their_fold() -> None:
    rng = np.random.default_rng(0)
    x, fold = rng.normal(size=(60, 2)), np.arange(60) % 3
    answers: list[tuple[bytes, bytes]] = []
    for change in (0.0, 100.0):
        network = in_folds()
        y = np.where(fold == 1, x[:, 0] + change, x[:, 0])
        optimizer = gn.optim.AdamW(0.01, average=0.9)
        given = np.column_stack([x, fold])
        gn.train(network, given, y, loss=HALF, optimizer=optimizer, epochs=4, batch_size=20)
        first, second = (network(np.column_stack([x, np.full(60, own)])) for own in (1, 2))
        answers.append((first.tobytes(), second.tobytes()))
    (unseen, seen), (unseen_changed, seen_changed) = answers
    assert unseen == unseen_changed  # by the members of fold 1
    assert seen != seen_changed


def test_members_are_averaged() -> None:
    np.testing.assert_array_equal(model(nn.Average(2))([[1.0, 2.0, 5.0, 10.0]]), [[3, 6]])
    # the softmax of (0, ln 3) is (¼, ¾), that of (0, 0) is (½, ½): the mean is (3/8, 5/8)
    found = model(nn.Average(2, probabilities=True))([[0.0, math.log(3), 0.0, 0.0]])
    np.testing.assert_allclose(found, np.log([[3 / 8, 5 / 8]]), rtol=1e-14)


def test_in_training_every_member_has_its_own_loss() -> None:
    x, y = np.array([[1.0, -1.0]]), np.array([2.0])
    network = model(nn.Repeat(2), nn.BatchEnsemble(2, 1, 2), nn.Average(2))
    members = model(nn.Repeat(2), nn.BatchEnsemble(2, 1, 2))
    members.W = network.W
    own = members(x)[0]
    history = gn.train(network, x, y, loss=HALF, optimizer=gn.optim.SGD(1e-300), epochs=1)
    assert history.loss[0] == pytest.approx(((own - 2) ** 2 / 2).mean(), rel=1e-14)


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [-2.0, 1.0, 0.75]])
CHECKED: list[Any] = [
    nn.Linear(3, 2), nn.Neuron(3), nn.Residual(nn.Linear(3, 3), nn.Tanh()),
    nn.Parallel(nn.Linear(3, 2), nn.Columns(0)), nn.Columns(2, 0), nn.LayerNorm(3),
    nn.RMSNorm(3), nn.BatchNorm(3), nn.Periodic(3, 2, 0.3), nn.PiecewiseLinear.of(X + 0.1, 2),
    nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 2, 2), nn.Average(2)),
    nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 2, 2), nn.Average(2, True)),
    nn.PiecewiseEmbedding(2, 2, 3, others=1, groups=2), nn.PiecewiseEmbedding(3, 2, 3),
    nn.PeriodicEmbedding(1, 3, 2, groups=2, per_group=1), nn.PeriodicEmbedding(2, 2, 3, 1),
    nn.Sequential(nn.Repeat(2), nn.Repeat(2, 2), nn.BatchEnsemble(3, 2, 4, groups=2)),
    nn.Sequential(nn.Repeat(2), nn.MemberLinear(3, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("layer", CHECKED, ids=str)
def test_derivatives_and_compiled_code(layer: Any) -> None:
    network = model(layer)
    assert check_grads(network, X).ok
    assert compare(network, X).ok
    assert compare(nn.Sequential(layer), X.astype("float32")).ok


def test_derivatives_by_an_embedding() -> None:
    network = model(nn.Embedding((3, 4), 2))
    x = np.array([[0.0, 3.0], [2.0, 1.0], [2.0, 3.0]]) + 0.2  # whole numbers are where it jumps
    assert check_grads(network, x).ok


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: nn.Linear(0, 3), "fan_in is a whole number, 1 or more"),
        (lambda: nn.Linear(2, 3, initializer="glorot"), "glorot_uniform"),
        (lambda: nn.Residual(nn.Linear(4, 8)), "right: Residual"),
        (lambda: nn.Parallel(), "no branch"),
        (lambda: nn.Parallel(nn.Linear(2, 1), nn.Linear(3, 1)), "branches take 2 and 3"),
        (lambda: nn.Columns(), "numbers from 0"),
        (lambda: nn.Columns(-1), "numbers from 0"),
        (lambda: nn.Columns(0, 5).output_width(3), "column 5 of rows of 3"),
        (lambda: nn.Embedding(0, 3), "1 or more"),
        (lambda: nn.Dropout(1.0), "less than 1"),
        (lambda: nn.BatchEnsemble(2, 0, 3), "1 or more"),
        (lambda: nn.Average(3).output_width(4), "not the same for every member"),
        (lambda: nn.BatchEnsemble(2, 1, 3, groups=2), "3 members make no 2 groups"),
        (lambda: nn.MemberLinear(2, 1, 0), "1 or more"),
        (lambda: nn.InFolds(nn.ReLU(), 3, 2), "3 members make no 2 groups"),
        (lambda: nn.InFolds(nn.ReLU(), 2, 2).output_width(4), "not the same for 2 members"),
        (lambda: nn.Repeat(2, groups=2).output_width(3), "2 groups"),
        (lambda: nn.PiecewiseEmbedding(2, 0), "1 or more"),
        (lambda: nn.PiecewiseEmbedding(2, 1, 3, -1), "others"),
        (lambda: nn.PeriodicEmbedding(2, 1), "width=1.*at least 2"),
        (lambda: nn.PeriodicEmbedding(2, 2, sigma=-1.0), "sigma"),
        (lambda: nn.PiecewiseEmbedding(1, 1, 2).with_edges([[0, 1, 2, 3]]), "up to 3 bins"),
        (lambda: nn.PiecewiseEmbedding.of([[np.nan]], 3), "finite"),
    ],
)
def test_wrong_settings(wrong: Callable[[], Any], text: str) -> None:
    with pytest.raises((ShapeError, gn.errors.GlassnetError), match=text):
        wrong()
