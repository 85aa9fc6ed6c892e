"""Successive halving: which settings go on, and that no row has a part in choosing the networks
that answer it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glassnet.estimators.tabular.blend import blended
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.halving import (
    CANDIDATES,
    Trial,
    bracket_work,
    following,
    usable,
)

FOLDS = np.array([0, 0, 1, 1])


def errors(first: float, second: float) -> Evaluation:
    """Predictions of zeros that are wrong by so much in the two folds."""
    given = np.array([first, first, second, second])
    return Evaluation(np.zeros(4), given, np.zeros(4), folds=FOLDS)


def level(number: int, candidates: Sequence[int] = range(CANDIDATES)) -> list[Trial | None]:
    return [Trial(1, number, candidate) for candidate in candidates]


# The squared errors of candidate 0 … 7 in the two folds, and together:
#   fold 0:  0 0 1 1 9 9 9 9      fold 1:  9 9 16 16 0 0 1 4
#   all:     9 9 17 17 9 9 10 13
FIRST = [errors(0, 3), errors(0, 3), errors(1, 4), errors(1, 4)]
LAST = [errors(3, 0), errors(3, 0), errors(3, 1), errors(3, 2)]


def test_the_work_of_a_bracket() -> None:
    assert bracket_work(40, 40) == (8 * 10 + 4 * 20 + 2 * 40 + 40, 8 + 4 + 2 + 1)
    assert bracket_work(40, 11) == (8 * 10 + 4 * 11 + 2 * 11 + 11, 15)


def test_each_view_goes_on_with_its_own_better_half() -> None:
    trials: list[Trial | None] = [None, *level(0), *level(1)]
    found = usable(trials, [errors(1, 1), *FIRST, *LAST, *FIRST, *LAST])
    assert found.shape == (3, 17)
    assert found[:, :9].all()  # the one outside of the bracket, and all that begin
    chosen = [set(np.flatnonzero(own[9:])) for own in found]
    # by all rows; by those outside of fold 0, which is fold 1; and the other way round
    assert chosen == [{0, 1, 4, 5}, {4, 5, 6, 7}, {0, 1, 2, 3}]


def test_all_that_any_view_chooses_are_trained() -> None:
    trials: list[Trial | None] = []
    answers: list[Evaluation] = []
    quality = [errors(place, 10 - place / 2) for place in range(8)]  # fold 0: 0 is best; fold 1: 7
    assert following(trials, answers) is None
    trials, answers = [None, Trial(2, 0, 0)], [errors(1, 1), quality[0]]
    while (trial := following(trials, answers)) is not None:
        trials.append(trial)
        answers.append(quality[trial.candidate])
    places = [(one.level, one.candidate) for one in trials if one is not None]
    assert {one.bracket for one in trials if one is not None} == {2}
    # the squares together: 100 91.25 85 81.25 80 81.25 85 91.25, best 4, then 3 and 5, then 2 and 6
    assert places[:8] == [(0, place) for place in range(8)]
    assert [c for at, c in places if at == 1] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [c for at, c in places if at == 2] == [0, 1, 3, 4, 6, 7]
    assert [c for at, c in places if at == 3] == [0, 4, 7]


def test_without_folds_there_is_one_view() -> None:
    one = Evaluation(np.zeros(2), np.array([1.0, 1.0]), np.zeros(2))
    other = Evaluation(np.zeros(2), np.array([2.0, 2.0]), np.zeros(2))
    trials: list[Trial | None] = [None, *level(0), *level(1, [0, 7])]
    found = usable(trials, [one, *[one] * 4, *[other] * 4, one, other])
    assert found.tolist() == [[True] * 10 + [False]]
    assert following(trials[:9], [one, *[one] * 4, *[other] * 4]) == Trial(1, 1, 0)
    assert following(trials[:10], [one, *[one] * 4, *[other] * 4, one]) == Trial(1, 1, 1)


def test_no_row_has_a_part_in_choosing_what_answers_it() -> None:
    random = np.random.default_rng(0)
    folds, truth = np.repeat([0, 1, 2], 20), random.normal(size=60)
    given = truth + random.normal(size=(17, 60))
    trials: list[Trial | None] = [None, *level(0), *level(1)]

    def answered(known: np.ndarray) -> np.ndarray:
        answers = [Evaluation(known, one, np.zeros(60), folds=folds) for one in given]
        return blended(answers, usable(trials, answers))[0].given

    before = answered(truth)
    for fold in range(3):
        after = answered(np.where(folds == fold, 9.0 - truth, truth))
        np.testing.assert_array_equal(after[folds == fold], before[folds == fold])
        assert (after != before).any()
