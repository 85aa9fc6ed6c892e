"""Optimisers against PyTorch's, over the settings that PyTorch tests its own with; needs torch.

Every configuration of its `optim_db` is followed for 100 steps, on a least-squares problem and on a
network whose biases are a group of their own; so is each way in which PyTorch carries it out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError
from glassnet.ops import philox
from glassnet.optim.schedule import Timeline
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
INFOS = [info for info in database.optim_db if info.optim_cls.__name__ in OURS]

# PyTorch's arguments that are none of ours, and why
NOT_OURS = {
    "params": "W of the model that is trained",
    "foreach": "how it is carried out, not what is computed: all parameters at once",
    "fused": "how it is carried out: as one kernel, as ours always is",
    "differentiable": "how it is carried out: so that one can differentiate through the update",
    "capturable": "how it is carried out: in a graph of CUDA's; no configuration for processors",
    "decoupled_weight_decay": "Adam with this is AdamW",
}
NAMES = {"initial_accumulator_value": ("initial",), "betas": ("beta1", "beta2")}
# ours that PyTorch has outside its optimisers: clip_grad_norm_, groups of params, AveragedModel
OURS_ALONE = {"clip_norm", "groups", "average"}

# what PyTorch computes otherwise: then 1 − βᵗ in float32, whatever the parameters are
ROUNDED = {("Adam", "differentiable"), ("AdamW", "differentiable")}

Settings = dict[str, Any]


def plain(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value


def ours(name: str, kwargs: Settings, **other: Any) -> Any:
    """Our optimiser with PyTorch's settings."""
    settings: Settings = {"lr": 1e-3} if name == "SGD" else {}
    for key, value in kwargs.items():
        if key not in NOT_OURS:
            given = value if isinstance(value, tuple) else (value,)
            settings.update(zip(NAMES.get(key, (key,)), map(plain, given), strict=True))
    return OURS[name](**settings, **other)


def configurations(ways: bool = False) -> list[tuple[str, Settings]]:
    """What PyTorch tests its optimisers with; with `ways`, in each way of carrying it out."""
    found: list[tuple[str, Settings]] = []
    for info in INFOS:
        for entry in info.optim_inputs_func(device="cpu", dtype=torch.float64):
            name = info.optim_cls.__name__
            assert entry.params is None
            more = [way for way in info.supported_impls if (name, way) not in ROUNDED]
            found += [(name, {**entry.kwargs, way: True}) for way in more if ways]
            found += [] if ways else [(name, entry.kwargs)]
    return found


def ids(cases: list[tuple[str, Settings]]) -> list[str]:
    return [f"{name}-{settings}" for name, settings in cases]


def followed(groups: list[Settings], loss: Callable[..., Any], make: Any) -> np.ndarray:
    """The parameters after each step of PyTorch's optimiser, which is given their gradients."""
    params = [p for group in groups for p in group["params"]]
    optimizer = make(groups)
    scheduler = None
    if isinstance(optimizer, tuple):
        optimizer, scheduler = optimizer
    seen = []
    for _ in range(STEPS):
        values = [p.detach().clone().requires_grad_() for p in params]
        for p, g in zip(params, torch.autograd.grad(loss(*values), values), strict=True):
            p.grad = g
        optimizer.step()
        if scheduler:
            scheduler.step()
        seen.append(np.concatenate([p.numpy().ravel() for p in params]))
    return np.array(seen)


def theirs(make: Any) -> np.ndarray:
    x, y = torch.tensor(X), torch.tensor(Y)
    w = torch.tensor(START.reshape(3, 2).copy())
    return followed([{"params": [w]}], lambda w: ((x @ w - y) ** 2).sum() / 16, make)


CASES = configurations()
WAYS = configurations(ways=True)
CACHE: dict[str, np.ndarray] = {}


def mine(optimizer: Any) -> np.ndarray:
    """The trajectory of one of ours, computed once for all of PyTorch's ways."""
    if repr(optimizer) not in CACHE:
        CACHE[repr(optimizer)] = trajectory(optimizer)
    return CACHE[repr(optimizer)]


