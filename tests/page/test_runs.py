"""Runs of a page: first weights, orders of rows and steps as in Python, and every step again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.ops import philox
from glassnet.page.fragments import INITIALIZERS, OPTIMIZERS, Built
from glassnet.training.batch_order import SHUFFLE
from tests.page.node import run
from tests.wasm.node import needs_node

pytestmark = needs_node

X = np.random.default_rng(5).normal(size=(60, 2)).astype(np.float32)
Y = (X[:, :1] * X[:, 1:] > 0).astype(np.float32)


def spec(**changes: Any) -> dict[str, Any]:
    layers = [{"activation": "Tanh", "width": 5}, {"activation": "Identity", "width": 1}]
    first = {
        "inputs": 2, "layers": layers, "loss": "HalfMSE", "optimizer": "Adam", "lr": 0.05,
        "batch": 8, "seed": 3, "shuffle": True, "initializer": "glorot_uniform", "dtype": "f32",
        "slots": {name: own.all_slots() for name, own in OPTIMIZERS.items()},
    }  # fmt: skip
    return first | changes


def model(seed: int = 3, initializer: str = "glorot_uniform") -> gn.nn.Sequential:
    first, last = gn.nn.Linear(2, 5, True, initializer), gn.nn.Linear(5, 1, True, initializer)
    return gn.nn.Sequential(first, gn.nn.Tanh(), last, seed=seed)


def page(folder: Path, built: Built, script: list[Any], **changes: Any) -> Any:
    table = {"x": X.ravel().tolist(), "y": Y.ravel().tolist(), "rows": len(X)}
    job = {"spec": spec(**changes), "table": table, "script": script}
    (found,) = run("run.mjs", folder, built, "relaxed", [job])
    return found


def python(epochs: int, optimizer: str = "Adam", lr: float = 0.05, seed: int = 3) -> np.ndarray:
    own = model(seed)
    rule = replace(OPTIMIZERS[optimizer], lr=lr)
    gn.train(
        own, X, Y, loss=gn.losses.HalfMSE(), optimizer=rule, epochs=epochs, batch_size=8, seed=seed
    )
    return own.W


def digits(weights: np.ndarray) -> str:
    return weights.tobytes().hex()


@pytest.mark.parametrize("seed", [0, 1, 2**40 + 17])
@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_first_weights(tmp_path: Path, built: Built, seed: int, initializer: str) -> None:
    found = page(tmp_path, built, [], seed=seed, initializer=initializer)
    assert found["weights"] == [digits(model(seed, initializer).W)]


def test_orders_of_rows(tmp_path: Path, built: Built) -> None:
    asked = [(n, seed, e) for n in (1, 2, 3, 10, 60, 257, 1000) for seed in (0, 7) for e in (0, 5)]
    (found,) = run("run.mjs", tmp_path, built, "exact", [{"orders": asked}])
    for (n, seed, epoch), got in zip(asked, found, strict=True):
        assert got == philox.permutation(n, seed, SHUFFLE, epoch).tolist()


def test_a_run_has_the_bits_of_train(tmp_path: Path, built: Built) -> None:
    """60 rows in batches of 8 are 8 steps an epoch, the last one with 4 rows."""
    found = page(tmp_path, built, [("train", 80), ("train", 80)])
    assert found["weights"][1:] == [digits(python(10)), digits(python(20))]
    assert found["step"] == 160


def test_any_step_again(tmp_path: Path, built: Built) -> None:
    steps = [300, 299, 40, 256, 257, 0, 300, 8]
    script = [("train", 300), *(("seek", step) for step in steps)]
    found = page(tmp_path, built, script)
    first = dict(zip(steps, found["weights"][2:], strict=True))
    assert first[300] == found["weights"][1]
    assert first[0] == found["weights"][0]
    assert [first[8], first[40], first[256]] == [digits(python(n)) for n in (1, 5, 32)]


def test_going_back_and_forth_takes_no_more_memory(tmp_path: Path, built: Built) -> None:
    script = [("train", 40), *[("seek", 3), ("seek", 30)] * 20]
    few = page(tmp_path, built, script[:3])["memory"]
    assert page(tmp_path, built, script)["memory"] == few


def test_a_change_is_part_of_the_run(tmp_path: Path, built: Built) -> None:
    """From step 24 on another rate; from step 40 on another rule. Both again after going back."""
    script = [
        ("train", 24), ("change", {"settings": {"lr": 0.01}}), ("train", 16),
        ("change", {"settings": {"optimizer": "SGD"}}), ("train", 24), ("seek", 30), ("seek", 64),
    ]  # fmt: skip
    found = page(tmp_path, built, script)["weights"]
    own = model()
    step = gn.Step(own, loss=gn.losses.HalfMSE(), optimizer=gn.optim.Adam(0.05), seed=3)
    orders = [philox.permutation(60, 3, SHUFFLE, epoch) for epoch in range(8)]
    batches = [o[i : i + 8] for o in orders for i in range(0, 60, 8)]
    for number, rows in enumerate(batches):
        if number == 24:
            state = step.state()
            step = gn.Step(own, loss=gn.losses.HalfMSE(), optimizer=gn.optim.Adam(0.01))
            step.restore(state)
        if number == 40:
            step = gn.Step(own, loss=gn.losses.HalfMSE(), optimizer=gn.optim.SGD(0.01))
        step(X[rows], Y[rows])
    assert found[5] == digits(own.W)
    assert found[7] == digits(own.W)


def test_weights_by_hand_are_part_of_the_run(tmp_path: Path, built: Built) -> None:
    script = [
        ("train", 8), ("change", {"weights": [0.1] * 21}), ("train", 1), ("seek", 2), ("seek", 9),
    ]  # fmt: skip
    found = page(tmp_path, built, script)["weights"]
    assert found[2] == digits(np.full(21, 0.1, np.float32))
    assert found[3] == found[5] != found[2]


def test_what_came_later_is_forgotten(tmp_path: Path, built: Built) -> None:
    change = {"settings": {"lr": 0.2}}
    script = [("train", 30), ("seek", 8), ("change", change), ("train", 8)]
    found = page(tmp_path, built, script)
    assert (found["step"], len(found["losses"])) == (16, 16)
    assert found["weights"][-1] != digits(python(2))
