"""How an optimiser made the new weight, with the numbers put in.

In: an `OpenStep` and one weight of it. Out: lines, from ∂L/∂w to w. `RULES` has what each rule
does, once; letters and numbers are both written from it. A rule that is not there is told by its
own description and by its memory before and after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.inspect.blocks import exact, factor
from glassnet.inspect.figures import WeightFigures
from glassnet.optim.adam import Adam, AdamW
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.rms import Adagrad, RMSprop
from glassnet.optim.scikit import ScikitAdam, ScikitSGD
from glassnet.optim.sgd import SGD

if TYPE_CHECKING:
    from glassnet.inspect.opened import OpenStep

NAME = re.compile("(?<![\\w.])[^\\W\\d_²]+\u0302?")  # of a number in a formula: w, g, v̂, mean


def update_lines(step: OpenStep, own: WeightFigures) -> list[str]:
    """From the gradient of the loss to the gradient that the rule sees, its memory, and w."""
    optimizer: Optimizer = step.optimizer
    group = optimizer.group(own.parameter)
    before, rate, decay = exact(own.before), exact(step.lr), optimizer.weight_decay * group.decay
    lines, g = _seen(step, own, decay)
    if group.lr != 1.0:
        rate = f"({rate}·{group.lr})"
    if isinstance(optimizer, AdamW) and decay:
        lines.append(f"w·(1 − η·{decay}) takes the place of w = {before}: decay beside the rule")
        before = f"{factor(own.before)}·(1 − {rate}·{decay})"
    name = "g" if any(line.startswith("g = ") for line in lines) else "∂L/∂w"
    numbers = {"w": before, "η": rate, "g": g, "t": str(step.step)}
    lines += _rule(optimizer, own, numbers, name)
    if optimizer.average:
        numbers |= {"w": factor(own.after), "average": factor(own.memory["average"][0])}
        beta = optimizer.average
        formula = f"average ← {beta}·average + (1 − {beta})·w"
        lines += told([formula], numbers, name, own.memory)
        lines.append(f"the model has average/(1 − {beta}^t) when an epoch ends")
    return lines


def _seen(step: OpenStep, own: WeightFigures, decay: float) -> tuple[list[str], str]:
    """What is done to the gradient before the rule sees it, and the number that it sees: of a
    clipped one only its name, since the norm is not one of the step's numbers."""
    optimizer: Optimizer = step.optimizer
    lines: list[str] = []
    g, told, clipped = own.slope, factor(own.slope), optimizer.clip_norm is not None
    if optimizer.clip_norm is not None:
        slopes = [p.slope for p in step.parameters.values() if p.slope is not None]
        total = float(np.sqrt(sum(float(np.square(s.astype(float)).sum()) for s in slopes)))
        scale = min(optimizer.clip_norm / (total + 1e-6), 1.0)
        lines.append(
            f"g = ∂L/∂w·min({optimizer.clip_norm}/(‖∂L/∂W‖ + 1e-6), 1) ≈ {told}·{scale:.9g}"
        )
        told = "g"
    if optimizer.maximize:
        lines.append(f"g = −{told}: it climbs")
        g, told = -g, "g" if clipped else factor(-g)
    if decay and not isinstance(optimizer, AdamW):
        g = g + decay * own.before
        end = "" if clipped else f" = {exact(g)}"
        lines.append(f"g = {told} + {decay}·{factor(own.before)}{end}: with the weight decay")
        told = "g" if clipped else factor(g)
    return lines, told


def _rule(
    optimizer: Optimizer, own: WeightFigures, numbers: Mapping[str, str], name: str
) -> list[str]:
    """The rule itself; `name` is what its gradient is called."""
    memory = {slot: numbers for slot, numbers in own.memory.items() if slot != "average"}
    if type(optimizer) in RULES:
        formulas = RULES[type(optimizer)](optimizer, int(numbers["t"]))
        held = {slot: factor(old) for slot, (old, _) in memory.items()}
        return told(formulas, {**numbers, **held}, name, memory)
    rule = " ".join((type(optimizer).__doc__ or type(optimizer).__name__).split())
    changes = [f"{slot}: {exact(old)} → {exact(new)}" for slot, (old, new) in memory.items()]
    return [f"{type(optimizer).__name__} of {name}: {rule}", *changes]


