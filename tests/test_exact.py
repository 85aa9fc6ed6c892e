"""Training is exact: close to float64 arithmetic, and the same bits however it is run.

The hashes in golden/weights.txt are golden hashes: they say that no bit of the trained weights has
moved since they were accepted, not that the weights are right (the comparison with float64 does).
A change that moves them raises `numerics_version`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest

import glassnet as gn
from glassnet.graph.types import Dim
from glassnet.run.program import Plan
from glassnet.version import numerics_version
from tests.engine.check import reference
from tests.engine.networks import arguments, dense
from tests.engine.variants import (
    EVERY,
    Way,
    call,
    difference,
    few,
    loops,
    on,
    results,
    runnable,
    thresholds,
    tiled,
)

pytestmark = pytest.mark.cold

STEPS = 100
NETWORKS = [((33, 50, 1), 200, False), ((20, 17, 130), 67, True), ((2, 3, 1), 5, False)]
RULES = ("sgd", "momentum", "adam")
DTYPES = ("float32", "float64")
CASES = [(network, rule, dtype) for network in NETWORKS for rule in RULES for dtype in DTYPES]
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}

Case = tuple[tuple[tuple[int, ...], int, bool], str, str]


def label(case: Case) -> str:
    (widths, batch, classes), rule, dtype = case
    kind = "classes" if classes else "numbers"
    return f"{'-'.join(map(str, widths))} {kind}, batch {batch}, {rule}, {dtype}"


each_case = pytest.mark.parametrize("case", CASES, ids=label)


@cache
def problem(case: Case) -> tuple[Plan, dict[str, np.ndarray]]:
    (widths, batch, classes), rule, dtype = case
    plan = dense(widths, batch, rule, dtype, classes)
    return plan, arguments(plan, batch, STEPS)


@cache
def trained(case: Case) -> tuple[np.ndarray, ...]:
    """The losses of all steps, then parameters and state after the last one."""
    plan, args = problem(case)
    with thresholds():
        return tuple(call(loops(plan), args, STEPS))


def weights(case: Case, results: tuple[np.ndarray, ...] | list[np.ndarray]) -> np.ndarray:
    plan, _ = problem(case)
    places = [plan.donate[name] for name in plan.graph.inputs if name[0] == "p"]
    return np.concatenate([results[i].ravel() for i in places])


@each_case
def test_weights_are_those_of_float64_arithmetic(case: Case) -> None:
    plan, args = problem(case)
    wanted = reference(plan, args, STEPS, wide=True)
    got = trained(case)
    tolerance = TOLERANCE[case[2]]
    exact, found = weights(case, wanted), weights(case, got)
    assert np.linalg.norm(found - exact) <= tolerance * np.linalg.norm(exact)
    assert np.abs(got[0] - wanted[0]).max() <= tolerance * np.abs(wanted[0]).max()
    start = weights(case, [args[name] for name in ("y", *plan.donate)])
    assert np.linalg.norm(exact - start) > 0.01 * np.linalg.norm(start)  # training did something


def ways(case: Case) -> list[Way]:
    """Other ways to the same bits; the first two are the same code again."""
    plan, args = problem(case)
    run = partial(results, args, STEPS)
    again, shared = loops(plan), loops(plan)
    random = np.random.default_rng(len(label(case)))
    found = [
        ("again", run(again, thresholds())),
        ("and again", run(again, thresholds())),
        ("unfused", run(loops(plan, merge=False), thresholds())),
        ("without loops", run(loops(plan), thresholds(unrolling=0))),
    ]
    for target in runnable():
        found.append((target.name, run(loops(plan, target), thresholds())))
        tiles = random.integers(1, 13), random.integers(1, 5), 1 << random.integers(0, 20)
        other = loops(plan, tiled(target, *map(int, tiles)))
        found.append((f"{target.name}, tiles {tiles}", run(other, thresholds())))
    for threads in (2, (3, 4, 7)[CASES.index(case) % 3]):
        own = run(shared, thresholds(threads=0), threads=threads)
        found.append((f"{threads} threads", own))
    return found


@each_case
def test_the_same_bits_every_way(case: Case) -> None:
    wanted = trained(case)
    first, second, *others = ways(case)
    for name, compute in (first, second, *(others if EVERY else few(others, ""))):
        for one, other in zip(wanted, compute(), strict=True):
            found = difference(one, other)
            assert not found, f"{name}: {found}"


@each_case
def test_step_by_step_is_the_same_as_all_at_once(case: Case) -> None:
    plan, args = problem(case)
    with thresholds():
        program = loops(plan)
        now = {name: array.copy() for name, array in args.items()}
        losses: list[np.ndarray] = []
        for step in range(STEPS):
            part = {n: a[step : step + 1] if n in plan.stepped else a for n, a in now.items()}
            losses.append(program.run(part)[0])
    assert not difference(np.concatenate(losses), trained(case)[0])
    for name, output in plan.donate.items():
        assert not difference(now[name], trained(case)[output])


def test_another_number_of_rows_is_compiled_once_and_gives_the_same_bits() -> None:
    """A batch of 200 in code for any number of rows, and in code for 200."""
    case = CASES[0]
    (widths, batch, classes), rule, dtype = case
    plan = dense(widths, Dim("n"), rule, dtype, classes)
    with thresholds():
        results = call(loops(plan), arguments(plan, batch, STEPS), STEPS)
    assert not any(difference(a, b) for a, b in zip(trained(case), results, strict=True))


def test_golden_hashes(golden: Callable[[str, str], None]) -> None:
    lines = [
        "Golden hashes: SHA-256 of the weights after 100 steps. They say that no bit has moved,",
        f"not that the weights are right. numerics_version {numerics_version}.",
        "",
    ]
    for case in CASES:
        found = weights(case, trained(case)).tobytes()
        lines.append(f"{hashlib.sha256(found).hexdigest()}  {label(case)}")
    golden("weights.txt", "\n".join(lines))


# -- the same through the public names -----------------------------------------------------------


def fitted(dtype: str = "float32", threads: int = 1) -> np.ndarray:
    model = gn.nn.Sequential(
        gn.nn.Linear(7, 20), gn.nn.Tanh(), gn.nn.Linear(20, 3), seed=5, dtype=dtype
    )
    rows = np.arange(150 * 7).reshape(150, 7)
    x = np.sin(rows * 0.37).astype(dtype)
    y = (rows[:, 0] % 3).astype("int32")
    gn.train(
        model,
        x,
        y,
        loss=gn.losses.CrossEntropy(),
        optimizer=gn.optim.Adam(lr=0.01),
        epochs=5,
        batch_size=32,
        threads=threads,
    )
    return model.W.copy()


@pytest.mark.parametrize("dtype", DTYPES)
def test_gn_train_gives_the_same_bits(dtype: str) -> None:
    wanted = fitted(dtype)
    assert not difference(wanted, fitted(dtype))
    with thresholds(threads=0):
        assert not difference(wanted, fitted(dtype, threads=3))
    with thresholds(unrolling=0):
        assert not difference(wanted, fitted(dtype))
    for target in runnable():
        with on(target):
            assert not difference(wanted, fitted(dtype))


def test_a_moved_bit_is_seen() -> None:
    found = fitted()
    moved = found.copy()
    moved[3] = np.nextafter(moved[3], np.inf, dtype=moved.dtype)
    assert difference(found, moved)
    assert hashlib.sha256(found.tobytes()).digest() != hashlib.sha256(moved.tobytes()).digest()
