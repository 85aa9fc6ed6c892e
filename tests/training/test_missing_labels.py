"""Labels that are missing, and weights of every label: values by NumPy, bits by other ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_softmax

import glassnet as gn
from glassnet import ops
from glassnet.errors import ShapeError, TrainingError

X = np.random.default_rng(0).normal(size=(37, 3)).astype("float32")
Y = np.random.default_rng(1).uniform(size=(37, 2)).astype("float32")
GAPS = np.random.default_rng(2).uniform(size=Y.shape) < 0.3
GAPS[5] = True  # a row without any label
WITH_GAPS = np.where(GAPS, np.float32(np.nan), Y)
NAN = float("nan")


def network(outputs: int = 2, dtype: str = "float32") -> Any:
    layers = gn.nn.Linear(3, 4), gn.nn.Tanh(), gn.nn.Linear(4, outputs)
    return gn.nn.Sequential(*layers, seed=3, dtype=dtype)


def cells(loss: Any, p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What each label costs, by the formulas of docs/losses.md."""
    d = p - y if p.shape == y.shape else y
    formulas: dict[str, Any] = {
        "HalfMSE": lambda: d**2 / 2,
        "MSE": lambda: d**2,
        "MAE": lambda: abs(d),
        "Huber": lambda: np.where(abs(d) <= 0.2, d**2 / 2, 0.2 * (abs(d) - 0.1)),
        "Quantile": lambda: np.where(d < 0, -0.9 * d, 0.1 * d),
        "PoissonNLL": lambda: np.exp(p) - y * p,
        "BCEWithLogits": lambda: -y * np.log(expit(p)) - (1 - y) * np.log(1 - expit(p)),
        "GaussianNLL": lambda: (p[:, 2:] + (y - p[:, :2]) ** 2 / np.exp(p[:, 2:])) / 2,
    }
    return formulas[type(loss).__name__]()


