"""Proof on the user's own numbers: gradients, compiled code, and recorded steps.

In: a model with rows, or a run file with its data. Out: findings, each with what was compared, how
far apart the numbers were, and whether that is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.nn.module import Module
from glassnet.testing import Report, check_grads, compare
from glassnet.training.descend import Descent
from glassnet.training.estimator_step import PenalisedLoss
from glassnet.training.history import History
from glassnet.training.record import restore
from glassnet.training.record_file import Checkpoint, RunFile
from glassnet.training.resume import Given, put_result_into, reopened

FEW = 16  # rows on which gradients are compared with differences
ALONE = (
    "steps against the record were not checked: between one checkpoint and the next lie the steps "
    "to do again, and the run was ended before its second; go on with it by `glassnet resume`"
)


@dataclass(frozen=True)
class Finding:
    """One comparison; `detail` is its table. One that could not be made is not ok either."""

    what: str
    compared: int
    worst: float
    allowed: float
    ok: bool
    detail: str = ""
    checked: bool = True

    @property
    def verdict(self) -> str:
        if not self.checked:
            return "not checked"
        return "ok" if self.ok else "WRONG"


def check_model(model: Module, x: np.ndarray) -> list[Finding]:
    """The network's derivatives and its compiled code, on these rows."""
    return [
        found("gradients against differences", lambda: check_grads(model, x[:FEW], order=1)),
        found("compiled against interpreter", lambda: compare(model, x)),
    ]


def check_run(path: str | Path, x: Any = None, y: Any = None, **extra: Any) -> list[Finding]:
    """The derivatives of the loss by every parameter, the compiled loss, and the steps between
    the last two checkpoints, done again."""
    with RunFile.read(path) as file:
        values, descent = reopened(file, Given(x, y, **extra))
        epochs = file.epochs()
        states = [file.checkpoint(epoch) for epoch in epochs[-2:]]
        put_result_into(file, descent.task.model)
        losses, judged = file.history()
    model, loss, rows = descent.task.model, descent.task.loss, descent.task.rows
    few, some = rows.part(slice(FEW)), rows.part(slice(4096))
    data = [tuple(part.arrays().values()) for part in (few, some)]
    if isinstance(loss, PenalisedLoss) and loss.out == "exp":
        # y·ln y, a part of this loss, has no derivative where a count is 0
        data[0] = (few.x, few.y + 1, *data[0][2:])
    findings = [
        found("gradients against differences", lambda: check_grads(loss, model, *data[0], order=1)),
        found("compiled against interpreter", lambda: compare(loss, model, *data[1])),
    ]
    if len(states) == 2:
        findings.append(_replayed(descent, states[0], states[1], values["epochs"], losses, judged))
    else:
        findings.append(
            Finding("not checked: steps against the record", 0, 0.0, 0.0, False, ALONE, False)
        )
    return findings


def found(what: str, check: Callable[[], Report]) -> Finding:
    """What a comparison found; where it complains, its complaint is the detail."""
    try:
        report = check()
    except AssertionError as complaint:
        return Finding(what, 0, float("inf"), 0.0, False, str(complaint))
    return Finding(what, len(report.lines), report.worst, report.tolerance, True, str(report))


def _replayed(
    descent: Descent,
    first: Checkpoint,
    last: Checkpoint,
    epochs: int,
    losses: list[float],
    judged: list[float],
) -> Finding:
    """The steps between two checkpoints once more: no bit may differ."""
    restore(descent, first)
    for epoch in range(first.epoch, last.epoch):
        run = descent.run(epochs, History(loss=losses[:epoch], validation_loss=judged[:epoch]))
        descent.repeat(run, descent.order.steps)
    again = {"W": descent.task.model.W, **descent.memory}
    apart = {name: _distance(own, last.arrays[name]) for name, own in again.items()}
    count = sum(own.size for own in again.values())
    wrong = [name for name, own in again.items() if own.tobytes() != last.arrays[name].tobytes()]
    what = f"steps of epochs {first.epoch + 1} to {last.epoch} against the record"
    return Finding(what, count, max(apart.values()), 0.0, not wrong, ", ".join(wrong))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).max(initial=0.0))


def table(findings: list[Finding]) -> str:
    """A line for each finding, then the tables of those that failed."""
    lines = [f"{'':<48}{'numbers':>9}  {'worst':>8}  {'allowed':>8}"]
    for own in findings:
        figures = f"{own.compared:>9,}  {own.worst:>8.1e}  {own.allowed:>8.0e}"
        lines.append(f"{own.what:<48}{figures}  {own.verdict}")
    lines += [f"\n{own.detail}" for own in findings if not own.ok and own.detail]
    return "\n".join(lines)
