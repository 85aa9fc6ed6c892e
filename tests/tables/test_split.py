"""Rows are divided without overlap, in proportion, and the same way for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.tables.split import Split, all_rows, fold_rows, split_rows

ROWS = st.lists(st.integers(0, 5000), min_size=10, max_size=300, unique=True).map(sorted)


def joined(split: Split) -> list[int]:
    return sorted([*split.train, *split.validation, *split.held_out])


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(0, 2**64), st.integers(1, 5))
def test_every_row_has_one_place(rows: list[int], seed: int, classes: int) -> None:
    chosen = np.array(rows)
    labels = chosen % classes
    splits = [split_rows(chosen, seed, labels), all_rows(chosen, seed, labels)]
    splits += fold_rows(chosen, seed, labels)
    for split in splits:
        assert joined(split) == rows
        assert all(np.all(np.diff(part) > 0) for part in (split.train, split.validation))
    folds = splits[2:]
    assert sorted(row for fold in folds for row in fold.held_out) == rows
    assert len(splits[1].held_out) == 0


def test_shares_are_exact_in_every_class() -> None:
    rows = np.arange(1000)
    labels = np.repeat([0, 1, 2], [500, 400, 100])
    split = split_rows(rows, 3, labels)
    assert np.bincount(labels[split.held_out]).tolist() == [100, 80, 20]
    assert np.bincount(labels[split.validation]).tolist() == [80, 64, 16]
    for fold in fold_rows(rows, 3, labels):
        assert np.bincount(labels[fold.held_out]).tolist() == [100, 80, 20]


def test_a_class_of_one_is_trained_on() -> None:
    rows = np.arange(21)
    labels = np.array([1] + [0] * 20)
    assert 0 in split_rows(rows, 0, labels).train


def test_the_seed_decides() -> None:
    rows = np.arange(500)
    first, again, other = (split_rows(rows, seed).held_out for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # Held-out rows are spread over the table: expect 50 in each half, by chance ± 5.
    assert abs(int((first < 250).sum()) - 50) < 25


@pytest.mark.parametrize("seed", [0, 2**32, 2**63, -1])
def test_any_seed_will_do(seed: int) -> None:
    assert len(split_rows(np.arange(100), seed).held_out) == 20


def test_a_large_table_holds_out_no_more_than_it_needs() -> None:
    split = split_rows(np.arange(200_000), 0)
    sizes = [len(part) for part in (split.train, split.validation, split.held_out)]
    assert sizes == [185_000, 5_000, 10_000]
