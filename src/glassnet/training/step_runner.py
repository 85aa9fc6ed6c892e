"""Runs training steps: one call of compiled code for as many as fit in 0.05 seconds.

In: a program for the step, its arrays, row numbers and learning rates. Out: the loss of every
step; parameters and the optimiser's state are updated in place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from glassnet.run.beside import BesideCompiler
from glassnet.run.program import Call, Program
from glassnet.training.data_checks import Rows, dense
from glassnet.training.memmap import MappedRows, Prefetcher
from glassnet.training.programs import is_outdated
from glassnet.training.rollback import finite

CALL_SECONDS = 0.05
TRIAL = 8  # number of steps of the first call, which is timed
LONG = 10_000_000  # weights times rows of a long step (1 ms or more), which is timed alone
PART = 4096  # number of rows of a step of evaluation
AT_ONCE = 8192  # rows per call for rows on disk; those of the next call are prefetched
CALLS = 100  # estimated number of evaluations


@dataclass(frozen=True)
class Chunk:
    """A prepared call for some number of steps with mini-batches of one size."""

    rows: np.ndarray
    lr: np.ndarray
    step: np.ndarray
    call: Call

    def set(self, rows: np.ndarray, lr: np.ndarray, first: int) -> None:
        self.rows[...] = rows
        self.lr[...] = lr
        self.step[...] = first if len(rows) == 1 else np.arange(first, first + len(rows))

    def run(self, rows: np.ndarray, lr: np.ndarray, first: int) -> np.ndarray:
        self.set(rows, lr, first)
        return self.call()[0].copy()


@dataclass(frozen=True)
class Gathered:
    """A prepared call for one step, whose rows are gathered just before it runs."""

    source: Rows
    given: dict[str, np.ndarray]  # the arrays that the call reads
    call: Call

    def run(self, rows: np.ndarray, lr: np.ndarray, first: int) -> np.ndarray:
        losses = np.zeros(len(rows), self.given["lr"].dtype)
        for place, batch in enumerate(rows):
            for name, array in self.source.arrays().items():
                self.given[name][...] = dense(array[batch])
            self.given["lr"][...], self.given["step"][...] = lr[place], first + place
            losses[place] = self.call()[0][0]
        return losses


class StepRunner:
    """Runs the step program on fixed arrays."""

    def __init__(
        self,
        program: Program,
        arrays: Mapping[str, np.ndarray],
        threads: int | None,
        mapped: MappedRows | None = None,
        gathered: Rows | None = None,
    ) -> None:
        self.program, self.arrays, self.threads = program, dict(arrays), threads
        self._mapped, self._early = mapped, Prefetcher(mapped)
        self._gathered = gathered  # rows that are gathered for each step, such as sparse ones
        self.guarded = True  # whether an infinite or NaN loss ends a run
        self.compile_seconds = 0.0
        self._chunks: dict[tuple[int, int], Chunk | Gathered] = {}
        self.ahead = 0  # estimated total number of steps, if known
        self.left = 0  # number of remaining steps
        self._beside: BesideCompiler | None = None
        self._limit = 0  # steps per call; 0 until the first call was timed
        self.weights = sum(a.size for name, a in arrays.items() if name.startswith("W."))

    def read_from(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Replace some arrays; calls will be prepared again."""
        self.arrays |= arrays
        self._chunks.clear()

    def exchange(self, program: Program) -> None:
        """Use another program for the same arrays from now on."""
        self.program = program
        self._chunks.clear()

    @contextmanager
    def compiling_beside(self) -> Generator[None]:
        """Within the block, steps may start with existing code while better code is compiled on a
        background thread, which has ended after the block."""
        self._beside = beside = BesideCompiler(self.threads)
        try:
            yield
        finally:
            self._beside = None
            beside.close()

    def hear_pace(self, steps: int, seconds: float) -> None:
        """Record how long steps took, to decide whether compiling better code pays off."""
        self.left -= steps
        if self._beside is not None and self._beside.waits:
            self._beside.consider(self.left * seconds / steps)

    def take_better_code(self) -> bool:
        """Switch to better code if some was compiled; return whether that is so."""
        if self._beside is None or not self._beside.finished():
            return False
        self._chunks.clear()
        return True

    def run(
        self,
        rows: np.ndarray,
        lr: np.ndarray,
        first: int,
        after: Callable[[int], bool] = lambda count: False,
    ) -> np.ndarray:
        """Run steps over rows [steps, batch size], beginning with step number `first`; return their
        losses. `after(count)` is called with finished steps, and ends the run by returning True."""
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
            if after(size) or (self.guarded and not finite(losses[-1])):
                break
        return np.concatenate(losses)

    def _sizes(self, steps: int, batch: int) -> Iterator[int]:
        """Yield the numbers of steps of calls, nearly all equal, so that few are prepared."""
        if not self._limit:
            long = self.weights * (batch + TRIAL) >= LONG  # TRIAL stands for the updates
            trial = 1 if long else min(TRIAL, steps)
            yield trial
            steps -= trial
        calls = math.ceil(steps / max(1, self._limit))
        for call in range(calls):
            yield steps * (call + 1) // calls - steps * call // calls

    def _run(self, rows: np.ndarray, lr: np.ndarray, first: int) -> np.ndarray:
        self.take_better_code()
        chunk = self._chunks.get(rows.shape) or self._prepare(*rows.shape)
        start = time.perf_counter()
        losses = chunk.run(rows, lr, first)
        seconds = time.perf_counter() - start
        self.hear_pace(len(rows), seconds)
        if not self._limit:
            most = CALL_SECONDS / max(seconds / len(rows), 1e-9)
            if self._mapped is not None:
                most = min(most, AT_ONCE / rows.shape[1])
            self._limit = max(1, int(most))
        return losses

    def _prepare(self, steps: int, size: int) -> Chunk | Gathered:
        start = time.perf_counter()
        chunk: Chunk | Gathered
        if self._gathered is None:
            chunk = self._chunk(steps, size)
        else:
            chunk = self._gathering(self._gathered, size)
        self._chunks[steps, size] = chunk
        self.compile_seconds += time.perf_counter() - start
        return chunk

    def _chunk(self, steps: int, size: int) -> Chunk:
        rows = np.zeros((steps, size), np.int32)
        lr = np.zeros(steps, self.program.plan.graph.input_types["lr"].dtype)
        step = np.zeros(steps, np.int64)
        arrays = {**self.arrays, "rows": rows, "lr": lr, "step": step}
        call = self.program.prepare(arrays, steps, self.threads, self.ahead, self._beside)
        return Chunk(rows, lr, step, call)

    def _gathering(self, source: Rows, size: int) -> Gathered:
        """Prepare a call; the code is chosen by the first rows."""
        given = source.part(slice(size)).arrays()
        given = {name: np.array(dense(array), order="C") for name, array in given.items()}
        given["rows"] = np.arange(size, dtype=np.int32)[None]
        given["lr"] = np.empty(1, self.program.plan.graph.input_types["lr"].dtype)
        given["step"] = np.empty(1, np.int64)
        arrays = {**self.arrays, **given}
        call = self.program.prepare(arrays, 1, self.threads, self.ahead, self._beside)
        return Gathered(source, given, call)

    def epoch_calls(self, rows: int, size: int, most: int) -> EpochCalls:
        """Prepare calls for up to `most` epochs of `rows` rows in mini-batches of `size`."""
        start = time.perf_counter()
        whole = rows // size * size
        cuts = [(0, whole, size), (whole, rows, rows - whole)]
        parts = [
            EpochPart(slice(a, b), each, steps, self._chunk(most * steps, each))
            for a, b, each in cuts
            if each and (steps := (b - a) // each)
        ]
        self.compile_seconds += time.perf_counter() - start
        return EpochCalls(parts)


@dataclass
class EpochPart:
    """The part of an epoch whose mini-batches have one size, and a call for its steps in several
    epochs."""

    cut: slice
    size: int
    steps: int  # number of steps per epoch
    chunk: Chunk
    losses: np.ndarray = field(default_factory=lambda: np.empty(0))
    by_epoch: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))  # losses by epoch

    def run(self, epoch: int, count: int) -> None:
        losses = self.chunk.call(epoch * self.steps, (epoch + count) * self.steps)[0]
        if losses is not self.losses:
            self.losses, self.by_epoch = losses, losses.reshape(-1, self.steps)

    def of(self, epoch: int, count: int) -> np.ndarray:
        """Return the losses of some epochs, [epochs, steps]."""
        return self.by_epoch[epoch : epoch + count]


