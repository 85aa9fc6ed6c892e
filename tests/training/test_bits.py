"""Trained weights to the last bit: hashes, threads, instruction sets; and how near they are to the
float64 interpreter.

The hashes say that bits did not move. A change that moves one raises numerics_version, and changes
the hashes in the same commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.graph.interpret import interpret
from glassnet.ops import philox
from glassnet.optim.schedule import Timeline
from glassnet.training.step_graph import memory_arrays, parameter_arrays
from tests.drawn import drawn
from tests.engine.variants import on, runnable, thresholds

pytestmark = pytest.mark.cold

nn, optim = gn.nn, gn.optim
ROWS = 150  # three leaves of 64 rows, and batches of 70, 70 and 10
X = philox.normal(ROWS * 5, 1).reshape(ROWS, 5)
NUMBERS = np.stack([X[:, 0] * X[:, 1], X.sum(axis=1)], axis=1)
CLASSES = (NUMBERS[:, 1] > 0).astype(np.int32)


def dense(dtype: str) -> gn.nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 19), nn.Sigmoid(), nn.Linear(19, 33), nn.ReLU(), nn.Linear(33, 2), dtype=dtype
    )


def rich(dtype: str) -> gn.nn.Sequential:
    return nn.Sequential(
        nn.Periodic(5, 3), nn.Linear(30, 16), nn.BatchNorm(16), nn.GELU(), nn.Dropout(0.2),
        nn.Residual(nn.Linear(16, 16), nn.LayerNorm(16), nn.Tanh()), nn.Repeat(2),
        nn.BatchEnsemble(16, 2, 2), nn.Average(2), dtype=dtype,
    )  # fmt: skip


ONCE, MEAN = optim.OneCycle(0.01), optim.Adagrad(0.1, average=0.9)
CLIP = optim.RMSprop(0.01, clip_norm=1.0)
HALF, CROSS = gn.losses.HalfMSE(), gn.losses.CrossEntropy(label_smoothing=0.1)
CASES: dict[str, tuple[Any, str, Any, Any, Any, str]] = {
    "sgd32": (dense, "float32", HALF, NUMBERS, optim.SGD(0.05, momentum=0.9), "10872ba7112f8a57"),
    "adam32": (dense, "float32", CROSS, CLASSES, optim.Adam(0.01), "3fce94b532cd23af"),
    "adam64": (dense, "float64", HALF, NUMBERS, optim.Adam(optim.Cosine(0.01)), "33483ced46f3dd83"),
    "rich32": (rich, "float32", CROSS, CLASSES, optim.AdamW(ONCE), "b1d9fa348b5b2401"),
    "plain32": (rich, "float32", HALF, NUMBERS, optim.SGD(0.01), "8058e830d177b5e7"),
    "mean32": (dense, "float32", HALF, NUMBERS, MEAN, "346c2dc44014862d"),
    "rich64": (rich, "float64", HALF, NUMBERS, CLIP, "a85f3805f0ed6220"),
    "muon32": (dense, "float32", HALF, NUMBERS, optim.Muon(0.01), "02226f3d81ab1da3"),
}  # fmt: skip


def trained(name: str, threads: int = 1) -> np.ndarray:
    make, dtype, loss, y, optimizer, _ = CASES[name]
    model = make(dtype)
    gn.train(
        model, X, y, loss=loss, optimizer=optimizer, epochs=10, batch_size=70, seed=4,
        sample_weight=1 + X[:, 0] ** 2, threads=threads,
    )  # fmt: skip
    return model.W


def digest(w: np.ndarray) -> str:
    return hashlib.sha256(w.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", CASES)
def test_hashes_of_trained_weights(name: str) -> None:
    assert gn.numerics_version == 5
    assert digest(trained(name)) == CASES[name][-1]


def ways() -> Iterator[tuple[str, Any, int]]:
    for target in runnable()[1:]:
        yield (
            target.name,
            lambda t=target: on(t),
            1,
        )
    yield "2 threads", lambda: thresholds(threads=0), 2
    yield "3 threads", lambda: thresholds(threads=0), 3
    yield "without loops", lambda: thresholds(unrolling=0), 1
    yield "without products with 0", lambda: thresholds(zeros=True), 1
    yield "2 threads without them", lambda: thresholds(threads=0, zeros=True), 2


def some_ways(case: str) -> list[tuple[Any, ...]]:
    """The case by some of the ways, each with its name; by all in `make nightly`."""
    found = drawn(list(ways()), 3, case, name=lambda way: way[0])
    return [(case, *way) for way in found]


@pytest.mark.parametrize(
    ("name", "way", "context", "threads"),
    [way for case in ("adam32", "rich32", "rich64") for way in some_ways(case)],
)
def test_no_way_of_computing_moves_a_bit(name: str, way: str, context: Any, threads: int) -> None:
    plain = trained(name)
    with context():
        np.testing.assert_array_equal(trained(name, threads), plain)


@pytest.mark.parametrize("name", ["sgd32", "adam32", "plain32"])
def test_a_hundred_steps_are_near_the_float64_interpreter(name: str) -> None:
    make, dtype, loss, y, optimizer, _ = CASES[name]
    model, first = make(dtype), make(dtype).W.copy()
    gn.train(
        model, X, y, loss=loss, optimizer=optimizer, epochs=100, batch_size=ROWS, shuffle=False
    )
    (program,) = (p[0] for (key, _), p in model.programs.items() if key[0] == "step")
    plan = program.plan
    found = model.W.copy()
    model.W = first
    arrays = {"x": X.astype(dtype), "y": loss.labels(y, 2, dtype)}
    state = {**parameter_arrays(model), **memory_arrays(model, optimizer)}
    state = {name: array.astype(float) for name, array in state.items()}
    for step in range(100):
        lr = optimizer.schedule.rates(Timeline(np.array([step]), 100, 1))[0]
        now = {"rows": np.arange(ROWS, dtype=np.int32), "lr": np.float32(lr), "step": step}
        now |= {n: np.int64(0) for n in ("key0", "key1") if n in plan.graph.inputs}  # the seed
        results = interpret(plan.graph, {**arrays, **state, **now}, wide=True)
        state = {name: results[place] for name, place in plan.donate.items()}
    wanted = np.concatenate([state[f"W.{name}"].ravel() for name in model.parameters()])
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