def test_there_are_configurations_of_every_optimiser() -> None:
    assert sorted({name for name, _ in CASES}) == sorted(OURS)
    assert len(CASES) >= 34  # as many as PyTorch 2.13 has


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.optim_cls.__name__)
def test_every_argument_of_pytorch_is_ours_or_has_a_reason(info: Any) -> None:
    name = info.optim_cls.__name__
    own = {field.name for field in fields(OURS[name])}
    accepted = set(inspect.signature(info.optim_cls).parameters)
    used = {key for case, kwargs in CASES if case == name for key in kwargs}
    translated = {new for key in accepted | used for new in NAMES.get(key, (key,))}
    assert translated - own - set(NOT_OURS) == set()
    assert own - translated == OURS_ALONE


@pytest.mark.parametrize(("name", "kwargs"), [*CASES, *WAYS], ids=ids([*CASES, *WAYS]))
def test_trajectory(name: str, kwargs: Settings) -> None:
    wanted = theirs(lambda w: getattr(torch.optim, name)(w, **kwargs))
    # the quadratic problem is left at the speed of eˣ when its loss is maximised: relative error
    np.testing.assert_allclose(mine(ours(name, kwargs)), wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("name", "way"), sorted(ROUNDED))
def test_what_pytorch_rounds_otherwise_differs_from_its_own(name: str, way: str) -> None:
    kind = getattr(torch.optim, name)
    default, rounded = theirs(kind), theirs(lambda w: kind(w, **{way: True}))
    np.testing.assert_allclose(rounded, default, rtol=1e-5)
    assert (np.abs(rounded - default) > 1e-9).any()


# Settings away from their defaults that no configuration of PyTorch's has
MORE: list[tuple[str, Settings]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.2, "weight_decay": 0.3}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.8), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.9), "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.1, "betas": (0.7, 0.9), "weight_decay": 0.0, "amsgrad": True}),
    ("RMSprop", {"lr": 1e-3, "alpha": 0.5, "eps": 1e-4, "momentum": 0.9}),
    ("Adagrad", {"lr": 0.5, "eps": 1e-2, "lr_decay": 0.1, "maximize": True}),
]


@pytest.mark.parametrize(("name", "kwargs"), MORE, ids=ids(MORE))
def test_more_settings(name: str, kwargs: Settings) -> None:
    wanted = theirs(lambda w: getattr(torch.optim, name)(w, **kwargs))
    np.testing.assert_allclose(mine(ours(name, kwargs)), wanted, rtol=1e-10, atol=1e-12)


def test_adam_with_decoupled_decay_is_adamw() -> None:
    kwargs = {"lr": 0.1, "weight_decay": 0.2}
    wanted = theirs(lambda w: torch.optim.Adam(w, decoupled_weight_decay=True, **kwargs))
    np.testing.assert_allclose(mine(ours("AdamW", kwargs)), wanted, rtol=1e-10, atol=1e-12)


def refused() -> list[tuple[str, Settings]]:
    """The settings that PyTorch's tests say are wrong, where they are plain numbers."""
    found: list[tuple[str, Settings]] = []
    for info in INFOS:
        for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float64):
            kwargs = error.optimizer_error_input.kwargs
            values = [v for x in kwargs.values() for v in (x if isinstance(x, tuple) else (x,))]
            if kwargs and all(isinstance(v, float | int) for v in values):
                found.append((info.optim_cls.__name__, kwargs))
    return found


@pytest.mark.parametrize(("name", "kwargs"), refused(), ids=ids(refused()))
def test_what_pytorch_refuses_is_refused(name: str, kwargs: Settings) -> None:
    with pytest.raises(ValueError, match="Invalid"):
        getattr(torch.optim, name)([torch.zeros(1)], **kwargs)
    with pytest.raises(GlassnetError, match="use"):
        ours(name, kwargs)


