"""How an optimiser made the new weight, with the numbers put in.

In: an `OpenStep` and one weight of it. Out: lines, from ∂L/∂w to w. A rule that is not written
down here is told by its own description and by its memory before and after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glassnet.inspect.blocks import exact, factor
from glassnet.inspect.figures import WeightFigures
from glassnet.optim.adam import Adam, AdamW
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.sgd import SGD

if TYPE_CHECKING:
    from glassnet.inspect.opened import OpenStep


def update_lines(step: OpenStep, own: WeightFigures) -> list[str]:
    """From the gradient of the loss to the gradient that the rule sees, its memory, and w."""
    optimizer: Optimizer = step.optimizer
    group = optimizer.group(own.parameter)
    before, slope, rate = exact(own.before), factor(own.slope), exact(step.lr)
    lines, g = _seen(step, own, slope)
    if group.lr != 1.0:
        rate = f"({rate}·{group.lr})"
    decay = optimizer.weight_decay * group.decay
    if isinstance(optimizer, AdamW) and decay:
        lines.append(f"w·(1 − η·{decay}) takes the place of w = {before}: decay beside the rule")
        before = f"{factor(own.before)}·(1 − {rate}·{decay})"
    elif decay:
        lines.append(f"g = {g} + {decay}·{factor(own.before)}: with the weight decay")
        g = "g"
    memory = {slot: (factor(a), factor(b)) for slot, (a, b) in own.memory.items()}
    told = {slot: f"{slot}: {exact(a)} → {exact(b)}" for slot, (a, b) in own.memory.items()}
    lines += _rule(step, optimizer, (before, rate, "∂L/∂w" if g == slope else "g", g), memory, told)
    if optimizer.average:
        lines.append(f"mean of the weights, {told['average']}, over 1 − {optimizer.average}^t")
    return lines


def _seen(step: OpenStep, own: WeightFigures, slope: str) -> tuple[list[str], str]:
    """What is done to the gradient before weight decay, and the gradient after that."""
    optimizer: Optimizer = step.optimizer
    lines: list[str] = []
    g = slope
    if optimizer.clip_norm is not None:
        slopes = [p.slope for p in step.parameters.values() if p.slope is not None]
        total = float(np.sqrt(sum(float(np.square(s.astype(float)).sum()) for s in slopes)))
        scale = min(optimizer.clip_norm / (total + 1e-6), 1.0)
        lines.append(
            f"g = ∂L/∂w·min({optimizer.clip_norm}/(‖∂L/∂W‖ + 1e-6), 1) ≈ {slope}·{scale:.9g}"
        )
        g = "g"
    if optimizer.maximize:
        lines.append(f"g = −{g}: it climbs")
        g = "g"
    return lines, g


def _rule(
    step: OpenStep,
    optimizer: Optimizer,
    numbers: tuple[str, str, str, str],
    memory: dict[str, tuple[str, str]],
    told: dict[str, str],
) -> list[str]:
    """The rule itself; `numbers` are w, η, and what the gradient is called and is."""
    w, rate, name, g = numbers
    if type(optimizer) is SGD and not optimizer.momentum:
        return [f"w ← w − η·{name} = {w} − {rate}·{g}"]
    if type(optimizer) is SGD and not optimizer.nesterov and not optimizer.dampening:
        old, new = memory["v"]
        return [f"v ← {optimizer.momentum}·v + {name} = {optimizer.momentum}·{old} + {g}",
                told["v"], f"w ← w − η·v = {w} − {rate}·{new}"]  # fmt: skip
    if type(optimizer) in (Adam, AdamW) and isinstance(optimizer, Adam):
        return _adam(step, optimizer, numbers, memory, told)
    rule = " ".join((type(optimizer).__doc__ or type(optimizer).__name__).split())
    return [
        f"{type(optimizer).__name__} of {name}: {rule}",
        *(line for slot, line in told.items() if slot != "average"),
    ]


def _adam(
    step: OpenStep,
    optimizer: Adam,
    numbers: tuple[str, str, str, str],
    memory: dict[str, tuple[str, str]],
    told: dict[str, str],
) -> list[str]:
    w, rate, name, g = numbers
    b1, b2, t = optimizer.beta1, optimizer.beta2, step.step
    (m, new_m), (v, new_v) = memory["m"], memory["v"]
    if optimizer.amsgrad:
        new_v = memory["top"][1]
    return [
        f"m ← {b1}·m + {1 - b1:.6g}·{name} = {b1}·{m} + {1 - b1:.6g}·{g}", told["m"],
        f"v ← {b2}·v + {1 - b2:.6g}·{name}² = {b2}·{v} + {1 - b2:.6g}·{g}²", told["v"],
        *([told["top"]] if optimizer.amsgrad else []),
        f"m̂ = m/(1 − {b1}^{t}), v̂ = {'top' if optimizer.amsgrad else 'v'}/(1 − {b2}^{t})",
        f"w ← w − η·m̂/(√v̂ + ε) = {w} − {rate}·({new_m}/(1 − {b1}^{t}))"
        f"/(√({new_v}/(1 − {b2}^{t})) + {optimizer.eps})",
    ]  # fmt: skip
