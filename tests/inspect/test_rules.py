"""The update that is told of a weight: its last line, worked out as written, gives the weight."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

import glassnet as gn
from glassnet.inspect import text
from tests.record.common import train

optim = gn.optim
WEIGHT, PLACE = "linear1.weight[2,3]", (2, 3)
RULES = (
    optim.SGD(0.1),
    optim.SGD(0.1, weight_decay=0.3),
    optim.SGD(0.1, clip_norm=0.01),
    optim.SGD(0.1, maximize=True, weight_decay=0.2),
    optim.SGD(0.1, groups=(optim.Group("linear1.*", lr=0.25, decay=3.0),), weight_decay=0.1),
    optim.SGD(0.1, momentum=0.9, clip_norm=0.5),
    optim.Adam(0.01),
    optim.Adam(0.01, weight_decay=0.2, average=0.9),
    optim.Adam(0.01, amsgrad=True),
    optim.AdamW(0.01, weight_decay=0.3),
)


def worked_out(told: str) -> float:
    """The right side of "w ← …", after the lines that say what g is."""
    seen = {"sqrt": math.sqrt}
    for line in told.split("\n"):
        if line.startswith("g = "):
            seen["g"] = value(re.split(r" ≈ |^g = ", line.partition(": ")[0])[-1], seen)
        if line.startswith("w ← "):
            return value(line.rpartition(" = ")[2], seen)
    raise AssertionError(f"no update in {told}")


def value(formula: str, names: dict[str, Any]) -> float:
    for sign, python in (("·", "*"), ("−", "-"), ("^", "**"), ("√", "sqrt")):
        formula = formula.replace(sign, python)
    return float(eval(formula, {"__builtins__": {}}, names))


@pytest.mark.parametrize("optimizer", RULES, ids=repr)
def test_the_formula_gives_the_weight(optimizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=1, optimizer=optimizer, batch_size=16)
    step = gn.open_step(path, batch=3)
    own = step.parameters["linear1.weight"]
    told = text.weight(step, WEIGHT)
    moved = float(own.after[PLACE]) - float(own.before[PLACE])
    by_hand = worked_out(told) - float(own.before[PLACE])
    assert by_hand == pytest.approx(moved, rel=2e-4, abs=1e-7)


def test_rules_that_are_not_written_out_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=1, optimizer=optim.RMSprop(0.01, weight_decay=0.5), batch_size=16)
    step = gn.open_step(path, batch=2)
    told = text.weight(step, WEIGHT)
    assert "RMSprop of g: v ← α·v + (1 − α)·g²" in told
    assert "with the weight decay" in told
    old, new = (own[PLACE] for own in step.memory["v.linear1.weight"])
    assert f"v: {old!s} → {new!s}" in told