MUON: list[Settings] = [
    {},
    {"lr": 0.02, "weight_decay": 0.0},
    {"lr": 0.01, "momentum": 0.5, "nesterov": False, "ns_steps": 3},
    {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw", "momentum": 0.9},
]


@pytest.mark.parametrize("kwargs", MUON, ids=str)
def test_muon(monkeypatch: pytest.MonkeyPatch, kwargs: Settings) -> None:
    """PyTorch's works on weights [fan_out, fan_in], and rounds to bfloat16, which is left out here,
    so that all digits can be compared."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    x, y = torch.tensor(X), torch.tensor(Y)
    w = torch.tensor(START.reshape(3, 2).T.copy())
    seen = followed(
        [{"params": [w]}], lambda w: ((x @ w.T - y) ** 2).sum() / 16,
        lambda groups: torch.optim.Muon(groups, **kwargs),
    )  # fmt: skip
    wanted = seen.reshape(STEPS, 2, 3).transpose(0, 2, 1).reshape(STEPS, 6)
    own = {"lr": 1e-3, "weight_decay": 0.1, **kwargs}
    own["match_rms"] = own.pop("adjust_lr_fn", None) is not None
    own["steps"] = own.pop("ns_steps", 5)
    np.testing.assert_allclose(mine(gn.optim.Muon(**own)), wanted, rtol=1e-9, atol=1e-12)


# -- a network whose biases learn at half the rate and do not decay -------------------------------

nn = gn.nn
SHAPES = ((3, 4), (4,), (4, 2), (2,))
# From some starts a change by one bit grows to 1e-5 in 100 steps of maximising, in PyTorch's own
# trajectory too; from this one to less than 1e-12.
FIRST = philox.normal(12 + 4 + 8 + 2, 6)


def network() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), dtype="float64")
    model.W = FIRST
    return model


def in_groups(name: str, kwargs: Settings) -> np.ndarray:
    """PyTorch's parameters after every step, in the order of W."""
    parts = np.split(FIRST, np.cumsum([np.prod(shape) for shape in SHAPES])[:-1])
    w1, b1, w2, b2 = (torch.tensor(p.reshape(s).copy()) for p, s in zip(parts, SHAPES, strict=True))
    x, y = torch.tensor(X), torch.tensor(Y)
    halved = ours(name, kwargs).lr / 2
    groups = [{"params": [w1, w2]}, {"params": [b1, b2], "lr": halved, "weight_decay": 0.0}]

    def loss(w1: Any, w2: Any, b1: Any, b2: Any) -> Any:
        return ((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).sum() / 16

    seen = followed(groups, loss, lambda g: getattr(torch.optim, name)(g, **kwargs))
    return np.concatenate([seen[:, :12], seen[:, 20:24], seen[:, 12:20], seen[:, 24:]], axis=1)


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=ids(CASES))
def test_groups_of_parameters(name: str, kwargs: Settings) -> None:
    model = network()
    seen: list[np.ndarray] = []

    class Watch(gn.callbacks.Callback):
        def epoch_end(self, run: Any) -> None:
            seen.append(model.W.copy())

    optimizer = ours(name, kwargs, groups=(gn.optim.Group("*.bias", lr=0.5, decay=0.0),))
    gn.train(
        model, X, Y, loss=gn.losses.HalfMSE(), optimizer=optimizer, epochs=STEPS, batch_size=8,
        shuffle=False, callbacks=[Watch()],
    )  # fmt: skip
    np.testing.assert_allclose(seen, in_groups(name, kwargs), rtol=1e-10, atol=1e-12)


def test_one_cycle() -> None:
    def make(params: Any) -> Any:
        optimizer = torch.optim.SGD(params, lr=0.1)
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=STEPS + 1, cycle_momentum=False
        )

    wanted = theirs(make)
    w = START.copy()
    found = []
    for lr in gn.optim.OneCycle(0.1).rates(Timeline(np.arange(STEPS), STEPS + 1, 1)):
        w = w - lr * slope(w)
        found.append(w)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
