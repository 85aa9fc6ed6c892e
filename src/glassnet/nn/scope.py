"""The scope of a module while its nodes are built.

In: parameters as graph values, and the context: training or not, which step, which rows. Out:
`Scope`, a mapping from parameter names to values; random numbers; updates of parameters that have
no gradient.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from glassnet import ops
from glassnet.errors import GraphError, MissingParameterError
from glassnet.graph.build import GraphBuilder
from glassnet.graph.op import Value
from glassnet.nn.storage import ParameterLayout, Part, Slot, layout_of


@dataclass
class BuildContext:
    """The context of building a network, shared by the scopes of all its layers. The seed may be
    two words. With `sampling` a prediction uses random numbers; `seen` collects the output of every
    layer by its name."""

    training: bool = False
    seed: int | tuple[Value, Value] = 0
    step: Value | None = None
    rows: Value | None = None
    frozen: frozenset[str] = frozenset()  # parameters that are not changed
    updates: dict[str, Value] = field(default_factory=dict[str, Value])
    streams: int = 0
    sampling: bool = False
    seen: dict[str, Value] | None = None


class Scope(Mapping[str, Value]):
    """The parameters of one module by name, as graph values. `aliases` maps further names to some
    of them, for parts that share parameters."""

    def __init__(
        self,
        values: Mapping[str, Value],
        circumstances: BuildContext | None = None,
        prefix: str = "",
        aliases: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> None:
        self._values, self._prefix, self._aliases = values, prefix, aliases or {}
        self._quiet = quiet
        self._circumstances = circumstances or BuildContext()

    def __getitem__(self, name: str) -> Value:
        full = self._full(name)
        if full not in self._values:
            raise MissingParameterError(
                f"there is no parameter {name!r}; declared are {', '.join(self) or 'none'}\n"
                "  right: def parameter_specs(self): "
                f'return {{"{name}": Parameter((2, 3), "zeros")}}'
            )
        return self._circumstances.updates.get(full, self._values[full])

    def _full(self, name: str) -> str:
        full = self._prefix + name
        return self._aliases.get(full, full)

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        every = [*self._values, *self._aliases]
        return iter(dict.fromkeys(n[start:] for n in every if n.startswith(self._prefix)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def training(self) -> bool:
        """Whether a training step is built, rather than a prediction."""
        return self._circumstances.training

    def frozen(self, name: str) -> bool:
        """Whether a parameter is frozen: its group has a learning rate of 0."""
        return self._full(name) in self._circumstances.frozen

    def under(self, name: str) -> Scope:
        """Return the scope of a part."""
        prefix = f"{self._prefix}{name}." if name else self._prefix
        return Scope(self._values, self._circumstances, prefix, self._aliases, self._quiet)

    def with_aliases(self, aliases: Mapping[str, str]) -> Scope:
        """Return this scope with further names for some of its values."""
        return Scope(self._values, self._circumstances, self._prefix, aliases)

    def of_other_module(self, values: Mapping[str, Value], aliases: Mapping[str, str]) -> Scope:
        """Return the scope of another module in the same context; its outputs are not recorded."""
        return Scope(values, self._circumstances, "", aliases, quiet=True)

    @property
    def random(self) -> bool:
        """Whether layers draw random numbers: in training, and where predictions are sampled."""
        return self._circumstances.training or self._circumstances.sampling

    def note(self, name: str, value: Value) -> None:
        """Record the output of a part."""
        if self._circumstances.seen is not None and not self._quiet:
            self._circumstances.seen[self._prefix + name] = value

    def uniform(self, like: Value) -> Value:
        """Return random numbers on [0, 1) in the shape of `like`; they depend on the seed, the
        position in the network, the training step, the row of the data and the column."""
        if not self.random:
            raise GraphError("random numbers belong to training; a prediction is a function of x")
        now = self._circumstances
        now.streams += 1
        step = 0 if now.step is None else now.step
        return ops.uniform(like, now.seed, now.streams, step, now.rows)

    def update(self, name: str, value: Value) -> None:
        """Set the new value, after this step, of a parameter without a gradient; do nothing where
        it is frozen."""
        if not self.frozen(name):
            self._circumstances.updates[self._full(name)] = value


@dataclass
class Building:
    """A network that is being built on a graph: its scope, and the names of its parameters by
    slot. While it is `closed`, calling modules that are not parts of it raises an error."""

    owner: object
    scope: Scope
    names: dict[int, str]
    closed: bool = True

    def scope_of(self, layout: ParameterLayout, parameters: Mapping[str, Value]) -> Scope:
        """Return the scope of a module that the user's code calls; a module that is not a part of
        the network computes as in a prediction."""
        if any(id(slot) not in self.names for slot in layout.slots.values()):
            return Scope(parameters, aliases=layout.aliases)
        places = {name: self.names[id(slot)] for name, slot in layout.slots.items()}
        shared = {name: places[first] for name, first in layout.aliases.items()}
        values = {places[name]: value for name, value in parameters.items()}
        return self.scope.of_other_module(values, places | shared)


def apply(module: Part, x: Value, parameters: Scope) -> Value:
    """Build a module on a graph. Parts that its code calls find their parameters among those of
    the network."""
    builder = x.builder
    assert isinstance(builder, GraphBuilder)
    if builder.context is not None:
        return module.build(x, parameters)
    layout = layout_of(module)
    scope = parameters.with_aliases(layout.aliases)
    builder.known |= {slot: scope[name] for name, slot in layout.slots.items()}
    names = {id(slot): name for name, slot in layout.slots.items()}
    builder.context = building = Building(module, scope, names)
    result = module.build(x, scope)
    building.closed = False
    return result


@contextmanager
def substituted(builder: GraphBuilder, pairs: Sequence[tuple[Slot, Slot]]) -> Generator[None]:
    """Within the block, let the first slot of each pair stand for the second one: for code that
    refers to other modules than those that are built (see `Function`)."""
    building: Building | Probe | None = builder.context
    known, names = builder.known, building.names if isinstance(building, Building) else {}
    builder.known = known | {theirs: known[ours] for theirs, ours in pairs}
    also = {id(theirs): names[id(ours)] for theirs, ours in pairs if id(ours) in names}
    if isinstance(building, Building):
        building.names = names | also
    try:
        yield
    finally:
        builder.known = known
        if isinstance(building, Building):
            building.names = names


class Probe:
    """Used in place of a `Building` to find out which modules a function calls."""

    def __init__(self) -> None:
        self.called: list[Any] = []