@dataclass(frozen=True)
class EpochCalls:
    """Calls for several epochs of small data, prepared once, with little overhead."""

    parts: list[EpochPart]

    def set(self, orders: np.ndarray, lr: np.ndarray, first: int) -> None:
        """Set the row numbers [epochs, rows] of the next epochs, the learning rates of their steps,
        and the number of the first step."""
        count = len(orders)
        rates = lr.reshape(count, -1)
        numbers = np.arange(first, first + rates.size).reshape(rates.shape)
        start = 0
        for part in self.parts:
            chunk, filled = part.chunk, count * part.steps
            steps = slice(start, start + part.steps)
            chunk.rows[:filled].reshape(count, -1)[...] = orders[:, part.cut]
            with np.errstate(over="ignore"):  # a rate may overflow the dtype; its step diverges
                chunk.lr[:filled].reshape(count, -1)[...] = rates[:, steps]
            chunk.step[:filled].reshape(count, -1)[...] = numbers[:, steps]
            start = steps.stop

    def run(self, epoch: int, count: int = 1) -> None:
        """Run all steps of one of the epochs, or of `count` consecutive ones."""
        if len(self.parts) == 1:
            self.parts[0].run(epoch, count)
            return
        for number in range(epoch, epoch + count):
            for part in self.parts:
                part.run(number, 1)

    def of_epoch(self, epoch: int) -> np.ndarray:
        """Return the losses of the steps of one epoch."""
        if len(self.parts) == 1:
            return self.parts[0].by_epoch[epoch]
        return np.concatenate([part.by_epoch[epoch] for part in self.parts])

    def losses(self, epochs: int, first: int = 0) -> list[tuple[np.ndarray, int]]:
        """Return, for each part, the losses [epochs, steps] and the batch size."""
        return [(part.of(first, epochs), part.size) for part in self.parts]


