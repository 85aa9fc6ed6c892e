"""Statistics of the target for categories of many values, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glassnet.estimators.tabular.examine import ExaminedTable, examine, prepare
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.serialize import from_plain, to_plain
from glassnet.tables.encode import FEW_LEVELS, CategoryEncoder
from glassnet.tables.read_table import read_table
from glassnet.tables.target_statistics import MANY, Averaged, TargetStatistics

FILLERS = [f"v{number}" for number in range(MANY)]


def fitted(grouped: bool) -> TargetStatistics:
    """Of "a", whose rows have the goals 6, 0, 12 in the parts 0, 1, 2, and many single values that
    make the average of all goals 0."""
    texts = np.array(["a", "a", "a", *FILLERS, None], object)
    goals = np.array([6.0, 0.0, 12.0, *[0.0] * MANY, -18.0])
    parts = np.arange(len(texts)) % 3
    found = TargetStatistics.fit(texts, Averaged(goals[:, None], ("y",), parts, 3, grouped))
    assert found is not None
    return found


def test_values_of_one_row_and_gaps_have_zeros() -> None:
    found = fitted(grouped=False)
    assert found.levels == ("a",)
    assert found.of(["v3", None, "unheard of"]).tolist() == [[0.0, 0.0]] * 3


def test_new_rows_have_the_smoothed_average_of_all_training_rows() -> None:
    # 18 in 3 rows: 18 / (3 + 10), which is also the root of the mean square over rows.
    assert fitted(grouped=False).of(["a"]) == pytest.approx(np.array([[1.0, 3 / 13]]))


def test_training_rows_have_that_of_other_parts() -> None:
    found, scale = fitted(grouped=False), 18 / 13
    rows = found.of(["a", "a", "a"], np.array([0, 1, 2]))
    sums = np.array([12.0, 18.0, 6.0])  # without 6, without 0, without 12
    assert rows[:, 0] == pytest.approx(sums / 12 / scale)
    assert rows[:, 1] == pytest.approx([2 / 12] * 3)


def test_a_fold_has_those_that_are_made_without_its_rows() -> None:
    found, scale = fitted(grouped=True), 18 / 13
    new = found.of(["a"])[0]
    assert new[0::2] == pytest.approx(np.array([12.0, 18.0, 6.0]) / 12 / scale)
    # The row of part 0: fold 0 as of a new row, fold 1 has the row of part 2, fold 2 that of 1.
    trained = found.of(["a"], np.array([0]))[0]
    assert trained[0::2] == pytest.approx(np.array([12.0 / 12, 12.0 / 11, 0.0]) / scale)
    assert trained[1::2] == pytest.approx([2 / 12, 1 / 11, 1 / 11])
    assert len(found.inputs) == len(set(found.inputs)) == 6


def test_no_target_of_a_fold_is_in_what_its_networks_see() -> None:
    """Other targets in one fold change nothing of that fold's inputs, in any row."""
    random = np.random.default_rng(0)
    texts = np.array([f"v{number}" for number in random.integers(0, 40, 400)], object)
    goals, parts = random.standard_normal((400, 2)), random.integers(0, 5, 400)
    other = goals.copy()
    other[parts == 3] = random.permutation(goals[parts == 3])  # the average stays as it is
    one, two = (
        TargetStatistics.fit(texts, Averaged(given, ("p", "q"), parts, 5, True))
        for given in (goals, other)
    )
    assert one is not None
    assert two is not None
    scale = [[*s.scales, 1.0] for s in (one, two)]
    for rows in (None, parts):
        x, z = (
            s.of(texts, rows).reshape(400, 5, 3) * by
            for s, by in zip((one, two), scale, strict=True)
        )
        assert np.allclose(x[:, 3], z[:, 3], atol=1e-12)
        assert not np.allclose(x[:, 2], z[:, 2])


def test_no_row_that_is_trained_on_sees_its_own_target() -> None:
    random = np.random.default_rng(1)
    texts = np.array([f"v{number}" for number in random.integers(0, 40, 400)], object)
    goals, parts = random.standard_normal((400, 1)), random.integers(0, 5, 400)
    other = goals.copy()
    other[[7, 8]] = goals[[8, 7]]  # the average stays as it is
    one, two = (
        TargetStatistics.fit(texts, Averaged(given, ("y",), parts, 5, False))
        for given in (goals, other)
    )
    assert one is not None
    assert two is not None
    x = one.of(texts, parts)[:, 0] * one.scales[0]
    z = two.of(texts, parts)[:, 0] * two.scales[0]
    assert x[7] == pytest.approx(z[7], abs=1e-12)
    assert not np.allclose(one.of(texts)[7], two.of(texts)[7])


