"""This package as a contender.

In: a case and its data. Out: functions that do one turn of it; `weights` reads the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import glassnet as gn
from glassnet.training.programs import step_program
from glassnet.training.step_graph import memory_arrays, parameter_arrays

from .cases import LR, Case, Data, Run

LONG = 1 << 40  # steps


def network(case: Case, data: Data | None = None) -> Any:
    """The model, with the first weights of the data."""
    layers: list[Any] = []
    for a, b in zip(case.sizes, case.sizes[1:], strict=False):
        layers += [gn.nn.Linear(a, b), gn.nn.Sigmoid() if case.task == "sgd" else gn.nn.ReLU()]
    model = gn.nn.Sequential(*layers[:-1])
    if data is not None:
        model.W = np.concatenate([part.ravel() for pair in data.layers for part in pair])
    return model


def rules(case: Case) -> tuple[Any, Any]:
    """Loss and optimiser."""
    if case.task == "sgd":
        return gn.losses.HalfMSE(), gn.optim.SGD(lr=LR["sgd"])
    return gn.losses.CrossEntropy(), gn.optim.Adam(lr=LR["adam"])


def train(case: Case, data: Data, threads: int = 1) -> tuple[Run, Any]:
    """Whole epochs by `gn.train`, with everything it does around the steps."""
    model = network(case, data)
    loss, optimizer = rules(case)
    epochs = case.steps // case.batches

    def run() -> None:
        gn.train(
            model, data.x, data.y, loss=loss, optimizer=optimizer, epochs=epochs,
            batch_size=case.batch, shuffle=False, threads=threads,
        )  # fmt: skip

    return run, model


def steps(case: Case, data: Data, threads: int = 1) -> tuple[Run, Any]:
    """The same steps in one call of the compiled program, as part of a training so long that
    compiling for known widths pays: the peers' compilers always do that."""
    model = network(case, data)
    loss, optimizer = rules(case)
    program = step_program(model, loss, optimizer, case.sizes[0], False, 0)
    lr = np.full(case.steps, optimizer.lr, np.float32)
    rows = np.arange(case.steps * case.batch) % len(data.x)
    arrays = {
        "x": data.x,
        "y": data.y if case.task == "sgd" else data.y.astype(np.int32),
        "rows": rows.astype(np.int32).reshape(case.steps, case.batch),
        "lr": lr,
        "step": np.arange(case.steps),
        **parameter_arrays(model),
        **memory_arrays(model, optimizer),
    }
    return program.prepare(arrays, case.steps, threads, ahead=LONG), model


def weights(model: Any) -> np.ndarray:
    return model.W
