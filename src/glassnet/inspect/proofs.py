"""Check gradients, compiled code and recorded steps on the user's own numbers.

In: a model with rows, or a run file with its data. Out: findings, each with what was compared, the
largest difference, and whether that is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.gradient import gradients
from glassnet.graph.interpret import interpret
from glassnet.inspect.streams import with_streams
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.pipeline import compile_graph
from glassnet.rounding import computed_to_nearest
from glassnet.runs.file import Checkpoint, RunFile
from glassnet.runs.recorder import restore
from glassnet.runs.repeat import PROMISED
from glassnet.runs.resume_run import RunData, put_result_into, reopen_any
from glassnet.testing import Disagreement, Report, as_function, check_grads, compare
from glassnet.tracing import as_type, trace_function
from glassnet.training.full_batch import FullBatchTrainer
from glassnet.training.history import History
from glassnet.training.trainer import Trainer
from glassnet.words import plural

FEW = 16  # rows on which gradients are compared with differences
SOME = 4096  # rows on which compiled code is compared with the interpreter
EXACT = 1e-12  # how far apart two computations in float64 may be
COMPILED = ("loss, compiled against interpreter", "output, compiled against interpreter")
ALONE = (
    "steps against the record were not checked: between one checkpoint and the next lie the steps "
    "to do again, and the run was ended before its second; go on with it by {}"
)


@dataclass(frozen=True)
class Finding:
    """One comparison; `detail` is its table. `ok` is false if it failed or could not be made."""

    what: str
    compared: int
    worst: float
    allowed: float
    ok: bool
    detail: str = ""
    checked: bool = True
    kinks: int = 0  # comparisons that were made beside a kink, such as that of ReLU at 0

    @property
    def verdict(self) -> str:
        if not self.checked:
            return "not checked"
        if not self.ok:
            return "WRONG"
        return f"ok, {plural(self.kinks, 'kink')}" if self.kinks else "ok"


@computed_to_nearest
def check_model(
    model: Module, x: np.ndarray, y: Any = None, loss: Loss | None = None
) -> list[Finding]:
    """Check the gradient of the loss with respect to each parameter, and the compiled code, on
    these rows; without a loss, check those of the network's output."""
    if loss is None:
        return _check_function(model, model, [x[:FEW]], [x[:SOME]])
    return _check_function(loss, model, [x[:FEW], y[:FEW]], [x[:SOME], y[:SOME]])


@computed_to_nearest
def check_run(path: str | Path, x: Any = None, y: Any = None, **extra: Any) -> list[Finding]:
    """Check the gradient of the loss with respect to each parameter and the compiled loss, and
    repeat the steps between the last two checkpoints: they must have the recorded bits."""
    with RunFile.read(path) as file:
        values, trainer = reopen_any(file, with_streams(path, RunData(x, y, **extra)))
        put_result_into(file, trainer.task.model)
        losses, judged = file.history()
        states = _ends(file, values, trainer, len(losses))
    model, loss, rows = trainer.task.model, trainer.task.loss, trainer.task.rows
    few, some = (list(rows.part(slice(n)).arrays().values()) for n in (FEW, SOME))
    few[1] = loss.smooth_labels(few[1])
    findings = _check_function(loss, model, few, some)
    if len(states) == 1:
        what = "not checked: steps against the record"
        kind = values.get("estimator")
        alone = ALONE.format(f"{kind}(record=…).resume(X, y)" if kind else "`glassnet resume`")
        return [*findings, Finding(what, 0, 0.0, 0.0, False, alone, False)]
    history = History(losses[: states[0].epoch], judged[: states[0].epoch])
    if isinstance(trainer, FullBatchTrainer):
        return [*findings, _check_search(trainer, states[0], states[1], history, losses)]
    return [
        *findings,
        _check_replay(trainer, states[0], states[1], values["epochs"], losses, judged),
    ]


def _ends(
    file: RunFile, values: dict[str, Any], trainer: Trainer | FullBatchTrainer, epochs: int
) -> list[Checkpoint]:
    """Return the two states between which epochs are repeated, or the only one that there is.

    These are the last two checkpoints. L-BFGS repeats all iterations: from the first checkpoint to
    the last, or to the result if that is of a later epoch and no callback has replaced it."""
    states = [file.checkpoint(epoch) for epoch in file.epochs()[-2:]]
    if not (isinstance(trainer, FullBatchTrainer) and trainer.again):
        return states
    ended = file.result() is not None and not values["ended"]["best_epoch"]
    if ended and (states[-1].epoch < epochs or not epochs):
        states.append(Checkpoint(epochs, {"W": trainer.task.model.W.copy()}, {}))
    return [file.checkpoint(0), *states[1:][-1:]]


def _check_function(
    f: Loss | Module, model: Module, few: Sequence[Any], some: Sequence[Any]
) -> list[Finding]:
    """Check each gradient of a loss (or of the model alone), then its compiled code."""
    given = [] if f is model else [model]
    return [
        *_gradients(f, [*given, *few]),
        _compiled_gradients(f, [*given, *few]),
        make_finding(COMPILED[f is model], lambda: compare(f, *given, *some)),
    ]


