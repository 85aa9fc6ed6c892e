"""Many networks in one: members that share most weights, as in TabM.

In: rows. Out: rows that hold the numbers of all members side by side, member after member.

    Sequential(Repeat(8), BatchEnsemble(30, 64, 8), ReLU(), BatchEnsemble(64, 1, 8), Average(8))

In training every member has its own loss, and the mean of the losses is minimised; a prediction
is the mean of the members.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.nn.initializers import Initializer, initializer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.settings import check_sizes
from glassnet.ops import philox
from glassnet.words import counted


@dataclass(eq=False)
class Repeat(Module):
    """The same numbers for every member."""

    members: int

    def __post_init__(self) -> None:
        check_sizes(self, "Repeat(8)", members=self.members)

    def gives(self, width: int | None) -> int | None:
        return None if width is None else width * self.members

    def build(self, x: Value, parameters: Scope) -> Value:
        return ops.concatenate([x] * self.members, 1)


@dataclass(eq=False)
class BatchEnsemble(Module):
    """zⱼ = ((xⱼ ∘ rⱼ) W) ∘ sⱼ + bⱼ for member j: W is shared, r, s and b are each member's own.
    r starts as random signs, s as ones. Wen and others, 2020; Gorishniy and others, 2024."""

    fan_in: int
    fan_out: int
    members: int
    initializer: str | Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        sizes = {"fan_in": self.fan_in, "fan_out": self.fan_out, "members": self.members}
        check_sizes(self, "Repeat(8), BatchEnsemble(4, 3, 8)", **sizes)
        initializer(self.initializer)

    def takes(self) -> int | None:
        return self.members * self.fan_in

    def gives(self, width: int | None) -> int | None:
        return self.members * self.fan_out

    def declared(self) -> dict[str, Parameter]:
        return {
            "weight": Parameter((self.fan_in, self.fan_out), self.initializer),
            "r": Parameter((self.members, self.fan_in), random_signs),
            "s": Parameter((self.members, self.fan_out), "ones"),
            "bias": Parameter((self.members, self.fan_out)),
        }

    def build(self, x: Value, parameters: Scope) -> Value:
        rows = x.shape[0]
        own = ops.reshape(x, (rows, self.members, self.fan_in)) * parameters["r"]
        shared = ops.broadcast(parameters["weight"], (self.members, self.fan_in, self.fan_out))
        z = ops.transpose(ops.transpose(own, (1, 0, 2)) @ shared, (1, 0, 2))
        z = z * parameters["s"] + parameters["bias"]
        return ops.reshape(z, (rows, self.members * self.fan_out))


@dataclass(eq=False)
class Average(Module):
    """The mean of the members in a prediction, all of them in training. With `probabilities` the
    numbers are raw scores of classes, and what is averaged is their softmax; the result is the
    logarithm of that, which is a raw score again."""

    members: int
    probabilities: bool = False

    def __post_init__(self) -> None:
        check_sizes(self, "Average(8) behind BatchEnsemble(4, 3, 8)", members=self.members)

    def gives(self, width: int | None) -> int | None:
        if width is not None and width % self.members:
            raise ShapeError(
                f"{self!r}: {counted(width, 'number')} a row are not the same for every member\n"
                "  right: Repeat(8), BatchEnsemble(4, 3, 8), Average(8): one number of members"
            )
        return None if width is None else width // self.members

    def build(self, x: Value, parameters: Scope) -> Value:
        if parameters.training:
            return x
        width = x.shape[1]
        assert isinstance(width, int)
        parts = ops.reshape(x, (x.shape[0], self.members, width // self.members))
        if not self.probabilities:
            return ops.mean(parts, 1)
        scores = ops.log_softmax(parts, 2)
        return ops.logsumexp(scores, 1) - float(np.log(self.members))


def random_signs(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """−1 or 1."""
    return np.where(philox.uniform(int(np.prod(shape)), seed, stream) < 0.5, -1.0, 1.0).reshape(
        shape
    )