class Evaluator:
    """Computes the loss of many rows in parts: the weighted mean of the parts."""

    def __init__(
        self,
        make: Callable[[], Program],
        rows: Rows,
        parameters: Mapping[str, np.ndarray],
        threads: int | None = None,
    ) -> None:
        start = time.perf_counter()
        self._make, self._rows, self._threads = make, rows, threads
        self._parameters = parameters
        self.weights = weights_of(rows, PART)
        self._prepare()
        self.compile_seconds = time.perf_counter() - start

    def _prepare(self) -> None:
        rows = self._rows
        self.program = self._make()
        whole = len(rows) // PART * PART
        self.calls: list[Call] = []
        for part, size in ((slice(0, whole), PART), (slice(whole, None), len(rows) - whole)):
            stepped = {n: a[part] for n, a in rows.arrays().items()}
            steps = len(stepped["x"]) // max(1, size)
            if steps:
                shaped = {n: a.reshape(steps, size, *a.shape[1:]) for n, a in stepped.items()}
                arrays = {**shaped, **self._parameters}
                call = self.program.prepare(arrays, steps, self._threads, steps * CALLS)
                self.calls.append(call)

    def __call__(self) -> float:
        if is_outdated(self.program):
            self._prepare()
        parts = [call()[0] for call in self.calls]
        losses = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return weighted_mean(losses, self.weights)


def weights_of(rows: Rows, size: int) -> np.ndarray:
    """Return the weight of each part of `size` rows: the sum of its rows' weights."""
    starts = np.arange(0, len(rows), size)
    if rows.weight is None:
        return np.minimum(size, len(rows) - starts).astype(float)
    return np.array([math.fsum(rows.weight[i : i + size].ravel()) for i in starts])


def means_by_rows(losses: Sequence[tuple[np.ndarray, int]], rows: int) -> list[float]:
    """Return the mean loss of each epoch over its rows. `losses` has pairs of losses [epochs,
    steps] and the batch size."""
    total = np.zeros(len(losses[0][0]))
    for means, size in losses:
        total += means.astype(float, copy=False).sum(axis=1) * size
    return (total / rows).tolist()


def weighted_mean(losses: np.ndarray, weights: np.ndarray) -> float:
    """Return Σ wᵢ Lᵢ / Σ wᵢ, with exact sums; infinite or NaN where a loss is."""
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
