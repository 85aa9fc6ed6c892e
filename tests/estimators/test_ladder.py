"""A fit that is given time: which networks it trains, how their answers become one, and that the
same is trained again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from glassnet import model_file
from glassnet.errors import GlassnetError, ModelFileError
from glassnet.estimators.tabular import ladder
from glassnet.estimators.tabular.blend import blended, greedy_weights, mixed
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.examine import examine
from glassnet.estimators.tabular.finish import RungPlan, TrainedRung, plans_of
from glassnet.estimators.tabular.fit_table import FittedTable, choose_recipe, fit, fit_table
from glassnet.estimators.tabular.halving import Trial
from glassnet.estimators.tabular.ladder import (
    MOST_RUNGS,
    Deadline,
    climb,
    drawn,
    tried,
    within,
)
from glassnet.estimators.tabular.recipe import default_recipe, periodic
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.tables import split
from glassnet.tables.divide import SplitOptions
from glassnet.tables.read_table import read_table
from glassnet.training.history import History
from tests.cli.command import here
from tests.estimators.test_fit import write

FIRST = RungPlan(default_recipe(1000, 10, 4, 2, 5), 3)


# -- weights ---------------------------------------------------------------------------------------


def of_numbers(
    truth: list[float], given: list[float], folds: list[int] | None = None
) -> Evaluation:
    known = None if folds is None else np.array(folds)
    return Evaluation(np.array(truth), np.array(given), np.zeros(len(truth)), folds=known)


def test_the_mean_of_two_that_err_on_opposite_sides() -> None:
    # errors 1, −1 and 3: half of the first two is without error, and the third joins never
    answers = [of_numbers([5, 5], [5 + d, 5 + d]) for d in (1.0, -1.0, 3.0)]
    assert greedy_weights(answers) == [0.5, 0.5, 0.0]


def test_weights_of_three_quarters() -> None:
    # 3/4 · 1 − 1/4 · 3 = 0
    answers = [of_numbers([0.0], [1.0]), of_numbers([0.0], [-3.0])]
    assert greedy_weights(answers) == [0.75, 0.25]


def test_classes_are_weighed_by_their_log_loss() -> None:
    # −ln of the mean of 0.9 and 0.1 is more than −ln 0.9; a model that is always surer is alone
    truth, sure, unsure = np.array([0, 1]), [[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.9], [0.9, 0.1]]
    answers = [Evaluation(truth, np.array(p, "f4"), truth) for p in (unsure, sure)]
    assert greedy_weights(answers) == [0.0, 1.0]
    mean = mixed([one.given for one in answers], [0.25, 0.75])
    np.testing.assert_allclose(mean, [[0.7, 0.3], [0.3, 0.7]], rtol=1e-6)
    assert mean.dtype == np.float32


def test_one_model_keeps_its_bits() -> None:
    one = of_numbers([1.0, 2.0], [0.1, 0.2])
    assert blended([one])[0].given is one.given
    assert blended([one])[1] == [1.0]


def test_a_row_is_answered_with_weights_of_the_other_folds() -> None:
    truth, folds = [0.0, 0.0, 0.0, 0.0], [0, 0, 1, 1]
    first = of_numbers(truth, [1.0, 1.0, 9.0, 9.0], folds)  # good in fold 0
    second = of_numbers(truth, [9.0, 9.0, 1.0, 1.0], folds)  # good in fold 1
    found, weights = blended([first, second])
    # fold 0 is answered by the second, the better one in fold 1; and the other way round
    assert found.given.tolist() == [9.0, 9.0, 9.0, 9.0]
    assert weights == [0.5, 0.5]


# -- plans and time --------------------------------------------------------------------------------


def test_plans_follow_from_the_first_and_a_number() -> None:
    plans = [drawn(FIRST, number) for number in range(80)]
    assert plans[0] == FIRST
    assert plans == [drawn(FIRST, number) for number in range(80)]
    assert len({plan.seed for plan in plans}) == 80
    assert all(plan.recipe == FIRST.recipe for plan in plans[::4])
    assert all(plan.recipe == periodic(FIRST.recipe) for plan in plans[1::4])
    assert {plan.recipe.activation for plan in plans[1::2]} == {"silu"}
    others = [plan.recipe for plan in [*plans[2::4], *plans[3::4]]]
    assert len({str(recipe) for recipe in others}) == len(others)
    assert {recipe.width for recipe in others[:20]} == {1, FIRST.recipe.width}
    assert {recipe.frequency for recipe in others[:20]} == {0.0}
    assert {round(recipe.frequency, 9) for recipe in others[20:]} == {0.09, 0.3, 0.9}
    for recipe in others:
        assert 0.5 <= recipe.learning_rates[0] / FIRST.recipe.learning_rates[0] <= 2**0.5
        assert (recipe.folds, recipe.members) == (FIRST.recipe.folds, FIRST.recipe.members)


def test_settings_in_a_bracket_differ_in_epochs_and_at_the_end_in_the_seed() -> None:
    levels = [[tried(FIRST, Trial(1, level, one)) for one in range(8)] for level in range(4)]
    for number, plans in enumerate(zip(*levels, strict=True)):
        quarter, half, whole, again = plans
        epochs = FIRST.recipe.epochs
        assert [plan.recipe.epochs for plan in plans] == [epochs // 4, epochs // 2, epochs, epochs]
        assert all(plan.recipe.planned == plan.recipe.epochs for plan in plans)
        assert quarter.recipe.hidden == half.recipe.hidden == whole.recipe.hidden
        assert again.recipe == whole.recipe
        assert quarter.seed == half.seed == whole.seed != again.seed
        assert whole.recipe.activation == ("silu" if number % 2 else "relu")
    other = [tried(FIRST, Trial(2, 2, one)) for one in range(8)]
    assert not {plan.seed for plan in other} & {plan.seed for plans in levels for plan in plans}


@pytest.mark.parametrize(("pace", "epochs"), [(0.01, None), (1.0, 9), (2.0, 4), (50.0, 1)])
def test_epochs_that_there_is_time_for(pace: float, epochs: int | None) -> None:
    plan = within(FIRST, pace, 10.0)  # 9.7 seconds are planned with
    if epochs is None:
        assert plan is FIRST
    else:
        assert (plan.recipe.epochs, plan.recipe.planned) == (epochs, epochs)
        assert plan.recipe.learning_rates == FIRST.recipe.learning_rates


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(ladder.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def climbed(
    clock: Clock,
    seconds: float,
    stopped: Callable[[int], str] = lambda number: "early",
    perfect: Callable[[int], bool] = lambda rungs: False,
    cost: float = 0.1,
    brackets: bool = False,
    around: float = 0.0,
) -> tuple[Any, list[RungPlan]]:
    """A climb in which an epoch takes `cost` seconds, what is around a training `around`, and a
    score one; the answers are the better, the larger the number of a candidate."""
    seen: list[RungPlan] = []

    def train(plan: RungPlan, left: float) -> TrainedRung:
        seen.append(plan)
        seconds = cost * plan.recipe.epochs
        clock.now += seconds + around
        course: Any = SimpleNamespace(
            stopped=stopped(len(seen)), cut=False, loss=[1.0] * plan.recipe.epochs, seconds=seconds
        )
        error = 9.0 - (plan.trial.candidate if plan.trial else 0)
        judged = of_numbers([0.0, 0.0], [error, error], [0, 1])
        return TrainedRung(plan, None, course, judged)  # pyright: ignore[reportArgumentType]

    def scored(rungs: list[TrainedRung]) -> bool:
        clock.now += 1.0
        return perfect(len(rungs))

    ways = (lambda plan: cost), train, scored, (lambda text: None)
    return climb(FIRST, Deadline(seconds), *ways, brackets), seen


def test_rungs_end_before_the_deadline(clock: Clock) -> None:
    each = 0.1 * FIRST.recipe.epochs + 1.0
    found, seen = climbed(clock, 10 * each)
    assert found.stopped == "time"
    assert 9 <= len(found.rungs) == len(seen) <= 10
    assert clock.now <= 100.0 + 10 * each
    assert seen[-1].recipe.epochs < FIRST.recipe.epochs  # what was left


def test_brackets_begin_where_there_is_time_for_them(clock: Clock) -> None:
    found, seen = climbed(clock, 1e6, brackets=True)
    assert (found.stopped, len(seen)) == ("rungs", MOST_RUNGS)
    trials = [plan.trial and (plan.trial.level, plan.trial.candidate) for plan in seen[:19]]
    halves = [(1, 4), (1, 5), (1, 6), (1, 7), (2, 6), (2, 7), (3, 7)]
    assert trials == [None, None, *[(0, one) for one in range(8)], *halves, None, None]
    assert seen[17].recipe != FIRST.recipe  # the plans outside go on where they were
    assert seen[17] == drawn(FIRST, 2)
    assert seen[19].trial == Trial(2, 0, 0)
    each = 0.1 * FIRST.recipe.epochs + 1.0
    clock.now = 100.0
    found, seen = climbed(clock, 10 * each, brackets=True)
    assert {plan.trial for plan in seen} == {None}


def test_what_is_around_a_training_is_kept_back(clock: Clock) -> None:
    each = 0.1 * FIRST.recipe.epochs + 1.0 + 2.0
    found, seen = climbed(clock, 10.5 * each, around=2.0)
    assert found.stopped == "time"
    assert 9 <= len(seen) <= 11
    assert clock.now <= 100.0 + 10.5 * each


def test_a_short_time_has_one_rung_of_fewer_epochs(clock: Clock) -> None:
    found, seen = climbed(clock, 1.0)
    assert (found.stopped, len(found.rungs)) == ("time", 1)
    assert seen[0].recipe.epochs == seen[0].recipe.planned == 9


def test_a_perfect_score_stops(clock: Clock) -> None:
    found, _ = climbed(clock, 1e6, perfect=lambda rungs: rungs == 3)
    assert (found.stopped, len(found.rungs)) == ("perfect", 3)


def test_there_are_not_more_rungs_than_a_model_may_have(clock: Clock) -> None:
    found, _ = climbed(clock, 1e6)
    assert (found.stopped, len(found.rungs)) == ("rungs", MOST_RUNGS)


def test_ctrl_c_keeps_the_rungs_that_are_finished(clock: Clock) -> None:
    found, seen = climbed(clock, 1e6, lambda number: "interrupted" if number == 4 else "early")
    assert (found.stopped, len(found.rungs), len(seen)) == ("interrupted", 3, 4)

    def pressed(rungs: int) -> bool:
        if rungs == 2:
            raise KeyboardInterrupt
        return False

    found, _ = climbed(clock, 1e6, perfect=pressed)
    assert (found.stopped, len(found.rungs)) == ("interrupted", 2)


def test_ctrl_c_while_the_pace_is_measured_ends_the_fit(tmp_path: Path) -> None:
    path, stopped = write(tmp_path / "t.csv", rows=60), History(stopped="interrupted")
    with (
        mock.patch("glassnet.estimators.tabular.rung.train", return_value=stopped),
        pytest.raises(KeyboardInterrupt),
    ):
        fit_table(read_table(path), "c", epochs=3, seconds=20.0)


def test_time_for_scoring_and_later_answers_is_kept_back(clock: Clock) -> None:
    deadline = Deadline(100.0, later=1000)
    deadline.answers(0.01, 500)  # 5 seconds, twice; and 10 seconds a network
    assert deadline.left() == pytest.approx(80.0)
    deadline.networks = 3
    assert deadline.left() == pytest.approx(60.0)
    clock.now += 7
    assert deadline.left() == pytest.approx(53.0)
    assert deadline.share(2).left() == pytest.approx(0.9 * 53.0 / 2)


# -- models ----------------------------------------------------------------------------------------


def plans(path: Path, target: str, count: int = 3, **options: Any) -> tuple[Any, Any]:
    examined = examine(read_table(path), target, **options)
    first = RungPlan(choose_recipe(examined, epochs=8), examined.seed)
    return examined, tuple(drawn(first, number) for number in range(count))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FittedTable]:
    path = tmp_path_factory.mktemp("ladder") / "t.csv"
    random = np.random.default_rng(2)
    a, b, noise = random.normal(size=(3, 300))
    c = np.where(a * b + 0.5 * noise > 0, "up", "down")
    rows = [f"{x:.4f},{y:.4f},{z}" for x, y, z in zip(a, b, c, strict=True)]
    path.write_text("\n".join(["a,b,c", *rows, ""]))
    examined, wanted = plans(path, "c")
    one, other = wanted[0].recipe, periodic(wanted[0].recipe)  # about as good as each other
    bracket = [(one, 1, Trial(1, 0, 0)), (other, 2, Trial(1, 0, 1)), (other, 3, Trial(1, 1, 1))]
    wanted = (RungPlan(one, 0), RungPlan(other, 0), *(RungPlan(*plan) for plan in bracket))
    return path, fit(examined, wanted[0].recipe, plans=wanted)


def test_the_answers_are_the_weighted_mean(classes: tuple[Path, FittedTable]) -> None:
    path, found = classes
    model = found.model
    known = model.training["rungs"]
    assert len(known) == 5
    assert [rung.get("trial") for rung in known[1:3]] == [
        None, {"bracket": 1, "level": 0, "candidate": 0},
    ]  # fmt: skip
    weights = sorted((rung["weight"] for rung in known if rung["weight"]), reverse=True)
    assert math.fsum(weights) == pytest.approx(1.0)
    assert model.weight == weights[0]
    assert sorted((other.weight for other in model.others), reverse=True) == weights[1:]
    table = read_table(path)
    each = [part.predict(table).probabilities for part in model.parts]
    mean = sum(p.astype(float) * part.weight for p, part in zip(each, model.parts, strict=True))  # type: ignore[union-attr]
    np.testing.assert_allclose(model.predict(table).probabilities, mean, rtol=1e-6)


def test_a_saved_model_answers_the_same(classes: tuple[Path, FittedTable], tmp_path: Path) -> None:
    path, found = classes
    assert found.model.others, "networks that are alike but for their seeds have weights"
    found.model.save(tmp_path / "m")
    loaded, table = TableModel.load(tmp_path / "m"), read_table(path)
    kinds = {part.architecture.activation for part in loaded.parts}
    assert kinds == {"relu", "silu"}
    assert model_file.load(tmp_path / "m")[1]["format_version"] == "5"
    alike = [part for part in found.model.parts if part.architecture.activation == "relu"]
    alike[0].save(tmp_path / "one")
    assert model_file.load(tmp_path / "one")[1]["format_version"] == "2"
    assert len(loaded.others) == len(found.model.others)
    for one, other in ((found.model, loaded), *zip(found.model.others, loaded.others, strict=True)):
        assert one.weight == other.weight
        assert one.architecture == other.architecture
        before, after = one.predict(table).probabilities, other.predict(table).probabilities
        assert before is not None
        assert after is not None
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"weight": ', '"weight": 2'),
        ('"inputs": ', '"inputs": 1'),
        ('"factor": 1.0', '"factor": 0.0'),
        ('"others": [', '"others": [], "more": ['),
        ("64", "65"),
    ],
)
def test_a_damaged_file_is_refused(
    classes: tuple[Path, FittedTable], tmp_path: Path, old: str, new: str
) -> None:
    classes[1].model.save(tmp_path / "m")
    tensors, texts = model_file.load(tmp_path / "m")
    del texts["sha256"]
    assert old in texts["packs"]
    changed = {**texts, "packs": texts["packs"].replace(old, new, 1)}
    model_file.save(tmp_path / "m", tensors, changed)
    with pytest.raises(ModelFileError, match="cannot be used"):
        TableModel.load(tmp_path / "m")


def test_the_same_networks_are_trained_again(
    classes: tuple[Path, FittedTable], tmp_path: Path
) -> None:
    path, found = classes
    found.model.save(tmp_path / "m")
    again = here(
        "fit", path, "-t", "c", "--like", "m", "-o", "n", "--threads", "2", folder=tmp_path
    )
    assert again.returncode == 0, again.stderr
    assert "networks  5; their predictions are averaged with weights" in again.stdout
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()


@pytest.mark.parametrize("seconds", [None, 4.0])
def test_a_fit_is_trained_again(seconds: float | None, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", rows=60)
    found = fit_table(read_table(path), "c", epochs=3, seconds=seconds)
    rungs: list[dict[str, Any]] = found.model.training.get("rungs", [])
    if any(rung["cut"] for rung in rungs):
        pytest.skip("this machine was too slow for an epoch")
    known = plans_of(found.model, "m")
    assert [plan.seed for plan in known] == [rung["seed"] for rung in rungs or [{"seed": 0}]]
    again = fit(examine(read_table(path), "c", packed=True), known[0].recipe, plans=known)
    found.model.save(tmp_path / "a")
    again.model.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["held out", "order", "logarithm"])
def test_other_ways_of_scoring(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.csv", rows=200)
    options: dict[str, Any] = {}
    if kind == "held out":
        monkeypatch.setattr(split, "PACKED", 0)
        monkeypatch.setattr(split, "SMALL_TABLE", 0)
    elif kind == "order":
        options["options"] = SplitOptions(order="b")
    else:
        lines = path.read_text().split("\n")
        y = [math.exp(float(line.split(",")[3])) for line in lines[1:-1]]
        rows = [f"{line.rpartition(',')[0]},{z}" for line, z in zip(lines[1:], y, strict=False)]
        path.write_text("\n".join([lines[0], *rows, ""]))
        options["kinds"] = {"y": "number:log"}
    examined, wanted = plans(path, "y", 2, **options)
    found = fit(examined, wanted[0].recipe, plans=wanted)
    assert len(found.model.training["rungs"]) == 2
    found.model.save(tmp_path / "m")
    loaded, table = TableModel.load(tmp_path / "m"), read_table(path)
    np.testing.assert_array_equal(loaded.predict(table).values, found.model.predict(table).values)
    assert math.isfinite(found.score.value)
    for one, other in zip(loaded.parts, found.model.parts, strict=True):
        assert one.schema.target.factor == other.schema.target.factor


def test_what_a_clock_has_cut_is_not_repeated(classes: tuple[Path, FittedTable]) -> None:
    training = json.loads(json.dumps(classes[1].model.training))
    training["rungs"][0]["cut"] = True
    cut: Any = SimpleNamespace(training=training)
    with pytest.raises(GlassnetError, match=r"ended the training of .* within an epoch"):
        plans_of(cut, "m")


def test_like_goes_with_the_table_of_the_model(
    classes: tuple[Path, FittedTable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found = classes
    found.model.save(tmp_path / "m")
    refused = here("fit", path, "-t", "c", "--like", "m", "--time", "5s", folder=tmp_path)
    assert refused.returncode == 2
    assert "leave --time out" in refused.stderr
    other = here("fit", path, "-t", "c", "--like", "m", "--order", "a", folder=tmp_path)
    assert other.returncode != 0
    assert "the options of its fit" in other.stderr