def test_few_values_have_none_and_they_come_back_from_json() -> None:
    texts = np.array(["a", "b"] * 50, object)
    averaged = Averaged(np.zeros((100, 1)), ("y",), np.arange(100) % 5, 5, True)
    assert TargetStatistics.fit(texts, averaged) is None
    found = fitted(grouped=True)
    assert from_plain(TargetStatistics, to_plain(found)) == found


def test_of_a_column_with_statistics_the_commonest_values_have_inputs() -> None:
    counts = [3 + number % 5 for number in range(60)]
    cells = [f"v{number:02}" for number, count in enumerate(counts) for _ in range(count)]
    texts, rows = np.array([*cells, None], object), np.arange(len(cells) + 1)
    plain = CategoryEncoder.fit("shop", texts, rows)
    averaged = Averaged(np.ones((len(rows), 1)), ("y",), rows % 5, 5, False)
    found = plain.with_statistics(texts, rows, averaged)
    assert len(plain.levels) == 60
    assert len(found.levels) == FEW_LEVELS == 32
    # 12 values each have 7, 6, 5, 4 and 3 rows; of those with 5 rows the first 8 stay
    wanted = sorted([n for n in range(60) if n % 5 > 2] + [5 * i + 2 for i in range(8)])
    assert found.levels == tuple(f"v{number:02}" for number in wanted)
    assert found.rare
    found.check()
    assert found.average[-1] == plain.average[-1] == 1 / len(rows)
    x = found.encode(np.array(["v04", "v00", None], object)).x
    assert x[:, : len(found.levels) + 2].sum(axis=1).tolist() == [1.0, 1.0, 1.0]
    assert x[1, len(found.levels) + 1] == 1.0  # with other rare values
    assert x[1, len(found.levels) + 2 :].any()  # but with statistics of its own


def shops(folder: Path, rows: int, numbers: bool = True) -> Path:
    """A price that the shop decides; 60 shops, a column of numbers or of few words beside it."""
    random = np.random.default_rng(2)
    shop = random.integers(0, 60, rows)
    level, other = random.standard_normal(60) * 10, random.integers(0, 3, rows)
    y = level[shop] + other + 0.1 * random.standard_normal(rows)
    lines = [
        f"s{s},{o if numbers else 'xyz'[o]},{v:.3f}" for s, o, v in zip(shop, other, y, strict=True)
    ]
    path = folder / "shops.csv"
    path.write_text("shop,size,price\n" + "\n".join(lines) + "\n")
    return path


def examined(folder: Path, rows: int = 600) -> ExaminedTable:
    return examine(read_table(str(shops(folder, rows))), "price")


def test_inputs_of_folds_stand_last_fold_after_fold(tmp_path: Path) -> None:
    found = examined(tmp_path)
    prepared = prepare(found, found.split())
    schema, groups = prepared.schema, found.groups
    assert groups is not None
    assert schema.per_group == 2
    assert schema.inputs[-2:] == [
        "shop: mean of price, without fold 5", "shop: rows of that value, without fold 5",
    ]  # fmt: skip
    encoder = schema.columns[0]
    statistics = getattr(encoder, "statistics", None)
    assert isinstance(statistics, TargetStatistics)
    texts = next(column.cells for column in found.columns if column.name == "shop")
    wanted = statistics.of(texts, groups.training)  # pyright: ignore[reportArgumentType]
    assert np.array_equal(prepared.train.x[:, -10:], wanted.astype(np.float32))


@pytest.mark.parametrize("numbers", [True, False])
def test_a_model_with_statistics_is_kept_and_predicts_well(tmp_path: Path, numbers: bool) -> None:
    fitted = fit_table(read_table(str(shops(tmp_path, 600, numbers))), "price", threads=1)
    assert fitted.score.value < 1.5  # the spread of all prices is 10
    path = tmp_path / "m.glassnet"
    fitted.model.save(path)
    again = TableModel.load(path)
    table = read_table(str(shops(tmp_path, 60, numbers)))
    assert np.array_equal(again.predict(table).values, fitted.model.predict(table).values)
    row = tmp_path / "row.csv"
    row.write_text("shop,size,price\nnowhere,1,0\n")
    assert np.isfinite(fitted.model.predict(read_table(str(row))).values).all()


def test_shops_that_mean_nothing_have_an_honest_score(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    lines = [f"s{random.integers(0, 100)},{'ab'[random.integers(0, 2)]}" for _ in range(1200)]
    path = tmp_path / "coins.csv"
    path.write_text("shop,y\n" + "\n".join(lines) + "\n")
    found = fit_table(read_table(str(path)), "y", threads=1)
    assert abs(found.score.value - 0.5) < 0.06  # four standard errors
