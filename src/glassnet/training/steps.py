"""Running steps: one call of compiled code for as many as fit into a twentieth of a second.

In: a program for the step, its arrays, row numbers and learning rates. Out: the loss of every
step; parameters and the optimiser's memory are updated in place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from glassnet.run.program import Call, Program
from glassnet.training.check import Rows
from glassnet.training.kept import finite
from glassnet.training.scratch import Ahead, Mapped

CALL_SECONDS = 0.05
TRIAL = 8  # steps of the first call, which is timed
LONG = 10_000_000  # weights times rows of a step that takes a millisecond or more: tried alone
PART = 4096  # rows of a step of evaluation
AT_ONCE = 8192  # rows of a call where they lie on disk: those of the next are read meanwhile
CALLS = 100  # about how often rows are evaluated


@dataclass(frozen=True)
class Chunk:
    """A call ready for some number of steps with batches of some size."""

    rows: np.ndarray
    lr: np.ndarray
    step: np.ndarray
    call: Call


class Stepper:
    """Runs the step program on arrays that stay where they are."""

    def __init__(
        self,
        program: Program,
        arrays: Mapping[str, np.ndarray],
        threads: int | None,
        mapped: Mapped | None = None,
    ) -> None:
        self.program, self.arrays, self.threads = program, dict(arrays), threads
        self._mapped, self._early = mapped, Ahead(mapped)
        self.compile_seconds = 0.0
        self._chunks: dict[tuple[int, int], Chunk] = {}
        self.ahead = 0  # about how many steps are to come, where that is known
        self._limit = 0  # steps a call; 0 until the first call was timed
        self._weights = sum(a.size for name, a in arrays.items() if name.startswith("W."))

    def run(
        self,
        rows: np.ndarray,
        lr: np.ndarray,
        first: int,
        after: Callable[[int], bool] = lambda count: False,
    ) -> np.ndarray:
        """Steps over rows [steps, batch size], the first of them being number `first`; their
        losses. `after(count)` hears of steps done, and ends the run by returning True."""
        if len(rows) <= self._limit:
            found = self._run(rows, lr, first)
            after(len(rows))
            return found
        losses: list[np.ndarray] = []
        done = 0
        if not self._limit and self._mapped is not None:
            self._mapped.read(rows[:TRIAL])
        for size in self._sizes(*rows.shape):
            stop = done + size
            self._early(rows[stop : stop + max(size, self._limit)])
            losses.append(self._run(rows[done:stop], lr[done:stop], first + done))
            done = stop
            if not finite(losses[-1]) or after(size):
                break
        return np.concatenate(losses)

    def _sizes(self, steps: int, batch: int) -> Iterator[int]:
        """Numbers of steps of the calls: equal but for one, so that few calls are prepared."""
        if not self._limit:
            long = self._weights * (batch + TRIAL) >= LONG  # the update of a weight counts too
            trial = 1 if long else min(TRIAL, steps)
            yield trial
            steps -= trial
        calls = math.ceil(steps / max(1, self._limit))
        for call in range(calls):
            yield steps * (call + 1) // calls - steps * call // calls

    def _run(self, rows: np.ndarray, lr: np.ndarray, first: int) -> np.ndarray:
        chunk = self._chunks.get(rows.shape) or self._prepare(*rows.shape)
        chunk.rows[...] = rows
        chunk.lr[...] = lr
        chunk.step[...] = first if len(rows) == 1 else np.arange(first, first + len(rows))
        start = time.perf_counter()
        losses = chunk.call()[0].copy()
        if not self._limit:
            each = (time.perf_counter() - start) / len(rows)
            most = CALL_SECONDS / max(each, 1e-9)
            if self._mapped is not None:
                most = min(most, AT_ONCE / rows.shape[1])
            self._limit = max(1, int(most))
        return losses

    def _prepare(self, steps: int, size: int) -> Chunk:
        start = time.perf_counter()
        rows = np.zeros((steps, size), np.int32)
        lr = np.zeros(steps, self.program.plan.graph.input_types["lr"].dtype)
        step = np.zeros(steps, np.int64)
        arrays = {**self.arrays, "rows": rows, "lr": lr, "step": step}
        call = self.program.prepare(arrays, steps, self.threads, self.ahead)
        self._chunks[steps, size] = chunk = Chunk(rows, lr, step, call)
        self.compile_seconds += time.perf_counter() - start
        return chunk


class Evaluator:
    """The loss of many rows: a part after the other, the mean of the parts by their weights."""

    def __init__(
        self,
        program: Program,
        rows: Rows,
        parameters: Mapping[str, np.ndarray],
        threads: int | None = None,
    ) -> None:
        start = time.perf_counter()
        whole = len(rows) // PART * PART
        self.calls: list[Call] = []
        for part, size in ((slice(0, whole), PART), (slice(whole, None), len(rows) - whole)):
            stepped = {n: a[part] for n, a in rows.arrays().items()}
            steps = len(stepped["x"]) // max(1, size)
            if steps:
                shaped = {n: a.reshape(steps, size, *a.shape[1:]) for n, a in stepped.items()}
                held = {**shaped, **parameters}
                self.calls.append(program.prepare(held, steps, threads, steps * CALLS))
        self.weights = weights_of(rows, PART)
        self.compile_seconds = time.perf_counter() - start

    def __call__(self) -> float:
        losses = np.concatenate([call()[0] for call in self.calls])
        return weighted_mean(losses, self.weights)


def weights_of(rows: Rows, size: int) -> np.ndarray:
    """What each part of `size` rows weighs: the sum of its rows' weights."""
    starts = np.arange(0, len(rows), size)
    if rows.weight is None:
        return np.minimum(size, len(rows) - starts).astype(float)
    return np.array([math.fsum(rows.weight[i : i + size]) for i in starts])


def weighted_mean(losses: np.ndarray, weights: np.ndarray) -> float:
    """Σ wᵢ Lᵢ / Σ wᵢ, the sums without rounding errors; NaN where a loss is not finite."""
    if len(losses) == 1:
        loss, weight = float(losses[0]), float(weights[0])
        part = loss * weight
        if not math.isfinite(part):
            return math.nan if math.isnan(part) else math.inf
        return part / weight if weight else 0.0
    parts = losses.astype(float) * weights
    if not np.isfinite(parts).all():
        return math.nan if np.isnan(parts).any() else math.inf
    total = math.fsum(weights)
    return math.fsum(parts) / total if total else 0.0