def told(
    formulas: list[str],
    numbers: Mapping[str, str],
    name: str,
    memory: Mapping[str, tuple[Any, Any]],
) -> list[str]:
    """Formulas with numbers in place of their letters. What one sets, "v ← …", the next ones read;
    "m̂ = …" is short for what stands there; other lines are only said."""
    now, lines = dict(numbers), list[str]()
    for formula in formulas:
        kept, _, right = formula.partition(" ← ")
        if not right:
            short, _, right = formula.partition(" = ")
            now[short] = f"({put(right, now)})"
            lines.append(formula)
            continue
        line = f"{kept} ← {_lettered(right, name)} = {put(right, now)}"
        if kept in memory:
            now[kept] = factor(memory[kept][1])
            line += f" = {exact(memory[kept][1])}"
        lines.append(line)
    return lines


def put(formula: str, numbers: Mapping[str, str]) -> str:
    """A formula with numbers in place of the letters that have one."""
    return NAME.sub(lambda own: numbers.get(own[0], own[0]), formula)


def _lettered(formula: str, name: str) -> str:
    """A formula with its gradient called by name."""
    if name != "g":
        formula = re.sub(r"\bg(?=[²/])", f"({name})", formula)
    return put(formula, {"g": name})


def _sgd(own: SGD, t: int) -> list[str]:
    if not own.momentum:
        return ["w ← w − η·g"]
    new = f"(1 − {own.dampening})·g" if own.dampening and t > 1 else "g"
    way = f"(g + {own.momentum}·v)" if own.nesterov else "v"
    return [f"v ← {own.momentum}·v + {new}", f"w ← w − η·{way}"]


def _adam(own: Adam, t: int) -> list[str]:
    largest = ["top ← max(top, v)"] if own.amsgrad else []
    return [
        *_moments(own.beta1, own.beta2),
        *largest,
        f"m̂ = m/(1 − {own.beta1}^t)",
        f"v̂ = {'top' if own.amsgrad else 'v'}/(1 − {own.beta2}^t)",
        f"w ← w − η·m̂/(√v̂ + {own.eps})",
    ]


def _rmsprop(own: RMSprop, t: int) -> list[str]:
    lines = [f"v ← {own.alpha}·v + (1 − {own.alpha})·g²"]
    root = "√v"
    if own.centered:
        lines.append(f"mean ← {own.alpha}·mean + (1 − {own.alpha})·g")
        root = "√(max(v − mean², 0))"
    way = f"g/({root} + {own.eps})"
    if own.momentum:
        return [*lines, f"b ← {own.momentum}·b + {way}", "w ← w − η·b"]
    return [*lines, f"w ← w − η·({way})"]


def _adagrad(own: Adagrad, t: int) -> list[str]:
    rate = f"η/(1 + (t − 1)·{own.lr_decay})" if own.lr_decay else "η"
    return ["s ← s + g²", f"w ← w − {rate}·(g/(√s + {own.eps}))"]


def _scikit_sgd(own: ScikitSGD, t: int) -> list[str]:
    way = f"({own.momentum}·m − η·g)" if own.nesterov else "m"
    return [f"m ← {own.momentum}·m − η·g", f"w ← w + {way}"]


def _scikit_adam(own: ScikitAdam, t: int) -> list[str]:
    return [*_moments(own.beta_1, own.beta_2), f"w ← w − η·m/(√v + {own.epsilon})"]


def _moments(b1: float, b2: float) -> list[str]:
    return [f"m ← {b1}·m + (1 − {b1})·g", f"v ← {b2}·v + (1 − {b2})·g²"]


# What each rule does in step t, settings put in; the letters are w, η, g, t and its memory.
RULES: dict[type[Optimizer], Callable[[Any, int], list[str]]] = {
    SGD: _sgd,
    Adam: _adam,
    AdamW: _adam,
    RMSprop: _rmsprop,
    Adagrad: _adagrad,
    ScikitSGD: _scikit_sgd,
    ScikitAdam: _scikit_adam,
}