LOSSES = [
    gn.losses.HalfMSE(missing="skip"),
    gn.losses.MSE(missing="skip"),
    gn.losses.MAE(missing="skip"),
    gn.losses.Huber(0.2, missing="skip"),
    gn.losses.Quantile(0.9, missing="skip"),
    gn.losses.PoissonNLL(missing="skip"),
    gn.losses.BCEWithLogits(missing="skip"),
    gn.losses.GaussianNLL(missing="skip"),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_mean_is_over_the_labels_that_are_there(loss: Any) -> None:
    outputs = 4 if type(loss).__name__ == "GaussianNLL" else 2
    model = network(outputs, "float64")
    known = ~GAPS
    prediction = model(X)
    wanted = 2 * cells(loss, prediction, Y.astype(float))[known].mean()
    value, gradient = gn.value_and_grad(loss)(model, X, WITH_GAPS)
    assert value == pytest.approx(wanted, rel=1e-12)
    assert loss(prediction, WITH_GAPS.astype(float)) == pytest.approx(wanted, rel=1e-12)
    assert np.isfinite(gradient).all()
    assert gradient.any()
    slope = gn.grad(lambda p: loss(p, WITH_GAPS.astype(float)))(prediction)
    assert not slope[:, :2][GAPS].any()
    assert slope[:, :2][known].all()


def test_by_hand() -> None:
    p, y = np.array([[3.0, 9.0], [1.0, 4.0]]), np.array([[1.0, NAN], [NAN, 1.0]])
    loss = gn.losses.MSE(missing="skip")
    assert loss(p, y) == 2 * (2**2 + 3**2) / 2
    slope = gn.grad(lambda p: loss(p, y))(p)
    assert slope.tolist() == [[2 * 2.0, 0.0], [0.0, 2 * 3.0]]
    # with weights of rows 1 and 3: 2 · (1·4 + 3·9) / (1 + 3)
    assert loss(p, y, np.array([1.0, 3.0])) == 2 * (4 + 27) / 4
    assert repr(loss) == "MSE(missing='skip')"
    assert repr(gn.losses.MSE()) == "MSE()"


def test_nothing_of_what_is_missing_is_seen_not_even_infinity() -> None:
    p = np.array([[np.inf, 1.0], [2.0, np.nan]])
    y = np.array([[NAN, 0.0], [0.0, NAN]])
    for loss in (gn.losses.HalfMSE, gn.losses.PoissonNLL, gn.losses.BCEWithLogits):
        slope = gn.grad(lambda p, f=loss: f(missing="skip")(p, y))(p)
        assert slope[0, 0] == slope[1, 1] == 0.0
        assert np.isfinite(slope).all()
        assert slope[0, 1]
        assert slope[1, 0]


def test_no_label_at_all() -> None:
    model, loss = network(), gn.losses.MSE(missing="skip")
    step = gn.Step(model, loss=loss, optimizer=gn.optim.SGD(0.1))
    before = model.W.copy()
    assert step(X[:2], np.full((2, 2), NAN)) == 0.0
    assert (before == model.W).all()
    with pytest.raises(TrainingError, match="y has no label that counts"):
        train(model, np.full_like(Y, NAN), loss)
    with pytest.raises(TrainingError, match="validation y has no label"):
        train(model, WITH_GAPS, loss, validation=(X, np.full_like(Y, NAN)))


def train(model: Any, y: Any, loss: Any, **more: Any) -> Any:
    optimizer = gn.optim.SGD(0.1, momentum=0.5)
    given = {"epochs": 3, "batch_size": 8, **more}
    return gn.train(model, X, y, loss=loss, optimizer=optimizer, **given)


def test_training_has_the_bits_of_weights_for_every_label() -> None:
    skipping, weighing = network(), network()
    first = train(skipping, WITH_GAPS, gn.losses.MSE(missing="skip"), validation=(X, WITH_GAPS))
    known = (~GAPS).astype("float32")
    second = train(weighing, Y, gn.losses.MSE(), sample_weight=known, validation=(X, Y, known))
    assert skipping.W.tobytes() == weighing.W.tobytes()
    assert first.loss == second.loss
    assert first.validation_loss == second.validation_loss
    wanted = 2 * ((skipping(X) - Y)[~GAPS].astype(float) ** 2).mean()
    assert first.validation_loss[-1] == pytest.approx(wanted, rel=1e-6)


def test_without_gaps_the_loss_is_what_it_is_otherwise() -> None:
    plain, skipping = network(), network()
    a, b = train(plain, Y, gn.losses.MSE()), train(skipping, Y, gn.losses.MSE(missing="skip"))
    assert a.loss == pytest.approx(b.loss, rel=1e-6)
    np.testing.assert_allclose(plain.W, skipping.W, rtol=1e-4, atol=1e-6)


def test_an_epoch_weighs_its_batches_by_their_labels() -> None:
    model, loss = network(), gn.losses.MSE(missing="skip")
    optimizer = gn.optim.SGD(1e-30)
    found = gn.train(model, X, WITH_GAPS, loss=loss, optimizer=optimizer, epochs=1, batch_size=5)
    wanted = 2 * ((model(X) - Y)[~GAPS].astype(float) ** 2).mean()
    assert found.loss[0] == pytest.approx(wanted, rel=1e-6)


def test_recorded_resumed_opened_and_step_by_step(tmp_path: Path) -> None:
    loss, run = gn.losses.MSE(missing="skip"), tmp_path / "run.glass"
    whole, part, own = network(), network(), network()
    train(whole, WITH_GAPS, loss, epochs=4, shuffle=False)
    train(part, WITH_GAPS, loss, epochs=2, shuffle=False, record=run)
    gn.resume(run, X, WITH_GAPS, epochs=4, model=part)
    assert part.W.tobytes() == whole.W.tobytes()
    step = gn.Step(own, loss=loss, optimizer=gn.optim.SGD(0.1, momentum=0.5))
    for _ in range(4):
        for i in range(0, len(X), 8):
            step(X[i : i + 8], WITH_GAPS[i : i + 8])
    assert own.W.tobytes() == whole.W.tobytes()
    opened = gn.open_step(run, X, WITH_GAPS, epoch=1, batch=1)
    assert np.isnan(opened.y[GAPS[:8]]).all()
    last = opened.layers[-1]
    assert not last.slope[GAPS[:8]].any()
    # what the rows add is the gradient of the whole
    rows = [opened.pulls.of_row(i)["linear2.bias"] for i in range(8)]
    np.testing.assert_allclose(sum(rows), opened.parameters["linear2.bias"].slope, rtol=1e-5)
    assert not rows[5].any()


def test_class_labels() -> None:
    model = network(3, "float64")
    y = np.array([0, NAN, 2, 1, NAN])
    known = ~np.isnan(y)
    scores = model(X[:5])
    each = -log_softmax(scores, 1)[np.arange(5), np.nan_to_num(y).astype(int)]
    loss = gn.losses.CrossEntropy(missing="skip")
    value, _ = gn.value_and_grad(loss)(model, X[:5], y)
    assert value == pytest.approx(each[known].mean(), rel=1e-12)
    assert loss(scores, y) == pytest.approx(value, rel=1e-12)
    slope = gn.grad(lambda p: loss(p, y))(scores)
    assert not slope[~known].any()
    assert slope[known].all()
    weighted = gn.losses.CrossEntropy((1.0, 2.0, 5.0), missing="skip")
    w = np.array([1.0, 0.0, 5.0, 2.0, 0.0])
    value, _ = gn.value_and_grad(weighted)(model, X[:5], y)
    assert value == pytest.approx((w * each)[known].sum() / w.sum(), rel=1e-12)
    with pytest.raises(ShapeError, match=r"a missing label is NaN"):
        gn.value_and_grad(loss)(model, X[:5], np.array([0, -1, 2, 1, 1]))
    with pytest.raises(ShapeError, match=r'row 1 .* is NaN\n.*missing="skip"'):
        gn.value_and_grad(gn.losses.Hinge())(model, X[:5], y)


def test_several_quantiles_miss_their_one_label() -> None:
    loss = gn.losses.Quantile((0.1, 0.9), missing="skip")
    p, y = np.array([[1.0, 3.0], [0.0, 5.0]]), np.array([[2.0], [NAN]])
    assert loss(p, y) == pytest.approx(0.1 * 1 + 0.1 * 1)
    assert gn.grad(lambda p: loss(p, y))(p).tolist() == [[-0.1, pytest.approx(0.1)], [0.0, 0.0]]


def test_masked_arrays_and_none_are_missing_too() -> None:
    loss, wanted = gn.losses.MSE(missing="skip"), network()
    train(wanted, WITH_GAPS, loss)
    for given in (
        np.ma.array(Y, mask=GAPS),
        [[None if gap else v for v, gap in zip(*row, strict=True)]
         for row in zip(Y.tolist(), GAPS.tolist(), strict=True)],
    ):  # fmt: skip
        own = network()
        train(own, given, loss)
        assert own.W.tobytes() == wanted.W.tobytes()


def distance(p: Any, y: Any) -> Any:
    return ops.sum(ops.abs(p - y), 1)


def test_a_function_leaves_out_rows_that_lack_a_label() -> None:
    model = network(dtype="float64")
    loss = gn.losses.FunctionLoss(distance, missing="skip")
    whole = ~GAPS.any(1)
    value, _ = gn.value_and_grad(loss)(model, X, WITH_GAPS)
    assert value == pytest.approx(abs(model(X) - Y)[whole].sum(1).mean(), rel=1e-12)


def test_without_it_a_missing_label_is_an_error_that_names_the_way() -> None:
    with pytest.raises(TrainingError, match=r'row .*\n  right: MSE\(…, missing="skip"\)'):
        train(network(), WITH_GAPS, gn.losses.MSE())
    infinite = np.where(GAPS, np.inf, Y)
    with pytest.raises(TrainingError, match="y has inf"):
        train(network(), infinite, gn.losses.MSE(missing="skip"))
    with pytest.raises(ShapeError, match=r'missing="skip"\) leaves out'):
        gn.losses.Huber(missing="drop")  # pyright: ignore[reportArgumentType]


def test_weights_of_every_label_by_hand() -> None:
    p, y = np.array([[3.0, 9.0], [1.0, 4.0]]), np.array([[1.0, 8.0], [1.0, 1.0]])
    w = np.array([[1.0, 2.0], [3.0, 0.0]])
    # 2 · (1·4 + 2·1 + 3·0 + 0·9) / 6
    assert gn.losses.MSE()(p, y, w) == 2 * 6 / 6
    same = np.array([[2.0, 2.0], [2.0, 2.0]])
    assert gn.losses.MSE()(p, y, same) == gn.losses.MSE()(p, y)


def test_weights_of_every_label_equal_weights_of_rows_where_they_are_alike() -> None:
    rows = np.random.default_rng(5).uniform(size=37).astype("float32")
    one, two = network(), network()
    a = train(one, Y, gn.losses.MSE(), sample_weight=rows)
    b = train(two, Y, gn.losses.MSE(), sample_weight=np.repeat(rows[:, None], 2, 1))
    assert a.loss == pytest.approx(b.loss, rel=1e-6)
    np.testing.assert_allclose(one.W, two.W, rtol=1e-4, atol=1e-6)


def test_weights_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"\(37,\), or one for every label, \(37, 2\)"):
        train(network(), Y, gn.losses.MSE(), sample_weight=np.ones((37, 3)))
    with pytest.raises(ShapeError, match="right: a loss with def cells"):
        train(network(), Y, distance, sample_weight=np.ones((37, 2)))


