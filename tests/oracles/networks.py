"""PyTorch's layers and losses as functions, written with our modules and losses.

In: graph values in the place of tensors, and the other arguments of a sample. Out: graph values;
`Left`, with the reason, where a sample asks for what we do not have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from glassnet import losses, nn, ops
from glassnet.nn.rectifiers import leaky
from glassnet.nn.scope import Scope
from tests.oracles.adapters import Left


def layer(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A layer without parameters, applied to values of any shape."""
    return lambda x, *settings, **named: kind(*settings, **named).build(x, Scope({}))


def prelu(x: Any, weight: Any) -> Any:
    if math.prod(weight.shape) > 1 and len(x.shape) > 2:
        weight = ops.reshape(weight, (-1, *(1,) * (len(x.shape) - 2)))
    elif len(weight.shape) > len(x.shape):
        weight = ops.reshape(weight, ())
    return leaky(x, weight)


def gelu(x: Any, approximate: str = "none") -> Any:
    if approximate != "none":
        raise Left("GELU with a tanh instead of its erf")
    return layer(nn.GELU)(x)


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    """PyTorch's is the identity beyond the threshold; ours has none."""
    exact = layer(nn.Softplus)(x * beta) / beta
    return ops.where(ops.greater(x * beta, threshold), x, exact)


def rows_of(x: Any, shape: Any) -> Any:
    """What is normalised together as one row."""
    return ops.reshape(x, (-1, math.prod(shape)))


def norm(kind: Any, x: Any, shape: Any, eps: float, **parts: Any) -> Any:
    if eps < 0:
        raise Left("an eps below 0, which ours refuse")
    width = math.prod(shape)
    given = {
        name: x.builder.constant([float(name == "scale")] * width, "float64")
        if part is None else ops.reshape(part, -1)
        for name, part in parts.items()
    }  # fmt: skip
    return ops.reshape(kind(width, eps).build(rows_of(x, shape), Scope(given)), x.shape)


def layer_norm(
    x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:  # fmt: skip
    return norm(nn.LayerNorm, x, shape, eps, scale=weight, shift=bias)


def rms_norm(x: Any, shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """PyTorch's eps, where it is not given, is the smallest step of the dtype."""
    return norm(nn.RMSNorm, x, shape, 2.0**-52 if eps is None else eps, scale=weight)


def columns(x: Any) -> Any:
    """Each number as a row of its own, so that a loss of rows is a loss of numbers."""
    return ops.reshape(x, (-1, 1))


def together(each: Any, shape: Any, reduction: str) -> Any:
    """PyTorch's reduction of losses."""
    if reduction == "none":
        return ops.reshape(each, shape)
    return ops.sum(each) if reduction == "sum" else ops.mean(each)


def loss(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A loss of numbers, with PyTorch's reduction."""

    def compute(x: Any, y: Any, reduction: str = "mean", **other: Any) -> Any:
        if any(setting is not None for setting in other.values()):
            raise Left("weights of single numbers")
        return together(kind().rows(columns(x), columns(y)), x.shape, reduction)

    return compute


def huber(x: Any, y: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    return loss(lambda: losses.Huber(delta))(x, y, reduction)


def poisson(
    x: Any, y: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    if full or not log_input:
        raise Left("a rate instead of its logarithm, or the term that no prediction changes")
    return loss(losses.PoissonNLL)(x, y, reduction)


def gaussian(
    x: Any, y: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Ours takes the logarithm of the variance."""
    if full or x.shape != y.shape or not hasattr(var, "shape") or var.shape != x.shape:
        raise Left("the constant term, or shapes that differ")
    spread = ops.log(ops.maximum(var, eps))
    both = ops.concatenate([columns(x), columns(spread)], 1)
    return together(losses.GaussianNLL().rows(both, columns(y)), x.shape, reduction)


def of_classes(build: Callable[..., Any]) -> Callable[..., Any]:
    def compute(x: Any, y: Any, reduction: str = "mean", weight: Any = None, **other: Any) -> Any:
        if len(x.shape) != 2 or y.dtype != "int64" or weight is not None:
            raise Left("classes not on the last axis, given as probabilities, or weighed")
        return together(build(x, y, **other), y.shape, reduction)

    return compute


def cross(x: Any, y: Any, label_smoothing: float = 0.0, ignore_index: int = -100) -> Any:
    if ignore_index >= 0:
        raise Left("a class that is left out")
    return losses.CrossEntropy(label_smoothing=label_smoothing).rows(x, ops.cast(y, "int32"))


def margins(x: Any, y: Any, p: int = 1, margin: float = 1.0) -> Any:
    if p != 1 or margin != 1.0:
        raise Left("a margin other than 1, or its square")
    return losses.Hinge().rows(x, ops.cast(y, "int32")) / x.shape[1]


cross_entropy, hinge = of_classes(cross), of_classes(margins)
