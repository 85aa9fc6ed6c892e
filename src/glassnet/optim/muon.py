"""Muon: the update of a weight matrix is its momentum, orthogonalised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from numbers import Integral
from typing import Any, cast

from glassnet import ops
from glassnet.errors import GlassnetError
from glassnet.graph.op import Value
from glassnet.optim.adam import AdamW
from glassnet.optim.optimizer import StepContext, check_between, flush_denormals
from glassnet.optim.schedule import Schedule

_A, _B, _C = 3.4445, -4.7750, 2.0315  # of the polynomial, as Jordan chose them
_LEAST_NORM = 1e-7
_MOST_STEPS = 99


@dataclass(frozen=True)
class Muon(AdamW):
    """The Muon update of a weight matrix: m ← μm + (1 − μ)g; u = (1 − μ)g + μm, or m without
    `nesterov`; w ← w·(1 − η·weight_decay) − η·s·O(u). O(u) approximates the matrix that has the
    singular vectors of u and singular values 1: X = u/max(‖u‖, 1e-7), then `steps` times
    X ← 3.4445X − 4.7750(XXᵀ)X + 2.0315(XXᵀ)²X, which gives singular values of about 0.7 to 1.2.
    s is 0.2·√max(fan_in, fan_out), so that updates are as large as those of AdamW, or, with
    `match_rms=False`, √max(1, fan_out/fan_in). A subnormal m is set to 0. Jordan and others, 2024;
    Liu and others, 2025.

    This update applies to parameters whose names match one of the patterns in `matrices` and whose
    shape is [fan_in, fan_out] with at least two rows and columns, or [count, fan_in, fan_out],
    where each matrix is updated separately. All others are updated as by AdamW, with β₁, β₂ and ε:
    biases and scales, and parameters that `matrices` excludes, such as the weights of the first and
    the last layer, for which Muon is not recommended.
    """

    lr: float | Schedule = 1e-3
    momentum: float = field(default=0.95, kw_only=True)
    nesterov: bool = field(default=True, kw_only=True)
    steps: int = field(default=5, kw_only=True)
    match_rms: bool = field(default=True, kw_only=True)
    matrices: tuple[str, ...] = field(default=("*weight",), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self, 0.0, 1.0, momentum=self.momentum)
        if not isinstance(self.steps, Integral) or not 1 <= self.steps <= _MOST_STEPS:
            raise GlassnetError(f"Muon(steps={self.steps!r}): use a whole number, 1 to 99")
        given: Any = self.matrices
        names = (given,) if isinstance(given, str) else given
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):  # pyright: ignore[reportUnknownVariableType]
            raise GlassnetError(
                f"Muon(matrices={given!r}): use patterns of names of parameters\n"
                '  right: Muon(matrices=("linear2.weight", "linear3.weight"))'
            )
        object.__setattr__(self, "matrices", tuple(cast("tuple[str, ...]", names)))

    def update(
        self, w: Value, g: Value, memory: Mapping[str, Value], now: StepContext
    ) -> tuple[Value, dict[str, Value]]:
        if not self.turns(now.name, w.shape):
            return super().update(w, g, memory, now)
        m = self.momentum * memory["m"] + (1.0 - self.momentum) * g
        u = (1.0 - self.momentum) * g + self.momentum * m if self.nesterov else m
        fan_in, fan_out = (cast("int", size) for size in w.shape[-2:])
        scale = math.sqrt(max(1.0, fan_out / fan_in))
        if self.match_rms:
            scale = 0.2 * math.sqrt(max(fan_in, fan_out))
        rest = {name: memory[name] for name in memory if name != "average"}
        return w - now.lr * scale * orthogonal(u, self.steps), {**rest, "m": flush_denormals(m)}

    def turns(self, name: str, shape: tuple[Any, ...]) -> bool:
        """Whether a parameter is updated as a matrix."""
        matrix = len(shape) in (2, 3) and min(shape[-2:]) > 1
        return matrix and any(fnmatchcase(name, pattern) for pattern in self.matrices)

    def formulas(self, t: int) -> list[str]:
        """Return none: the update of one element depends on the gradients of the whole matrix."""
        return []


def orthogonal(u: Any, steps: int) -> Any:
    """Return matrices with approximately the singular vectors of u [..., rows, columns] and
    singular values near 1, by `steps` iterations of the polynomial of `Muon`."""
    shape = u.shape
    last = tuple(range(len(shape) - 2))
    swapped_axes = (*last, len(shape) - 1, len(shape) - 2)
    wide_matrix = ops.transpose(u, swapped_axes) if shape[-2] > shape[-1] else u
    square = ops.sum(ops.square(wide_matrix), (len(shape) - 2, len(shape) - 1), keepdims=True)
    x = wide_matrix / ops.maximum(ops.sqrt(square), _LEAST_NORM)
    for _ in range(steps):
        gram = x @ ops.transpose(x, swapped_axes)
        x = _A * x + (_B * gram + _C * (gram @ gram)) @ x
    return ops.transpose(x, swapped_axes) if shape[-2] > shape[-1] else x