def test_a_recorded_run_with_weights_of_every_label(tmp_path: Path) -> None:
    weight = np.random.default_rng(5).uniform(size=(37, 2))
    whole, part, run = network(), network(), tmp_path / "run.glass"
    train(whole, Y, gn.losses.HalfMSE(), sample_weight=weight, epochs=4)
    train(part, Y, gn.losses.HalfMSE(), sample_weight=weight, epochs=2, record=run)
    gn.resume(run, epochs=4, model=part)
    assert part.W.tobytes() == whole.W.tobytes()
    opened = gn.open_step(run, epoch=2, batch=3)
    rows = sum(opened.pulls.of_row(i)["linear1.weight"] for i in range(8))
    np.testing.assert_allclose(rows, opened.parameters["linear1.weight"].slope, rtol=1e-4)


def test_rows_from_files(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {name: X[:, i] for i, name in enumerate("abc")}
    gaps = {f"y{i}": pa.array(WITH_GAPS[:, i], mask=GAPS[:, i]) for i in range(2)}
    pq.write_table(pa.table(columns | gaps), tmp_path / "rows.parquet")
    rows = gn.stream(tmp_path / "rows.parquet", ["y0", "y1"])
    loss, one, two = gn.losses.MSE(missing="skip"), network(), network()
    train(one, WITH_GAPS, loss)
    optimizer = gn.optim.SGD(0.1, momentum=0.5)
    gn.train(two, rows, loss=loss, optimizer=optimizer, epochs=3, batch_size=8)
    assert one.W.tobytes() == two.W.tobytes()
