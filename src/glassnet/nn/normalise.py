"""Normalisation layers and dropout.

In: activations. Out: activations of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from glassnet import ops
from glassnet.graph.op import Value
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.setting_checks import check_numbers, check_sizes


@dataclass(eq=False)
class Dropout(Module):
    """Dropout: in training each number is 0 with probability p, else divided by 1 − p; in
    predictions nothing is changed. The random numbers are a function of seed, training step, row,
    column and layer. Srivastava and others, 2014."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_numbers(self, "Dropout(0.5), which drops half of the numbers", 0.0, 1.0, p=self.p)

    def build(self, x: Value, parameters: Scope) -> Value:
        if not parameters.random or self.p == 0.0:
            return x
        mask = ops.greater_equal(parameters.uniform(x), self.p)
        return ops.where(mask, x * (1.0 / (1.0 - self.p)), 0.0)


@dataclass(eq=False)
class LayerNorm(Module):
    """Layer normalisation: (x − mean) / √(variance + eps) within each row, times a learnt scale
    plus a learnt shift. Ba and others, 2016."""

    torch_names: ClassVar[Mapping[str, str]] = {"scale": "weight", "shift": "bias"}

    width: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_sizes(self, "LayerNorm(3) behind Linear(…, 3)", width=self.width)
        check_numbers(self, "LayerNorm(3, eps=1e-5)", 0.0, eps=self.eps)

    def input_width(self) -> int | None:
        return self.width

    def parameter_specs(self) -> dict[str, Parameter]:
        return {"scale": Parameter((self.width,), "ones"), "shift": Parameter((self.width,))}

    def build(self, x: Value, parameters: Scope) -> Value:
        apart = x - ops.mean(x, 1, keepdims=True)
        spread = ops.mean(ops.square(apart), 1, keepdims=True)
        return apart / ops.sqrt(spread + self.eps) * parameters["scale"] + parameters["shift"]


@dataclass(eq=False)
class RMSNorm(Module):
    """RMS normalisation: x / √(mean of x² + eps) within each row, times a learnt scale. Zhang and
    Sennrich, 2019."""

    torch_names: ClassVar[Mapping[str, str]] = {"scale": "weight"}

    width: int
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_sizes(self, "RMSNorm(3) behind Linear(…, 3)", width=self.width)
        check_numbers(self, "RMSNorm(3, eps=1e-6)", 0.0, eps=self.eps)

    def input_width(self) -> int | None:
        return self.width

    def parameter_specs(self) -> dict[str, Parameter]:
        return {"scale": Parameter((self.width,), "ones")}

    def build(self, x: Value, parameters: Scope) -> Value:
        size = ops.mean(ops.square(x), 1, keepdims=True)
        return x / ops.sqrt(size + self.eps) * parameters["scale"]


@dataclass(eq=False)
class BatchNorm(Module):
    """Batch normalisation: (x − mean) / √(variance + eps) of each column over the mini-batch, times
    a learnt scale plus a learnt shift. Ioffe and Szegedy, 2015.

    Training updates a running mean and variance, new = (1 − momentum)·old + momentum·batch's (the
    variance with n − 1), which predictions use in place of those of the mini-batch. They are
    parameters without a gradient, and part of W. One row has no variance: a mini-batch of one row
    uses the running values and does not update them, and `batch_size=1` raises an error.

    To freeze the layer, for example for fine-tuning, give its parameters a learning rate of 0,
    `gn.optim.Group("batchnorm1.*", lr=0)`: in training it then computes as in a prediction, and
    does not update its running mean and variance.
    """

    torch_names: ClassVar[Mapping[str, str]] = {
        "scale": "weight", "shift": "bias", "mean": "running_mean", "variance": "running_var",
    }  # fmt: skip

    width: int
    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_sizes(self, "BatchNorm(3) behind Linear(…, 3)", width=self.width)
        check_numbers(self, "BatchNorm(3, momentum=0.1)", 0.0, 1.0, "[]", momentum=self.momentum)
        check_numbers(self, "BatchNorm(3, eps=1e-5)", 0.0, eps=self.eps)

    def input_width(self) -> int | None:
        return self.width

    def parameter_specs(self) -> dict[str, Parameter]:
        shape = (self.width,)
        return {
            "scale": Parameter(shape, "ones"),
            "shift": Parameter(shape),
            "mean": Parameter(shape, "zeros", trained=False),
            "variance": Parameter(shape, "ones", trained=False),
        }

    def build(self, x: Value, parameters: Scope) -> Value:
        mean, variance = parameters["mean"], parameters["variance"]
        is_frozen = parameters.frozen("mean") and parameters.frozen("variance")
        if parameters.training and not is_frozen:
            mean, variance = self._of_batch(x, parameters)
        y = (x - mean) / ops.sqrt(variance + self.eps)
        return y * parameters["scale"] + parameters["shift"]

    def _of_batch(self, x: Value, parameters: Scope) -> tuple[Value, Value]:
        """Return mean and variance of a mini-batch, the running ones if it has one row, and update
        the running ones."""
        count = ops.size_of(x, 0, x.dtype)
        alone = ops.less_equal(count, 1.0)
        mean: Value = ops.mean(x, 0)
        variance: Value = ops.mean(ops.square(x - mean), 0)
        wide = variance * (count / ops.maximum(count - 1.0, 1.0))
        found: list[Value] = []
        for name, seen, kept in (("mean", mean, mean), ("variance", variance, wide)):
            old = parameters[name]
            new = (1.0 - self.momentum) * old + self.momentum * kept
            parameters.update(name, ops.where(alone, old, new))
            found.append(ops.where(alone, old, seen))
        return found[0], found[1]