def _gradients(f: Loss | Module, args: Sequence[Any]) -> list[Finding]:
    """Compare the gradient with respect to each parameter and x with finite differences in float64:
    along random directions, which involve all elements; for few elements also each one alone."""
    _, arrays, names = as_function(f, args)
    sizes = {name: array.size for name, array in zip(names, arrays, strict=True)}
    try:
        report = check_grads(f, *args, order=1)
    except Disagreement as complaint:
        report = complaint.report
    findings: list[Finding] = []
    for name, size in sizes.items():
        lines = tuple(line for line in report.lines if line.what.startswith(f"{name}' "))
        if lines:
            part = Report(report.heads, lines, report.tolerance)
            what = f"{'dL' if isinstance(f, Loss) else 'd output'}/d{name} against differences"
            findings.append(
                Finding(
                    what, size, part.worst, part.tolerance, part.ok, str(part), kinks=part.kinks
                )
            )
    return findings


def _compiled_gradients(f: Loss | Module, args: Sequence[Any]) -> Finding:
    """Compare all gradients of compiled code in float64 with the interpreter's. Errors are relative
    for gradients with elements larger than 1."""
    function, arrays, names = as_function(f, args)
    places = [i for i, array in enumerate(arrays) if array.dtype.kind == "f" and array.size]

    def derivatives(*values: Any) -> Any:
        result = function(*values)
        total = result if isinstance(f, Loss) else ops.sum(result * result)
        return tuple(gradients(total, [values[i] for i in places]))

    traced = trace_function(derivatives, [as_type(array) for array in arrays])
    graph = traced.graph
    named = {**dict(zip(graph.inputs, arrays, strict=False)), **traced.captured}
    pairs = zip(compile_graph(graph).run(named), interpret(graph, named), strict=True)
    errors = {names[i]: _largest_distance(*pair) for i, pair in zip(places, pairs, strict=True)}
    wrong = [f"{name}: {error:.1e}" for name, error in errors.items() if not error <= EXACT]
    count = sum(arrays[i].size for i in places)
    what = "gradients, compiled against interpreter"
    return Finding(what, count, max(errors.values()), EXACT, not wrong, "\n".join(wrong))


def _largest_distance(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference; NaN equals NaN, and an infinity equals itself."""
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(found - wanted))
    finite = np.abs(wanted[np.isfinite(wanted)])
    return float(np.nan_to_num(apart, nan=np.inf).max()) / max(1.0, finite.max(initial=0.0))


def make_finding(what: str, check: Callable[[], Report]) -> Finding:
    """Run a comparison and return its finding; the report of a failed one is the detail."""
    try:
        report = check()
    except Disagreement as complaint:
        report = complaint.report
    return Finding(what, len(report.lines), report.worst, report.tolerance, report.ok, str(report))


def _check_replay(
    trainer: Trainer,
    first: Checkpoint,
    last: Checkpoint,
    epochs: int,
    losses: list[float],
    judged: list[float],
) -> Finding:
    """Repeat the steps between two checkpoints; no bit may differ."""
    restore(trainer, first)
    for epoch in range(first.epoch, last.epoch):
        run = trainer.run(epochs, History(loss=losses[:epoch], validation_loss=judged[:epoch]))
        trainer.repeat(run, trainer.order.steps)
    again = {"W": trainer.task.model.W, **trainer.memory}
    what = f"steps of epochs {first.epoch + 1} to {last.epoch} against the record"
    return _compare_bits(what, again, last.arrays)


def _check_search(
    search: FullBatchTrainer,
    first: Checkpoint,
    last: Checkpoint,
    history: History,
    losses: list[float],
) -> Finding:
    """Repeat the trials or iterations between two checkpoints; no bit may differ."""
    restore(search, first)
    if last.epoch:
        history = search.train(last.epoch, (), history)
        if history.stopped == "interrupted":  # Ctrl-C is for the whole check
            raise KeyboardInterrupt
    again = {"W": search.task.model.W, "loss": np.array(history.loss)}
    what = f"epochs {first.epoch + 1} to {last.epoch}" if last.epoch else "weights before epoch 1"
    kept = {**last.arrays, "loss": np.array(losses[: last.epoch])}
    found = _compare_bits(f"{what} against the record", again, kept)
    if found.ok or not search.again:
        return found
    return replace(found, detail=f"{found.detail}; {PROMISED}")


def _compare_bits(what: str, again: dict[str, np.ndarray], kept: dict[str, np.ndarray]) -> Finding:
    apart = {name: _distance(array, kept[name]) for name, array in again.items()}
    wrong = [name for name, array in again.items() if array.tobytes() != kept[name].tobytes()]
    count = sum(array.size for array in again.values())
    return Finding(what, count, max(apart.values()), 0.0, not wrong, ", ".join(wrong))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a.astype(float) - b.astype(float)).max(initial=0.0))


def findings_text(findings: list[Finding]) -> str:
    """Return a line for each finding, then the tables of those that failed."""
    wide = max([46, *(len(finding.what) for finding in findings)]) + 2
    lines = [f"{'':<{wide}}{'numbers':>9}  {'worst':>8}  {'allowed':>8}"]
    for finding in findings:
        figures = f"{finding.compared:>9,}  {finding.worst:>8.1e}  {finding.allowed:>8.0e}"
        lines.append(f"{finding.what:<{wide}}{figures}  {finding.verdict}")
    lines += [f"\n{finding.detail}" for finding in findings if not finding.ok and finding.detail]
    return "\n".join(lines)
