"""Ensembles of networks in one network: members that share most weights, as in TabM.

In: rows. Out: rows with the numbers of all members, member after member.

    Sequential(Repeat(8), BatchEnsemble(30, 64, 8), ReLU(), BatchEnsemble(64, 1, 8), Average(8))

In training every member has its own loss, and the mean of the losses is minimised; a prediction
is the mean of the members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet import ops
from glassnet.errors import ShapeError
from glassnet.graph.op import Value
from glassnet.nn.initializers import Initializer, initializer
from glassnet.nn.module import Module, Parameter
from glassnet.nn.scope import Scope
from glassnet.nn.setting_checks import check_sizes
from glassnet.ops import philox
from glassnet.words import plural

MOST_MEMBERS = 1 << 12  # largest number of members that a file may specify


@dataclass(eq=False)
class Repeat(Module):
    """Repeats the numbers of a row for every member. With `groups` a row has the numbers of several
    groups of members, and those of a group are repeated for each of its `members`."""

    members: int
    groups: int = 1

    def __post_init__(self) -> None:
        check_sizes(self, "Repeat(8)", members=self.members, groups=self.groups)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Repeat:
        """Make a layer from a file; `members` is limited, since the layer has no parameters whose
        size would limit the memory that its rows take."""
        if config.get("members", 0) > MOST_MEMBERS:
            raise ValueError(f"members is {config['members']}; allowed are up to {MOST_MEMBERS:,}")
        return super().from_config(config)

    def output_width(self, width: int | None) -> int | None:
        if width is not None and width % self.groups:
            raise ShapeError(
                f"{self!r}: {plural(width, 'number')} a row are not the same for {self.groups} "
                "groups\n  right: Repeat(3, groups=2) for rows of 2, 4, 6, … numbers"
            )
        return None if width is None else width * self.members

    def build(self, x: Value, parameters: Scope) -> Value:
        if self.groups == 1:
            return ops.concatenate([x] * self.members, 1)
        rows, width = x.shape[0], x.shape[1]
        assert isinstance(width, int)
        grouped = ops.reshape(x, (rows, self.groups, 1, width // self.groups))
        wide = ops.broadcast(grouped, (rows, self.groups, self.members, width // self.groups))
        return ops.reshape(wide, (rows, width * self.members))


@dataclass(eq=False)
class BatchEnsemble(Module):
    """A linear layer for each member j, zⱼ = ((xⱼ ∘ rⱼ) W) ∘ sⱼ + bⱼ: all members share W; each has
    its own r, s and b.

    r is initialised with random signs, or with 1 if `signs` is False, and s with 1. Random signs in
    one layer, best the first, make the members differ. With `groups` only the members of a group
    share a W. Wen and others, 2020; Gorishniy and others, 2024."""

    fan_in: int
    fan_out: int
    members: int
    initializer: str | Initializer = "glorot_uniform"
    signs: bool = True
    groups: int = 1

    def __post_init__(self) -> None:
        sizes = {"fan_in": self.fan_in, "fan_out": self.fan_out, "members": self.members}
        right = "Repeat(8), BatchEnsemble(4, 3, 8)"
        check_sizes(self, right, **sizes, groups=self.groups)
        check_groups(self, self.members, self.groups, f"{right[:-1]}, groups=2)")
        initializer(self.initializer)

    def input_width(self) -> int | None:
        return self.members * self.fan_in

    def output_width(self, width: int | None) -> int | None:
        return self.members * self.fan_out

    def parameter_specs(self) -> dict[str, Parameter]:
        return {
            "weight": self._weight(),
            "r": Parameter((self.members, self.fan_in), random_signs if self.signs else "ones"),
            "s": Parameter((self.members, self.fan_out), "ones"),
            "bias": Parameter((self.members, self.fan_out)),
        }

    def _weight(self) -> Parameter:
        shape = (self.fan_in, self.fan_out)
        if self.groups == 1:
            return Parameter(shape, self.initializer)
        return Parameter((self.groups, *shape), draw_separately(self.initializer))

    def build(self, x: Value, parameters: Scope) -> Value:
        rows, each = x.shape[0], self.members // self.groups
        scaled = ops.reshape(x, (rows, self.members, self.fan_in)) * parameters["r"]
        wide = (self.groups, each, self.fan_in, self.fan_out)
        shared = ops.reshape(parameters["weight"], (self.groups, 1, self.fan_in, self.fan_out))
        shared = ops.reshape(ops.broadcast(shared, wide), (self.members, *wide[2:]))
        z = ops.transpose(ops.transpose(scaled, (1, 0, 2)) @ shared, (1, 0, 2))
        z = z * parameters["s"] + parameters["bias"]
        return ops.reshape(z, (rows, self.members * self.fan_out))


@dataclass(eq=False)
class MemberLinear(Module):
    """A separate linear layer for each member j: zⱼ = xⱼ Wⱼ + bⱼ. Used after `BatchEnsemble`, it
    gives each member its own last layer."""

    fan_in: int
    fan_out: int
    members: int
    initializer: str | Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        sizes = {"fan_in": self.fan_in, "fan_out": self.fan_out, "members": self.members}
        check_sizes(self, "Repeat(8), MemberLinear(4, 3, 8)", **sizes)
        initializer(self.initializer)

    def input_width(self) -> int | None:
        return self.members * self.fan_in

    def output_width(self, width: int | None) -> int | None:
        return self.members * self.fan_out

    def parameter_specs(self) -> dict[str, Parameter]:
        return {
            "weight": Parameter(
                (self.members, self.fan_in, self.fan_out), draw_separately(self.initializer)
            ),
            "bias": Parameter((self.members, self.fan_out)),
        }

    def build(self, x: Value, parameters: Scope) -> Value:
        rows = x.shape[0]
        by_member = ops.transpose(ops.reshape(x, (rows, self.members, self.fan_in)), (1, 0, 2))
        z = ops.transpose(by_member @ parameters["weight"], (1, 0, 2)) + parameters["bias"]
        return ops.reshape(z, (rows, self.members * self.fan_out))


@dataclass(eq=False)
class Average(Module):
    """Returns the mean of the members in a prediction, and the numbers of all members in training.

    With `probabilities` the numbers are raw scores of classes: their softmax is averaged, and the
    result is the logarithm of the mean, again a raw score."""

    members: int
    probabilities: bool = False

    def __post_init__(self) -> None:
        check_sizes(self, "Average(8) behind BatchEnsemble(4, 3, 8)", members=self.members)

    def output_width(self, width: int | None) -> int | None:
        if width is not None and width % self.members:
            raise ShapeError(
                f"{self!r}: {plural(width, 'number')} a row are not the same for every member\n"
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


@dataclass(eq=False)
class InFolds(Module):
    """An ensemble for cross-validation: its members are in `folds` groups, each of which is trained
    without the rows of its fold.

    The last column of a row is its fold, from 0, or −1 for none; `inner` gets the other columns. In
    training, the members of the row's fold get no gradient from it. A prediction averages only
    these members, so that it is out-of-fold; for a row without a fold it averages all members, as
    `Average` does.

        InFolds(Sequential(Repeat(6), MemberLinear(30, 1, 6)), members=6, folds=3)
    """

    inner: Module
    members: int
    folds: int
    probabilities: bool = False

    def __post_init__(self) -> None:
        right = "InFolds(Sequential(Repeat(6), MemberLinear(30, 1, 6)), members=6, folds=3)"
        check_sizes(self, right, members=self.members, folds=self.folds)
        check_groups(self, self.members, self.folds, right)

    def input_width(self) -> int | None:
        inner = self.inner.input_width()
        return None if inner is None else inner + 1

    def output_width(self, width: int | None) -> int | None:
        given = self.inner.output_width(None if width is None else width - 1)
        if given is not None and given % self.members:
            raise ShapeError(
                f"InFolds: the inner network gives {plural(given, 'number')} a row, which are not "
                f"the same for {plural(self.members, 'member')}\n"
                "  right: InFolds(Sequential(Repeat(6), MemberLinear(9, 1, 6)), members=6, folds=3)"
            )
        return None if given is None else given // self.members

    def build(self, x: Value, parameters: Scope) -> Value:
        rows, width = x.shape
        assert isinstance(width, int)
        given = self.inner(x[:, : width - 1])
        each = given.shape[1] // self.members
        parts = ops.reshape(given, (rows, self.members, each))
        fold: Any = x[:, width - 1 :]
        groups = np.repeat(np.arange(self.folds), self.members // self.folds)
        unseen = ops.equal(fold, groups.astype(x.dtype))
        if parameters.training:
            held_out = ops.broadcast(ops.reshape(unseen, (rows, self.members, 1)), parts.shape)
            learnt = ops.where(held_out, ops.stop_gradient(parts), parts)
            return ops.reshape(learnt, (rows, self.members * each))
        others = ops.where(ops.greater_equal(fold, 0.0), fold * 0.0, 1.0 / self.members)
        share = ops.where(unseen, self.folds / self.members, others)
        share = ops.reshape(share, (rows, self.members, 1))
        if not self.probabilities:
            return ops.sum(parts * share, 1)
        chances = ops.sum(ops.exp(ops.log_softmax(parts, 2)) * share, 1)
        return ops.log(ops.maximum(chances, _LEAST))


_LEAST = 1e-37  # lower limit of a probability before its logarithm


def check_groups(owner: object, members: int, groups: int, right: str) -> None:
    """Raise ShapeError unless `members` is a multiple of `groups`."""
    if members % groups:
        raise ShapeError(
            f"{owner!r}: {plural(members, 'member')} make no {groups} groups of one size\n"
            f"  right: {right}"
        )


def random_signs(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
    """Return random numbers −1 and 1 with equal probability."""
    return np.where(philox.uniform(int(np.prod(shape)), seed, stream) < 0.5, -1.0, 1.0).reshape(
        shape
    )


def draw_separately(named: str | Initializer) -> Initializer:
    """Return an initialiser of several matrices [count, fan_in, fan_out], each with its own random
    numbers and the fan-in and fan-out of a single matrix."""
    first = initializer(named)

    def drawn(shape: tuple[int, ...], seed: int, stream: int) -> np.ndarray:
        alone = [first(shape[1:], seed + _APART * i, stream) for i in range(shape[0])]
        return np.stack(alone)

    return drawn


_APART = 1_000_003  # difference between the seeds of such matrices
