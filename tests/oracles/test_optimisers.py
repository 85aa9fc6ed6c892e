"""Optimisers against PyTorch's, over the settings that PyTorch tests its own with; needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.optim.schedule import Course
from tests.optim.common import START, STEPS, X, Y, slope, trajectory

torch = pytest.importorskip("torch")
database = pytest.importorskip("torch.testing._internal.common_optimizers")

OURS = {
    "SGD": gn.optim.SGD,
    "Adam": gn.optim.Adam,
    "AdamW": gn.optim.AdamW,
    "RMSprop": gn.optim.RMSprop,
    "Adagrad": gn.optim.Adagrad,
}
# how PyTorch's optimisers are carried out, not what they compute
CARRIED_OUT = {"foreach", "fused", "capturable", "differentiable"}
NAMES = {"initial_accumulator_value": "initial"}


def configurations() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for info in database.optim_db:
        name = info.optim_cls.__name__
        if name in OURS:
            for entry in info.optim_inputs_func(device="cpu", dtype=torch.float64):
                kwargs = {k: v for k, v in entry.kwargs.items() if k not in CARRIED_OUT}
                found.append((name, kwargs))
    return found


def plain(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value


def ours(name: str, kwargs: dict[str, Any]) -> Any:
    settings: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key == "betas":
            settings["beta1"], settings["beta2"] = map(plain, value)
        else:
            settings[NAMES.get(key, key)] = plain(value)
    if name == "SGD":
        settings.setdefault("lr", 1e-3)
    return OURS[name](**settings)


def theirs(optimizer_of: Any, scheduler_of: Any = None) -> np.ndarray:
    w = torch.tensor(START.reshape(3, 2), requires_grad=True)
    x, y = torch.tensor(X), torch.tensor(Y)
    optimizer = optimizer_of([w])
    scheduler = scheduler_of(optimizer) if scheduler_of else None
    seen = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        (((x @ w - y) ** 2).sum() / 16).backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        seen.append(w.detach().numpy().ravel().copy())
    return np.array(seen)


CASES = configurations()


def test_there_are_configurations() -> None:
    assert {name for name, _ in CASES} == set(OURS)
    assert len(CASES) > 30


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=[f"{n}-{k}" for n, k in CASES])
def test_trajectory(name: str, kwargs: dict[str, Any]) -> None:
    wanted = theirs(lambda w: getattr(torch.optim, name)(w, **kwargs))
    # the quadratic problem is left at the speed of eˣ when its loss is maximised: relative error
    np.testing.assert_allclose(trajectory(ours(name, kwargs)), wanted, rtol=1e-10, atol=1e-14)


def test_one_cycle() -> None:
    def scheduler(optimizer: Any) -> Any:
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=STEPS + 1, cycle_momentum=False
        )

    wanted = theirs(lambda w: torch.optim.SGD(w, lr=0.1), scheduler)
    schedule = gn.optim.OneCycle(0.1)
    w = START.copy()
    found = []
    lrs = schedule.rates(Course(np.arange(STEPS), STEPS + 1, 1))
    for lr in lrs:
        w = w - lr * slope(w)
        found.append(w)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
