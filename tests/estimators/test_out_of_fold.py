"""The score of a fit in folds: no row has a say in which predictions of it are scored."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glassnet.errors import ModelFileError
from glassnet.estimators.tabular.examine import examine
from glassnet.estimators.tabular.fit_table import FittedTable, choose_recipe, fit, fit_table
from glassnet.estimators.tabular.fold_choice import FoldChoice
from glassnet.estimators.tabular.table_model import TEMPERATURES, softmax
from glassnet.estimators.tabular.table_network import build
from glassnet.tables.frames import mapping_columns
from glassnet.tables.from_memory import table_of

ROWS = 90


def watched(losses: list[list[float]], shares: list[float]) -> FoldChoice:
    """A choice that has seen so many epochs, W being the epoch's number in each."""
    choice = FoldChoice(shares)
    for epoch, own in enumerate(losses, 1):
        model = SimpleNamespace(W=np.full(2, epoch, "float32"))
        choice.epoch_end(SimpleNamespace(fold_losses=own, model=model))  # pyright: ignore
    return choice


def test_each_fold_is_chosen_for_by_the_others() -> None:
    #           fold 0, 1, 2; rows  1, 1, 2
    losses = [[1.0, 5.0, 4.0], [9.0, 1.0, 4.0], [0.0, 9.0, 3.0]]
    choice = watched(losses, [1.0, 1.0, 2.0])
    # others of 0: 13/3, 9/3, 15/3; of 1: 9/3, 17/3, 6/3; of 2: 6/2, 10/2, 9/2
    assert choice.epochs == [2, 3, 1]
    assert choice.losses == [3.0, 2.0, 3.0]
    assert {epoch: own[0] for epoch, own in choice.weights.items()} == {1: 1, 2: 2, 3: 3}
    assert choice.complete(3)
    assert not choice.complete(4)


def test_the_first_of_equals_counts_and_what_is_not_finite_does_not() -> None:
    choice = watched([[1.0, math.nan], [2.0, 1.0], [2.0, 1.0]], [1.0, 1.0])
    assert choice.epochs == [2, 1]
    assert sorted(choice.weights) == [1, 2]
    assert not FoldChoice([1.0, 1.0]).complete(0)


def test_it_is_kept_and_given_back() -> None:
    losses = [[3.0, 1.0], [1.0, 2.0], [0.5, 4.0]]
    whole = watched(losses, [1.0, 1.0])
    first = watched(losses[:2], [1.0, 1.0])
    notes, arrays = first.state("own")
    again, run = FoldChoice([1.0, 1.0]), SimpleNamespace(model=SimpleNamespace(W=np.ones(2, "f4")))
    again.restore("own", notes, arrays, run)  # pyright: ignore[reportArgumentType]
    model = SimpleNamespace(W=np.full(2, 3, "float32"))
    again.epoch_end(SimpleNamespace(fold_losses=losses[2], model=model))  # pyright: ignore
    assert again.state("own")[0] == whole.state("own")[0]
    assert again.epochs == whole.epochs
    for epoch, own in whole.weights.items():
        np.testing.assert_array_equal(again.weights[epoch], own)
    FoldChoice([1.0]).restore("own", {}, {}, run)  # pyright: ignore  # of an earlier version


@pytest.mark.parametrize(
    ("notes", "W"),
    [
        ({"seen": 2, "losses": [1.0], "epochs": [1]}, 2),
        ({"seen": 2, "losses": [1.0, 1.0], "epochs": [1, 2]}, 2),
        ({"seen": 2, "losses": [1.0, 1.0], "epochs": [1, 1]}, 3),
        ({"seen": -1, "losses": [1.0, 1.0], "epochs": [1, 1]}, 2),
        ([1, 2], 2),
    ],
    ids=["other folds", "no weights", "another network", "no number", "another callback"],
)
def test_a_damaged_run_file(notes: Any, W: int) -> None:
    run: Any = SimpleNamespace(model=SimpleNamespace(W=np.ones(W, "float32")))
    arrays = {"own.epoch1": np.ones(2, "float32")}
    with pytest.raises(ModelFileError, match="damaged"):
        FoldChoice([1.0, 1.0]).restore("own", {"own": notes}, arrays, run)


