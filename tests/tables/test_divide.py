"""Rows that belong together stand on one side of the score, and doubts about it are said."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.errors import TableError
from glassnet.estimators.tabular.examine import ExaminedTable, examine
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.tables import split as splitting
from glassnet.tables.divide import SplitOptions
from glassnet.tables.read_table import read_table
from glassnet.tables.repeats import SeenRows, is_by_chance, merge_units, row_keys, target_keys
from glassnet.tables.split import Split, all_rows, fold_rows, last_rows, split_rows
from glassnet.tables.table import Numbers

RANDOM = np.random.default_rng(7)
START = RANDOM.bit_generator.state


@pytest.fixture(autouse=True)
def again() -> None:
    """Every test draws the same numbers, in whatever order tests run."""
    RANDOM.bit_generator.state = START


def table(path: Path, columns: dict[str, Any]) -> Any:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return read_table(path)


def repeated(path: Path, rows: int = 60, times: int = 6, columns: int = 3) -> Any:
    """Random rows, each several times, with a coin a row for a label."""
    x = RANDOM.normal(size=(rows, columns)).round(4)
    coin = np.array(["heads", "tails"])[RANDOM.permutation(rows) % 2]
    order = RANDOM.permutation(np.repeat(np.arange(rows), times))
    return table(path, {**{f"x{c}": x[order, c] for c in range(columns)}, "y": coin[order]})


def people(path: Path, *, named: bool) -> Any:
    """50 persons with 8 nearly equal rows each, and a coin a person for a label."""
    who = RANDOM.permutation(np.repeat(np.arange(50), 8))
    x = RANDOM.normal(size=(50, 5))[who] + 0.01 * RANDOM.normal(size=(400, 5))
    coin = np.array(["well", "ill"])[RANDOM.permutation(50) % 2][who]
    name = {"person": [f"p{own}" for own in who]} if named else {}
    return table(path, {**name, **{f"x{c}": x[:, c].round(5) for c in range(5)}, "y": coin})


def rules(examined: ExaminedTable) -> set[str]:
    return {note.rule for note in examined.notes}


def parts(split: Split) -> list[np.ndarray]:
    return [split.train, split.validation, split.held_out]


def check_apart(split: Split, units: np.ndarray) -> None:
    sides = [set(units[part].tolist()) for part in parts(split)]
    assert sum(map(len, sides)) == len(set.union(*sides))


def check_folds(examined: ExaminedTable, units: np.ndarray) -> None:
    """All rows of a unit are of one fold, where networks of all folds learn together."""
    groups = examined.groups
    assert groups is not None
    for unit in set(units.tolist()):
        assert len(set(groups.training[units == unit].tolist())) == 1
    own = groups.training[np.searchsorted(groups.rows.train, groups.rows.validation)]
    np.testing.assert_array_equal(own, groups.validation)


@pytest.mark.parametrize("rows", [300, 3000])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_units_stay_on_one_side_in_proportion(rows: int, size: int) -> None:
    units = RANDOM.permutation(np.arange(rows) // size)
    classes = units % 2
    every = np.arange(rows)
    splits = [split_rows(every, 1, classes, units), all_rows(every, 1, classes, units)]
    splits += fold_rows(every, 1, classes, units)
    for split in splits:
        check_apart(split, units)
        assert sorted(np.concatenate(parts(split))) == every.tolist()
        rest = rows - len(split.held_out)
        assert abs(len(split.validation) - rest / 5) <= 2 * size
    assert abs(len(splits[0].held_out) - rows / 5) <= 2 * size
    assert abs(classes[splits[0].held_out].mean() - 0.5) <= size / (rows / 5) + 0.02
    assert all(abs(len(fold.held_out) - rows / 5) <= 2 * size for fold in splits[2:])


def test_units_of_one_row_change_nothing() -> None:
    every, classes = np.arange(500), RANDOM.integers(0, 3, 500)
    plain, alone = (split_rows(every, 4, classes, own) for own in (None, every * 3))
    for first, second in zip(parts(plain), parts(alone), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_names_of_units_decide_nothing() -> None:
    every, units = np.arange(400), RANDOM.integers(0, 60, 400)
    other = RANDOM.permutation(1000)[units]
    for first, second in zip(
        parts(split_rows(every, 4, None, units)), parts(split_rows(every, 4, None, other)),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(first, second)


def test_two_groups_are_two_folds() -> None:
    units = np.repeat([0, 1], 20)
    folds = fold_rows(np.arange(40), 0, None, units)
    assert sorted(fold.held_out.tolist() for fold in folds) == [
        [*range(20)], [*range(20, 40)],
    ]  # fmt: skip
    for fold in folds:  # the other group alone decides when to stop, too
        assert len(fold.validation) == 4
        assert len(fold.train) == 16


def test_the_last_rows_are_held_out() -> None:
    time = RANDOM.permutation(100).astype(float)
    split = last_rows(np.arange(100), time, hold_out=True)
    assert [sorted(time[part]) for part in parts(split)] == [
        [*range(64)], [*range(64, 80)], [*range(80, 100)],
    ]  # fmt: skip
    assert len(last_rows(np.arange(100), time, hold_out=False).held_out) == 0


def test_rows_of_the_same_time_stay_together() -> None:
    time = np.repeat([1.0, 2, 3, 4, 5, 6], [20, 20, 20, 15, 15, 10])
    split = last_rows(np.arange(100), time, hold_out=True)
    assert [sorted(set(time[part])) for part in parts(split)] == [[1, 2, 3], [4], [5, 6]]


def test_a_group_in_time_counts_by_its_last_row() -> None:
    time = np.arange(10.0)
    units = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 0])  # the first row belongs to the last
    split = last_rows(np.arange(10), time, units, hold_out=True)
    assert split.held_out.tolist() == [0, 9]


def test_equal_rows_stay_on_one_side(tmp_path: Path) -> None:
    examined = examine(repeated(tmp_path / "t.csv"), "y")
    (note,) = [note for note in examined.notes if note.rule == "equal rows"]
    assert note.text.startswith("300 rows of 360 equal an earlier one in all columns")
    assert examined.division.units is not None
    for split in examined.folds():
        check_apart(split, examined.division.units)
    check_folds(examined, examined.division.units)


@pytest.mark.parametrize("columns", [1, 3])
def test_a_coin_is_no_better_than_a_coin(tmp_path: Path, columns: int) -> None:
    fits = [
        fit_table(repeated(tmp_path / "t.csv", columns=columns), "y", epochs=15) for _ in range(6)
    ]
    scores = [found.score for found in fits]
    # There are 60 rows, not 360: the binomial error of 60 is 0.065, that of six tables 0.026.
    # Doubles of training rows would give 0.95.
    assert np.mean([own.value for own in scores]) == pytest.approx(0.5, abs=0.08)
    # What averaging all folds gains is not known well from 60 rows, and is in the error, too.
    parts = [found.out_of_fold.gains["accuracy"].error for found in fits if found.out_of_fold]
    errors = [own.error / part for own, part in zip(scores, parts, strict=True)]
    assert errors == pytest.approx([0.065] * 6, abs=0.015)


def test_equal_rows_may_be_divided_as_others(tmp_path: Path) -> None:
    examined = examine(repeated(tmp_path / "t.csv"), "y", options=SplitOptions(together=False))
    assert examined.division.units is None


def test_rows_of_few_values_are_equal_by_chance(tmp_path: Path) -> None:
    columns = {name: RANDOM.choice(list("abc"), 900) for name in ("p", "q")}
    columns["r"] = RANDOM.integers(18, 25, 900)
    opened = table(tmp_path / "t.csv", {**columns, "y": RANDOM.choice(["no", "yes"], 900)})
    examined = examine(opened, "y")
    assert "equal rows" in rules(examined)
    assert examined.division.units is None
    asked = examine(opened, "y", options=SplitOptions(together=True))
    assert asked.division.units is not None


def test_a_column_that_is_left_out_makes_no_row_another(tmp_path: Path) -> None:
    x = np.repeat(RANDOM.normal(size=(60, 3)), 2, axis=0)
    columns = {"row": [f"r{place}" for place in range(120)], "a": x[:, 0], "b": x[:, 1]}
    examined = examine(table(tmp_path / "t.csv", {**columns, "y": x[:, 2]}), "y")
    assert examined.division.units is not None
    assert len(set(examined.division.units.tolist())) == 60


def test_keys_do_not_depend_on_order_or_spelling() -> None:
    numbers = Numbers(np.array([0.0, -0.0, np.nan, 2.0]), np.array([False, False, True, False]))
    texts = np.array(["Red", "red ", None, "blue"], object)
    keys = row_keys({"a": numbers, "b": texts})
    np.testing.assert_array_equal(keys, row_keys({"b": texts, "a": numbers}))
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3
    assert not np.array_equal(keys, row_keys({"b": numbers, "a": texts}))
    assert len(set(target_keys(keys[:2], np.array([0, 1]), ["x", "y"]).tolist())) == 2


def test_chance_by_hand() -> None:
    """Of 100 rows of two fair coins 4950 / 4 pairs are equal by chance."""
    coins = np.array(["h", "t"] * 50, object)
    other = np.array(["h", "h", "t", "t"] * 25, object)
    units = (coins == "h") * 2 + (other == "h")
    many = np.arange(100) // 5  # 20 units of 5 rows: 200 pairs
    every = np.arange(100)
    assert is_by_chance([coins, other], every, units)  # fewer than ten different rows
    assert is_by_chance([coins, other], every, many)  # 200 are fewer than 1.5 · 4950 / 4
    assert not is_by_chance([coins] * 6, every, many)  # more than 1.5 · 4950 / 64 = 116


def test_units_that_share_a_row_are_one() -> None:
    first, second = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])
    assert merge_units(first, second).tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_near_twins_are_warned_of(tmp_path: Path, seed: int) -> None:
    examined = examine(people(tmp_path / "t.csv", named=False), "y", seed=seed)
    (note,) = [note for note in examined.notes if note.rule == "near twins"]
    assert note.doubt


@pytest.mark.parametrize("columns", [1, 2, 4, 20])
def test_rows_that_are_spread_are_no_twins(tmp_path: Path, columns: int) -> None:
    x = RANDOM.normal(size=(400, columns))
    opened = table(
        tmp_path / "t.csv", {**{f"x{c}": x[:, c] for c in range(columns)}, "y": x.sum(axis=1)}
    )
    assert not rules(examine(opened, "y")) & {"near twins", "repeated id", "equal rows"}


def test_rows_of_few_numbers_are_no_twins(tmp_path: Path) -> None:
    columns = {"age": RANDOM.integers(18, 25, 400), "place": [f"p{n % 200}" for n in range(400)]}
    columns["sort"] = RANDOM.choice(list("abcdefgh"), 400)
    opened = table(tmp_path / "t.csv", {**columns, "y": RANDOM.normal(size=400)})
    assert "near twins" not in rules(examine(opened, "y"))


def test_groups(tmp_path: Path) -> None:
    opened = people(tmp_path / "t.csv", named=True)
    assert {"near twins", "repeated id"} <= rules(examine(opened, "y"))
    examined = examine(opened, "y", options=SplitOptions(group="person"))
    assert rules(examined) == {"group"}
    assert "person" not in [column.name for column in examined.columns if column.used]
    who = opened.texts(["person"])["person"]
    for split in examined.folds():
        check_apart(split, who)
    check_folds(examined, who)
    tables = [opened, *(people(tmp_path / "t.csv", named=True) for _ in range(5))]
    options = SplitOptions(group="person")
    found = [fit_table(own, "y", options=options, epochs=15).score.value for own in tables]
    # The standard error of 50 persons is 0.07, that of six tables 0.03; rows of a person on both
    # sides would give 0.95.
    assert np.mean(found) == pytest.approx(0.5, abs=0.09)


def test_the_order_of_dates(tmp_path: Path) -> None:
    days = RANDOM.permutation(100)
    date = [str(np.datetime64("2024-01-01") + int(day)) for day in days]
    opened = table(tmp_path / "t.csv", {"day": date, "x": RANDOM.normal(size=100), "y": days * 0.5})
    examined = examine(opened, "y", options=SplitOptions(order="day"))
    (fold,) = examined.folds()
    assert sorted(days[fold.held_out]) == [*range(80, 100)]
    assert sorted(days[examined.split().validation]) == [*range(80, 100)]
    assert "order" in rules(examined)


def test_a_table_for_the_score(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(300, 2)).round(4)
    opened = table(tmp_path / "t.csv", {"a": x[:200, 0], "b": x[:200, 1], "y": x[:200, 0] * 3})
    other = table(tmp_path / "o.csv", {"y": x[200:, 0] * 3, "b": x[200:, 1], "a": x[200:, 0]})
    fitted = fit_table(opened, "y", test=other, epochs=5)
    assert fitted.score.rows == 100
    assert fitted.model.training["rows"] == {"train": 160, "validation": 40, "held_out": 0}
    assert fitted.model.training["division"] == {"test": "o.csv"}
    score, _ = fitted.model.evaluate(other)
    plain = {k: v for k, v in fitted.score.others.items() if k != "linear"}
    figures = {k: replace(own, linear=None) for k, own in fitted.score.figures.items()}
    # a linear model is of the fit alone
    assert score == replace(fitted.score, others=plain, figures=figures)
    assert fitted.model.recorded_score().rows == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SplitOptions(group="nobody"), "has no column 'nobody'"),
        (SplitOptions(group="y"), "target 'y' cannot give groups"),
        (SplitOptions(order="word"), "not a number or a date"),
        (SplitOptions(order="a", group="a"), "'a' is to give both"),
        (SplitOptions(group="same"), "one value in all rows"),
        (SplitOptions(order="same1"), "the same value in every row"),
    ],
)
def test_refusals(tmp_path: Path, options: SplitOptions, message: str) -> None:
    x = RANDOM.normal(size=50)
    words = RANDOM.choice(["one", "two"], 50)
    columns = {"a": x, "word": words, "same": ["s"] * 50, "same1": [1] * 50, "y": x * 2}
    with pytest.raises(TableError, match=message):
        examine(table(tmp_path / "t.csv", columns), "y", options=options)


def test_rows_of_training_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "PACKED", 0)  # as for many rows: a fifth is held out
    x = RANDOM.normal(size=(2500, 2)).round(4)
    columns = {"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] * 3}
    fitted = fit_table(table(tmp_path / "t.csv", columns), "y", epochs=3)
    fitted.model.save(tmp_path / "m.safetensors")
    model = TableModel.load(tmp_path / "m.safetensors")
    found = model.assess(read_table(tmp_path / "t.csv"))
    assert (found.seen, found.exact) == (2000, True)  # a fifth was held out
    assert found.new is not None
    assert found.new.value == pytest.approx(fitted.score.value)
    assert "2,000 of 2,500 rows were in the training table" in found.remarks()[0].text
    part = {"b": x[2000:, 1], "y": x[2000:, 0] * 3, "a": [str(own) for own in x[2000:, 0]]}
    again = model.assess(table(tmp_path / "p.csv", part))
    assert again.seen == int((examine(read_table(tmp_path / "t.csv"), "y").split().held_out < 2000)
                             .sum())  # fmt: skip
    other = RANDOM.normal(size=(500, 2)).round(4)
    fresh = {"a": other[:, 0], "b": other[:, 1], "y": other[:, 0] * 3}
    assert model.assess(table(tmp_path / "n.csv", fresh)).remarks() == ()


def test_many_rows_are_recognised_by_a_part() -> None:
    random = np.random.default_rng(0)
    keys = random.integers(0, 1 << 63, 100_000).astype(np.uint64) * np.uint64(2)
    seen = SeenRows.of(keys[:60_000])
    assert seen is not None
    assert len(seen.digests) == 1 << 14
    again = SeenRows.from_text(seen.to_text())
    known, found = again.asked(keys)
    # About 16 384 of 60 000 smallest digests are kept, so of 100 000 rows something is known of
    # 27 000, and 60 % of these were seen: the error of a proportion is 0.003.
    assert found.sum() / known.sum() == pytest.approx(0.6, abs=0.012)
    assert not again.asked(keys[60_000:])[1].any()


def test_rows_of_few_values_are_not_recognised() -> None:
    assert SeenRows.of(np.arange(1000, dtype=np.uint64) % np.uint64(50) << np.uint64(40)) is None


@pytest.mark.parametrize("text", ["", "x y", "10 AAAA", "4294967297 AAAAAA==", "0 AAAAAA=="])
def test_damaged_digests(text: str) -> None:
    with pytest.raises(ValueError, match=r"damaged|base64|padding"):
        SeenRows.from_text(text)
