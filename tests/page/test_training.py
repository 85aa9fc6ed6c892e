"""What a page trains: every activation, loss and optimiser of its menu ends with the weights of
`gn.train`, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import glassnet as gn
from glassnet.llvm.wasm import Mode
from glassnet.ops import philox
from glassnet.page.fragments import ACTIVATIONS, LOSSES, OPTIMIZERS, Built, build
from glassnet.training.batch_order import SHUFFLE
from tests.page.node import run
from tests.wasm.node import needs_node

ROWS, COLUMNS, EPOCHS = 23, 3, 50  # 200 steps of 7 rows
SHORT = {"float32": "f32", "float64": "f64"}

pytestmark = needs_node


@dataclass(frozen=True)
class Case:
    """Activations and widths of the layers, and what trains them on batches of so many rows."""

    layers: Sequence[tuple[str, int]]
    loss: str = "HalfMSE"
    optimizer: str = "SGD"
    batch: int = 7
    lr: float = 0.03


MENU = [
    *(Case([(name, 4), ("Tanh", 3), ("Identity", 1)]) for name in ACTIVATIONS),
    *(Case([("Tanh", 4), ("Identity", 3)], loss=name, optimizer="Adam") for name in LOSSES),
    *(Case([("Tanh", 4), ("Identity", 1)], loss=n, batch=5) for n in LOSSES if n != "CrossEntropy"),
    *(Case([("ReLU", 5), ("Identity", 2)], "CrossEntropy", name, 23) for name in OPTIMIZERS),
    Case([("Identity", 1)]),
    Case([("Tanh", 6)] * 6 + [("Identity", 10)], "CrossEntropy", "Adam", 12),
]


def labels(case: Case, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    if case.loss in ("CrossEntropy", "Hinge"):
        return rng.integers(0, max(width, 2), ROWS).astype(np.int32)
    if case.loss == "BCEWithLogits":
        return rng.integers(0, 2, (ROWS, width)).astype(np.float64)
    if case.loss == "PoissonNLL":
        return rng.integers(0, 5, (ROWS, width)).astype(np.float64)
    return rng.normal(size=(ROWS, width))


def model_of(case: Case, dtype: str) -> tuple[gn.nn.Sequential, list[dict[str, Any]]]:
    """The network in Python, and as the page describes it."""
    layers: list[Any] = []
    told: list[dict[str, Any]] = []
    before = COLUMNS
    for name, width in case.layers:
        own = ACTIVATIONS[name]
        if own.parameter_specs():
            own = type(own)(width=width)  # type: ignore[call-arg]
        first = {n: 0.25 if name == "PReLU" else float(n == "slope") for n in own.parameter_specs()}
        layers += [gn.nn.Linear(before, width), *([own] if name != "Identity" else [])]
        told.append({"activation": name, "width": width, "parameters": first})
        before = width
    return gn.nn.Sequential(*layers, seed=4, dtype=dtype), told


def job(case: Case, dtype: str) -> tuple[dict[str, Any], np.ndarray]:
    """What the page trains, and the weights that Python ends with."""
    x = np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(dtype)
    model, layers = model_of(case, dtype)
    y = labels(case, case.layers[-1][1])
    optimizer = replace(OPTIMIZERS[case.optimizer], lr=case.lr)
    orders = [philox.permutation(ROWS, 0, SHUFFLE, epoch) for epoch in range(EPOCHS)]
    if case.batch >= ROWS:  # one batch has all rows, in their order
        orders = [np.arange(ROWS)] * EPOCHS
    spec = {
        "inputs": COLUMNS, "layers": layers, "loss": case.loss, "optimizer": case.optimizer,
        "lr": case.lr, "dtype": SHORT[dtype], "slots": optimizer.all_slots(),
    }  # fmt: skip
    batches = [o[i : i + case.batch].tolist() for o in orders for i in range(0, ROWS, case.batch)]
    told = {
        "spec": spec, "weights": model.W.tolist(), "x": x.ravel().tolist(),
        "y": y.ravel().tolist(), "rows": ROWS, "batches": batches,
    }  # fmt: skip
    gn.train(
        model, x, y, loss=LOSSES[case.loss], optimizer=optimizer, epochs=EPOCHS,
        batch_size=case.batch,
    )  # fmt: skip
    return told, model.W


def trained(folder: Path, made: Built, mode: Mode, jobs: Sequence[Any]) -> list[dict[str, Any]]:
    return run("train.mjs", folder, made, mode, jobs)


def assert_same(
    cases: Sequence[Case], results: Sequence[Any], wanted: Sequence[np.ndarray]
) -> None:
    for case, got, weights in zip(cases, results, wanted, strict=True):
        assert got["weights"] == weights.tobytes().hex(), case


def test_every_entry_of_the_menu_has_the_bits_of_python(tmp_path: Path, built: Built) -> None:
    jobs, wanted = zip(*(job(case, "float32") for case in MENU), strict=True)
    for mode in built.modules:
        assert_same(MENU, trained(tmp_path, built, mode, jobs), wanted)


def test_float64_has_the_bits_of_python(tmp_path: Path) -> None:
    cases = [MENU[0], MENU[-1], Case([("ParametricSigmoid", 4), ("Identity", 1)])]
    made = build("float64", ("exact",))
    jobs, wanted = zip(*(job(case, "float64") for case in cases), strict=True)
    assert_same(cases, trained(tmp_path, made, "exact", jobs), wanted)


def test_another_weight_is_noticed(tmp_path: Path, built: Built) -> None:
    """The planted error: the last bit of one first weight."""
    told, weights = job(MENU[0], "float32")
    told["weights"][0] = float(np.nextafter(np.float32(told["weights"][0]), np.float32(9)))
    (got,) = trained(tmp_path, built, "relaxed", [told])
    assert got["weights"] != weights.tobytes().hex()
