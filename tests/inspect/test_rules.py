"""The update that is told of a weight: every line, worked out as written in the dtype of the model,
gives the number that it says, and the last one the recorded weight: to the bit, where the step
computes what is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.inspect.opened_step import OpenStep
from glassnet.inspect.render import text
from tests.record.common import HALF, data, network

optim = gn.optim
WEIGHT, PLACE = "linear1.weight[2,3]", (2, 3)
NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
SIGNS = (("·", "*"), ("−", "-"), ("^", "**"), ("√", "sqrt"))
RULE_SETTINGS = (
    optim.SGD(0.1),
    optim.SGD(0.1, weight_decay=0.3),
    optim.SGD(0.1, maximize=True, weight_decay=0.2),
    optim.SGD(0.1, groups=(optim.Group("linear1.*", lr=0.25, decay=3.0),), weight_decay=0.1),
    optim.SGD(0.1, momentum=0.9),
    optim.SGD(0.1, momentum=0.9, dampening=0.3),
    optim.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.3),
    optim.SGD(optim.Exponential(0.1), momentum=0.9, average=0.9),
    optim.RMSprop(0.01),
    optim.RMSprop(0.01, centered=True, momentum=0.5, alpha=0.9),
    optim.RMSprop(0.01, weight_decay=0.5, momentum=0.3),
    optim.Adagrad(0.1),
    optim.Adagrad(0.1, lr_decay=0.2, initial=0.5, weight_decay=0.1),
)
# The step corrects Adam's means with fewer divisions, and clips by a norm of its own sum.
NEARLY = (
    optim.SGD(0.1, clip_norm=0.01),
    optim.SGD(0.1, momentum=0.9, clip_norm=0.05),
    optim.RMSprop(0.1, clip_norm=0.01, weight_decay=0.2),
    optim.Adam(0.01),
    optim.Adam(0.01, weight_decay=0.2, average=0.9),
    optim.Adam(0.01, amsgrad=True),
    optim.AdamW(0.01, weight_decay=0.3),
)


def opened(path: Path, optimizer: Any, dtype: str = "float32", batch: int = 3) -> OpenStep:
    x, y = data()
    gn.train(network(dtype), x, y, loss=HALF, optimizer=optimizer, epochs=1, batch_size=16,
             seed=5, record=path)  # fmt: skip
    return gn.open_step(path, batch=batch)


def value(formula: str, number: Any, names: dict[str, Any]) -> Any:
    """A formula as it is written, in numbers of one type; 1 − a setting is a setting."""

    def typed(own: re.Match[str]) -> str:
        return f"number({own[2] or repr(1 - float(own[1]))})"

    formula = re.sub(rf"\(1 − ({NUMBER})\)|(?<![\w.])({NUMBER})", typed, formula)
    formula = re.sub(r"√(number\([^)]*\))", r"√(\1)", formula)
    formula = re.sub(r"(\bg|number\([^)]*\)|\(-number\([^)]*\)\))²", r"square(\1)", formula)
    for sign, python in SIGNS:
        formula = formula.replace(sign, python)
    known = {"number": number, "sqrt": np.sqrt, "square": lambda x: x * x, "max": np.maximum}
    return eval(formula, {"__builtins__": {}}, {**known, **names})


def wrong(step: OpenStep, weight: str, rel: float = 0.0) -> list[str]:
    """The lines of an update that do not give the number they say, and w where that is another."""
    name, _, place = weight.partition("[")
    at = tuple(map(int, place.rstrip("]").split(",")))
    own = step.parameters[name]
    kind = own.before.dtype.type
    names: dict[str, Any] = {}
    found: list[str] = []
    new: Any = None

    def alike(a: Any, b: Any) -> bool:
        return a == b if not rel else a == pytest.approx(b, rel=rel, abs=1e-7)

    for line in text.weight(step, weight).rpartition("\n\n")[2].split("\n"):
        if line.startswith("g = "):
            parts = re.split(" ≈ | = ", line.partition(": ")[0])
            names["g"] = value(parts[-1] if "≈" in line else parts[1], kind, names)
            exact = len(parts) == 3 and "≈" not in line
            found += [] if not exact or alike(names["g"], kind(parts[2])) else [line]
        elif line.startswith("w ← "):
            new = value(line.rpartition(" = ")[2], kind, names)
        elif " ← " in line:
            _, numbers, said = line.split(" = ")
            found += [] if alike(value(numbers, kind, names), kind(said)) else [line]
    moved, seen = (float(w) - float(own.before[at]) for w in (new, own.after[at]))
    return found if alike(moved, seen) else [*found, f"w is {own.after[at]}, not {new}"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", RULE_SETTINGS, ids=repr)
def test_the_formulas_give_the_numbers(optimizer: Any, dtype: str, tmp_path: Path) -> None:
    for batch in (1, 4):
        step = opened(tmp_path / f"{batch}.glass", optimizer, dtype, batch)
        assert not wrong(step, WEIGHT)


@pytest.mark.parametrize("optimizer", NEARLY, ids=repr)
def test_the_formulas_give_the_numbers_nearly(optimizer: Any, tmp_path: Path) -> None:
    assert not wrong(opened(tmp_path / "run.glass", optimizer), WEIGHT, rel=2e-4)


@pytest.mark.parametrize(
    "settings", [{"solver": "sgd"}, {"solver": "sgd", "nesterovs_momentum": False}, {}], ids=str
)
def test_the_rules_of_the_estimators(settings: Any, tmp_path: Path) -> None:
    x, y = data()
    path = tmp_path / "run.glass"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three epochs are not enough to converge
        gn.MLPClassifier(
            (4,), max_iter=3, batch_size=16, random_state=0, record=path, **settings
        ).fit(x, y[:, 0] > 0)
    for batch in (1, 3):
        assert not wrong(gn.open_step(path, epoch=2, batch=batch), "linear1.weight[2,3]")


def test_every_optimiser_is_written_out() -> None:
    kinds = {own for own in vars(optim).values() if isinstance(own, type)}
    rules = {own for own in kinds if issubclass(own, optim.Optimizer)} - {optim.Optimizer}
    rules -= {optim.Muon}  # one number of a matrix does not follow from its own slope
    assert all(own().formulas(1) for own in rules)


PLANTED: tuple[tuple[Any, Callable[[str], str]], ...] = (
    (optim.SGD(0.1), lambda line: line.replace("w − η", "w + η")),
    (optim.SGD(0.1, momentum=0.9), lambda line: line.replace("0.9·v", "0.8·v")),
    (optim.SGD(0.1, momentum=0.9, nesterov=True), lambda line: line.replace("(g + ", "(v + ")),
    (optim.RMSprop(0.01), lambda line: line.replace(" + 1e-08", " + 1e-04")),
    (optim.Adagrad(0.1, lr_decay=0.2), lambda line: line.replace("(t − 1)", "t")),
    (optim.Adam(0.01), lambda line: line.replace("g²", "g")),
)


@pytest.mark.parametrize(("optimizer", "change"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_error_is_seen(
    optimizer: Any, change: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = opened(tmp_path / "run.glass", optimizer)
    assert not wrong(step, WEIGHT, rel=2e-4)
    right = type(optimizer).formulas
    changed = lambda own, t: [change(line) for line in right(own, t)]  # noqa: E731
    monkeypatch.setattr(type(optimizer), "formulas", changed)
    assert wrong(step, WEIGHT, rel=2e-4)


def test_momentum_reads_as_it_is_taught(tmp_path: Path) -> None:
    step = opened(tmp_path / "run.glass", optim.SGD(0.1, momentum=0.9, nesterov=True))
    own = step.parameters["linear1.weight"]
    assert own.slope is not None
    old, new = (repr(float(str(v[PLACE]))) for v in step.memory["v.linear1.weight"])
    g, w = str(own.slope[PLACE]), str(own.before[PLACE])
    old, bold, bg = (f"({own})" if own.startswith("-") else own for own in (old, new, g))
    told = text.weight(step, WEIGHT)
    assert f"v ← 0.9·v + ∂L/∂w = 0.9·{old} + {bg} = {new}" in told
    assert f"w ← w − η·(∂L/∂w + 0.9·v) = {w} − 0.1·({bg} + 0.9·{bold})" in told


@dataclass(frozen=True)
class Damped(optim.SGD):
    """w ← w − ½·η·g."""

    def update(self, w: Any, g: Any, memory: Any, now: Any) -> Any:
        return w - 0.5 * now.lr * g, {"v": memory["v"] + g}


def test_rules_that_are_not_written_out_say_what_they_are(tmp_path: Path) -> None:
    """A rule made from another one is not told by that one's formulas."""
    path, optimizer = tmp_path / "run.glass", Damped(0.1, momentum=0.5, weight_decay=0.5)
    x, y = data()
    gn.train(network(), x, y, loss=HALF, optimizer=optimizer, epochs=1, record=path)
    step = gn.open_step(path, batch=2, optimizer=optimizer)
    told = text.weight(step, WEIGHT)
    assert "Damped of g: w ← w − ½·η·g." in told
    assert "with the weight decay" in told
    old, new = (own[PLACE] for own in step.memory["v.linear1.weight"])
    assert f"v: {old!s} → {new!s}" in told