def columns(rows: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    return {f"x{place}": own for place, own in enumerate(x.T)}


class Weights:
    """A callback that keeps W after every epoch."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def epoch_end(self, run: Any) -> None:
        self.seen.append(run.model.W.copy())


def fitted(classes: bool, threads: int = 1) -> tuple[FittedTable, list[np.ndarray], Any]:
    given, rng = columns(ROWS, 3), np.random.default_rng(4)
    signal = given["x0"] + 0.7 * rng.normal(size=ROWS)
    y = np.where(signal > 0.3, "up", "down").astype(object) if classes else signal
    examined = examine(table_of(mapping_columns({**given, "y": y}), "t"), "y")
    kept = Weights()
    recipe = choose_recipe(examined, epochs=12)
    return fit(examined, recipe, threads=threads, callbacks=[kept]), kept.seen, examined


def outputs_of(found: FittedTable, weights: np.ndarray, examined: Any) -> np.ndarray:
    """Of every row, by the members of its fold, as the whole pack computes it."""
    network = build(found.model.architecture)
    network.W[...] = weights
    cells = {own.name: own.cells for own in examined.columns}
    x = found.model.schema.encode(cells, examined.rows).x
    folds = examined.groups.training
    return network(np.column_stack([x, folds]).astype("float32")).astype(float)


def row_losses(outputs: np.ndarray, y: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    if outputs.shape[1] == 1:
        return (outputs[:, 0] - y) ** 2 / 2
    return -np.log(softmax(outputs, temperature)[np.arange(len(y)), y])


@pytest.mark.parametrize("classes", [True, False])
def test_the_predictions_are_those_that_the_others_chose(classes: bool) -> None:
    """All of it again, by the whole pack after every epoch and by NumPy."""
    found, weights, examined = fitted(classes)
    own, target = found.out_of_fold, found.model.schema.target
    assert own is not None
    folds = examined.groups.training
    np.testing.assert_array_equal(own.rows, np.arange(ROWS))
    np.testing.assert_array_equal(own.folds, folds)
    y = examined.truth if classes else (examined.truth - target.mean) / target.scale
    outputs = [outputs_of(found, W, examined) for W in weights]
    losses = np.array([row_losses(out, y) for out in outputs])
    given = np.empty_like(own.answers.given)
    for fold in range(5):
        mask = folds == fold
        epoch = int(losses[:, ~mask].mean(1).argmin())
        assert own.epochs[fold] == epoch + 1
        temperature = 1.0
        if classes:
            by = [row_losses(outputs[epoch], y, own)[~mask].sum() for own in TEMPERATURES]
            temperature = math.sqrt(TEMPERATURES[int(np.argmin(by))])
            given[mask] = softmax(outputs[epoch][mask], temperature)
        else:
            given[mask] = outputs[epoch][mask, 0] * target.scale + target.mean
        assert own.calibrations[fold] == temperature
    np.testing.assert_allclose(own.answers.given, given, rtol=1e-4, atol=1e-5)
    if classes:
        wanted = (given.argmax(1) == examined.truth).mean()
    else:
        wanted = ((given - examined.truth) ** 2).mean() ** 0.5
    assert found.score.value - found.score.averaging == pytest.approx(wanted)
    assert found.score.averaging == pytest.approx(own.gains[found.score.metric].value)
    assert found.course.best_epoch == losses.mean(1).argmin() + 1


def test_any_number_of_threads_gives_the_same() -> None:
    one, other = fitted(True)[0].out_of_fold, fitted(True, threads=2)[0].out_of_fold
    assert one is not None
    assert other is not None
    assert one.answers.given.tobytes() == other.answers.given.tobytes()
    assert (one.epochs, one.calibrations) == (other.epochs, other.calibrations)


def test_random_labels_are_guessed_by_chance() -> None:
    """Over many small tables, whose classes are equally frequent, the reported accuracy is ½. The
    standard error of a table of 60 rows is 0.065, that of the mean of 16 tables 0.016."""
    found: list[float] = []
    for seed in range(16):
        y = np.random.default_rng(100 + seed).permutation(np.repeat(["a", "b"], 30))
        table = table_of(mapping_columns({**columns(60, seed), "y": y.astype(object)}), "t")
        found.append(fit_table(table, "y", seed=seed, epochs=12, threads=1).score.value)
    assert np.mean(found) == pytest.approx(0.5, abs=0.04)


def test_the_mean_of_a_logarithm_is_that_of_other_folds() -> None:
    """The factor that makes means of predicted medians, too, is worked out without the fold."""
    given = columns(ROWS, 3)
    noise = np.random.default_rng(4).normal(size=ROWS)
    table = table_of(mapping_columns({**given, "y": np.exp(3 * given["x0"] + noise)}), "t")
    examined, kept = examine(table, "y", kinds={"y": "number:log"}), Weights()
    found = fit(examined, choose_recipe(examined, epochs=20), threads=1, callbacks=[kept])
    own, target = found.out_of_fold, found.model.schema.target
    assert own is not None
    assert target.log
    goals, folds = target.standardise(examined.truth), examined.groups.training  # pyright: ignore
    for fold, (epoch, factor) in enumerate(zip(own.epochs, own.calibrations, strict=True)):
        outputs = outputs_of(found, kept.seen[epoch - 1], examined)[:, 0]
        errors = ((goals - outputs) * target.scale)[folds != fold]
        assert factor == pytest.approx(np.exp(errors).mean(), rel=1e-4)
        mask = folds == fold
        wanted = np.exp(outputs[mask] * target.scale + target.centre) * factor - target.shift
        np.testing.assert_allclose(own.answers.given[mask], wanted, rtol=1e-4)
    assert len(set(own.calibrations)) == 5
    np.testing.assert_allclose(own.answers.truth, examined.truth, rtol=1e-5)
