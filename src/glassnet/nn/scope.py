"""What a module sees while its nodes are built.

In: parameters as graph values, and the circumstances: training or not, which step, which rows.
Out: `Scope`, a mapping from parameter names to values; random numbers; a place for new values of
parameters that no gradient trains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from glassnet import ops
from glassnet.errors import GraphError
from glassnet.graph.op import Value


@dataclass
class Circumstances:
    """One building of a network: shared by the scopes of all its layers. The seed may be
    given as its two words."""

    training: bool = False
    seed: int | tuple[Value, Value] = 0
    step: Value | None = None
    rows: Value | None = None
    frozen: frozenset[str] = frozenset()  # parameters that stay as they are
    updates: dict[str, Value] = field(default_factory=dict[str, Value])
    streams: int = 0


class Scope(Mapping[str, Value]):
    """The parameters of one module by name."""

    def __init__(
        self,
        values: Mapping[str, Value],
        circumstances: Circumstances | None = None,
        prefix: str = "",
    ) -> None:
        self._values, self._prefix = values, prefix
        self._circumstances = circumstances or Circumstances()

    def __getitem__(self, name: str) -> Value:
        return self._values[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        return (name[start:] for name in self._values if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def training(self) -> bool:
        """Whether a training step is built, rather than a prediction."""
        return self._circumstances.training

    def frozen(self, name: str) -> bool:
        """Whether a parameter stays as it is: its group has a learning rate of 0."""
        return self._prefix + name in self._circumstances.frozen

    def under(self, name: str) -> Scope:
        """The scope of a part."""
        return Scope(self._values, self._circumstances, f"{self._prefix}{name}.")

    def uniform(self, like: Value) -> Value:
        """Random numbers from [0, 1) in the shape of `like`, other ones for every seed, place in
        the network, step, row of the data, and unit."""
        if not self.training:
            raise GraphError("random numbers belong to training; a prediction is a function of x")
        now = self._circumstances
        now.streams += 1
        step = 0 if now.step is None else now.step
        return ops.uniform(like, now.seed, now.streams, step, now.rows)

    def update(self, name: str, value: Value) -> None:
        """The new value, after this step, of a parameter that no gradient trains; nothing happens
        where it is frozen."""
        if not self.frozen(name):
            self._circumstances.updates[self._prefix + name] = value
