"""Learning rates against figures worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError
from glassnet.optim.schedule import Timeline
from tests.optim.common import START, slope, trajectory

optim = gn.optim


def rates(schedule: Any, steps: list[int], total: int = 100, epoch: int = 10) -> Any:
    return schedule.rates(Timeline(np.array(steps), total, epoch)).tolist()


HALF = math.cos(math.pi / 4)
CASES: list[tuple[Any, list[int], list[float]]] = [
    (optim.Constant(0.5), [0, 99], [0.5, 0.5]),
    (optim.StepDecay(1.0, every=2, gamma=0.1), [0, 19, 20, 39, 40], [1, 1, 0.1, 0.1, 0.01]),
    (optim.Exponential(2.0, gamma=0.5), [0, 9, 10, 35], [2, 2, 1, 0.25]),
    (optim.InverseScaling(1.0, power=0.5), [0, 3, 99], [1, 0.5, 0.1]),
    # half a cosine: 1, (1 + √½)/2, ½, 0 at 0, ¼, ½, 1 of the way
    (optim.Cosine(1.0), [0, 25, 50], [1, (1 + HALF) / 2, 0.5]),
    (optim.Cosine(1.0, end=0.2), [0, 50, 100], [1, 0.6, 0.2]),
    (optim.FlatCos(1.0, flat=0.5), [0, 50, 75, 100], [1, 1, 0.5, 0]),
    (optim.FlatCos(1.0, flat=0.8), [79, 90], [1, 0.5]),
    (optim.FlatCos(1.0, epochs=4), [20, 30, 40, 90], [1, 0.5, 0, 0]),  # of 10 steps each
    # log₂(1 + 15t) is 0, 1, 2, 3, 4 at t = 0, 1/15, 3/15, 7/15, 1, where the waves touch 0; their
    # tops lie at 1 + 15t = √2, 2√2, …
    (optim.CosLog4(1.0), [0, 10, 30, 70, 150], [0, 0, 0, 0, 0]),
    (optim.Warmup(1.0, steps=4), [0, 1, 2, 3, 4, 50], [0.25, 0.5, 0.75, 1, 1, 1]),
    (
        optim.Warmup(optim.Exponential(1.0, gamma=0.5), steps=20),
        [9, 10, 19, 20],
        [0.5, 0.275, 0.5, 0.25],
    ),
]


@pytest.mark.parametrize(("schedule", "steps", "wanted"), CASES, ids=[str(c[0]) for c in CASES])
def test_rates(schedule: Any, steps: list[int], wanted: list[float]) -> None:
    total = 150 if isinstance(schedule, optim.CosLog4) else 100
    assert rates(schedule, steps, total) == pytest.approx(wanted, abs=1e-12)


def test_the_tops_of_coslog4() -> None:
    tops = [(math.sqrt(2) * 2**k - 1) / 15 for k in range(4)]
    found = optim.CosLog4(3.0).rates(Timeline(np.array(tops) * 1e9, 10**9, 1))
    np.testing.assert_allclose(found, 3.0, rtol=1e-12)


def test_one_cycle() -> None:
    # 11 steps, 3 of them up: the top is at 0.3·11 − 1 = 2.3, the end at 10
    schedule = optim.OneCycle(1.0, up=0.3, divide=10.0, final=100.0)
    found = rates(schedule, [0, 2, 10], total=11)
    way = 2 / 2.3
    risen = 1 + (0.1 - 1) * (1 + math.cos(math.pi * way)) / 2
    assert found == pytest.approx([0.1, risen, 0.001], rel=1e-12)


def test_reduce_on_plateau() -> None:
    schedule = optim.ReduceOnPlateau(1.0, gamma=0.5, patience=1, threshold=0.0)
    # epochs 2 and 3 are no better than 1, so the rate is halved; 4 is better; 5 and 6 are not
    losses = [3.0, 3.0, 4.0, 2.0, 2.5, 2.0]
    found = [schedule.after(losses[:n]) for n in range(7)]
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert optim.ReduceOnPlateau(1.0, gamma=0.5, patience=1, least=0.4).after(losses) == 0.4


def test_a_schedule_is_followed_in_training() -> None:
    w = START.copy()
    for step in range(10):
        w = w - 0.2 * (1 + math.cos(math.pi * step / 10)) / 2 * slope(w)
    np.testing.assert_allclose(trajectory(optim.SGD(optim.Cosine(0.2)), 10)[-1], w, rtol=1e-12)


def test_a_plateau_is_seen_in_training() -> None:
    schedule = optim.ReduceOnPlateau(1e-9, gamma=1e-3, patience=2, threshold=0.5)
    w = trajectory(optim.SGD(schedule), 10)
    moved = np.abs(np.diff(w, axis=0)).max(axis=1)
    # the loss stays the same: after 1 + 3 epochs a thousandth, after 3 more a millionth
    assert moved[2] == pytest.approx(moved[0], rel=1e-2)
    assert moved[3] == pytest.approx(moved[0] * 1e-3, rel=2e-2)


def test_the_rate_is_no_part_of_the_compiled_rule() -> None:
    assert optim.SGD(0.1).compile_key() == optim.SGD(optim.Cosine(0.3)).compile_key()
    assert optim.SGD(0.1).compile_key() != optim.SGD(0.1, momentum=0.5).compile_key()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: optim.Cosine(0.0),
        lambda: optim.Cosine(lr=-1.0),
        lambda: optim.Exponential(1.0, gamma=float("inf")),
        lambda: optim.Warmup(1.0, steps=0),
        lambda: optim.Warmup("slow"),
    ],
)
def test_wrong_settings(wrong: Any) -> None:
    with pytest.raises(GlassnetError):
        wrong()
