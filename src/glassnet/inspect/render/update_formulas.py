"""Show how an optimiser computed the new weight: its formulas with the numbers inserted.

In: a `StepData` and one weight of it. Out: lines, from ∂L/∂w to w. The formulas are the optimiser's
`formulas`. An optimiser without formulas is shown by its docstring and by its state before and
after.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from glassnet.inspect.render.elements import as_factor, exact
from glassnet.inspect.statistics import WeightFigures
from glassnet.inspect.step_data import StepData
from glassnet.optim.optimizer import Group, Optimizer

NAME = re.compile("(?<![\\w.])[^\\W\\d_²]+\u0302?")  # a variable in a formula: w, g, v̂, mean


def update_lines(step: StepData, figures: WeightFigures) -> list[str]:
    """Return the lines from ∂L/∂w over the gradient that the optimiser uses and its state to w."""
    optimizer: Optimizer = step.optimizer
    group = optimizer.group(figures.parameter)
    before, rate, decay = (
        exact(figures.before),
        exact(step.lr),
        optimizer.weight_decay * group.decay,
    )
    lines, g = _seen_gradient(step, figures, decay)
    if group.lr != 1.0:
        rate = f"({rate}·{group.lr})"
    if optimizer.decoupled and decay:
        lines.append(f"w·(1 − η·{decay}) replaces w = {before}: decoupled weight decay")
        before = f"{as_factor(figures.before)}·(1 − {rate}·{decay})"
    name = "g" if any(line.startswith("g = ") for line in lines) else "∂L/∂w"
    numbers = {"w": before, "η": rate, "g": g, "t": str(step.step)}
    lines += [*_rule(optimizer, figures, numbers, name), *_constraints(group, figures, rate)]
    if optimizer.average:
        numbers |= {
            "w": as_factor(figures.after),
            "average": as_factor(figures.memory["average"][0]),
        }
        beta = optimizer.average
        formula = f"average ← {beta}·average + (1 − {beta})·w"
        lines += fill_formulas([formula], numbers, name, figures.memory)
        lines.append(f"the model has average/(1 − {beta}^t) when an epoch ends")
    return lines


def _constraints(group: Group, figures: WeightFigures, rate: str) -> list[str]:
    """Return the formulas of the group's constraints on the new weight. The weight before them is
    not an output of the step, so it stays a letter."""
    lines: list[str] = []
    if group.l1:
        lines.append(f"w ← sign(w)·max(|w| − {rate}·{group.l1}, 0): l1, a proximal step")
    if group.nonnegative:
        lines.append("w ← max(w, 0): nonnegative")
    if group.max_norm is not None:
        column = "".join(f", {i}" for i in figures.place[1:])
        whole = f"{figures.parameter}[:{column}]"
        lines.append(f"w ← w·min(1, {group.max_norm}/‖w‖): max_norm, with the norm of {whole}")
    return lines


def _seen_gradient(step: StepData, figures: WeightFigures, decay: float) -> tuple[list[str], str]:
    """Return the lines that change the gradient before the optimiser uses it, and the final value.
    A clipped gradient is named only, since its norm is not an output of the step."""
    optimizer: Optimizer = step.optimizer
    lines: list[str] = []
    g, shown, clipped = figures.slope, as_factor(figures.slope), optimizer.clip_norm is not None
    if optimizer.clip_norm is not None:
        slopes = [p.slope for p in step.parameters.values() if p.slope is not None]
        total = float(np.sqrt(sum(float(np.square(s.astype(float)).sum()) for s in slopes)))
        scale = min(optimizer.clip_norm / (total + 1e-6), 1.0)
        lines.append(
            f"g = ∂L/∂w·min({optimizer.clip_norm}/(‖∂L/∂W‖ + 1e-6), 1) ≈ {shown}·{scale:.9g}"
        )
        shown = "g"
    if optimizer.maximize:
        lines.append(f"g = −{shown}: it maximises")
        g, shown = -g, "g" if clipped else as_factor(-g)
    if decay and not optimizer.decoupled:
        g = g + decay * figures.before
        end = "" if clipped else f" = {exact(g)}"
        lines.append(
            f"g = {shown} + {decay}·{as_factor(figures.before)}{end}: with the weight decay"
        )
        shown = "g" if clipped else as_factor(g)
    return lines, shown


def _rule(
    optimizer: Optimizer, figures: WeightFigures, numbers: Mapping[str, str], name: str
) -> list[str]:
    """Return the optimiser's formulas; `name` is the name of its gradient in them."""
    memory = {slot: numbers for slot, numbers in figures.memory.items() if slot != "average"}
    formulas = optimizer.formulas(int(numbers["t"])) if _has_own_formulas(type(optimizer)) else []
    if formulas:
        slots = {slot: as_factor(old) for slot, (old, _) in memory.items()}
        return fill_formulas(formulas, {**numbers, **slots}, name, memory)
    rule = " ".join((type(optimizer).__doc__ or type(optimizer).__name__).split())
    changes = [f"{slot}: {exact(old)} → {exact(new)}" for slot, (old, new) in memory.items()]
    return [f"{type(optimizer).__name__} of {name}: {rule}", *changes]


def _has_own_formulas(rule: type[Optimizer]) -> bool:
    """Return whether the class that defines `update` also defines `formulas`."""
    return "formulas" in vars(next(base for base in rule.__mro__ if "update" in vars(base)))


def fill_formulas(
    formulas: list[str],
    numbers: Mapping[str, str],
    name: str,
    memory: Mapping[str, tuple[Any, Any]],
) -> list[str]:
    """Insert numbers into formulas. A line "v ← …" sets v for the lines after it; "m̂ = …" defines
    an abbreviation; other lines are copied."""
    now, lines = dict(numbers), list[str]()
    for formula in formulas:
        kept, _, right = formula.partition(" ← ")
        if not right:
            short, _, right = formula.partition(" = ")
            now[short] = f"({fill_formula(right, now)})"
            lines.append(formula)
            continue
        line = f"{kept} ← {_name_gradient(right, name)} = {fill_formula(right, now)}"
        if kept in memory:
            now[kept] = as_factor(memory[kept][1])
            line += f" = {exact(memory[kept][1])}"
        lines.append(line)
    return lines


def fill_formula(formula: str, numbers: Mapping[str, str]) -> str:
    """Replace the variables of a formula by numbers, where known."""
    return NAME.sub(lambda match: numbers.get(match[0], match[0]), formula)


def _name_gradient(formula: str, name: str) -> str:
    """Replace g in a formula by the gradient's name."""
    if name != "g":
        formula = re.sub(r"\bg(?=[²/])", f"({name})", formula)
    return fill_formula(formula, {"g": name})
