"""Show one network of an ensemble ("pack") on the page; its inputs are its embedding's outputs.

In: the network of a model or a run. Out: the member as a plain network, a table whose columns are
the member's inputs, and a sentence about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.nn.compose import Sequential
from glassnet.nn.embed import GroupInputs, NumberEmbedding
from glassnet.nn.members import Pack
from glassnet.nn.module import Module
from glassnet.page.point_sets import PageTable
from glassnet.words import plural


@dataclass(frozen=True, eq=False)
class PackMember:
    """A member of an ensemble, numbered from 1; `embedding`, if any, computes its inputs."""

    number: int
    pack: Pack
    embedding: NumberEmbedding | None
    network: Sequential

    @classmethod
    def of(cls, label: str, network: Module, number: int | None) -> PackMember | None:
        """Return member `number`, by default the first; None if the network is not an ensemble;
        GlassnetError if there is no such member."""
        pack = Pack.of(network)
        if pack is None:
            if number is not None:
                raise GlassnetError(f"{label} is not an ensemble of networks; leave out the member")
            return None
        number = 1 if number is None else number
        if not 1 <= number <= pack.members:
            raise GlassnetError(
                f"{label} is an ensemble of {plural(pack.members, 'network')}; member is 1 to "
                f"{pack.members}, not {number}"
            )
        return cls(number, pack, pack.embedding(number - 1), pack.network(number - 1))

    @property
    def fold(self) -> int:
        """The fold, from 0, whose rows the member was not trained on; −1 without folds."""
        return (self.number - 1) * self.pack.folds // self.pack.members if self.folds else -1

    @property
    def folds(self) -> bool:
        """Whether the last column of the inputs is the number of the row's fold."""
        return self.pack.folds > 1

    def inputs(self, network: int) -> int:
        """Return the number of columns of a table for the member, whose network has `network`
        inputs."""
        found = network if self.embedding is None else self.embedding.input_width() or network
        first = self.pack.layers[0]
        if isinstance(first, NumberEmbedding | GroupInputs):
            found += first.per_group * (first.groups - 1)
        return found

    def on(self, table: PageTable, label: str) -> PageTable:
        """Return the table with the member's inputs as its columns."""
        return replace(
            table, x=self._embedded(table.x), columns=self._names(table.columns),
            about=self.summary(label),
        )  # fmt: skip

    def _embedded(self, x: np.ndarray) -> np.ndarray:
        given = self.pack.rows(self.number - 1, x)
        if self.embedding is not None:
            given = self.embedding(given)
        return np.ascontiguousarray(given, np.float32)

    def _names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        numbers = self.pack.rows(self.number - 1, np.arange(len(columns))[None])[0]
        columns = tuple(columns[int(number)] for number in numbers)
        if self.embedding is None:
            return columns
        features, width = self.embedding.features, self.embedding.width
        made = [f"{name} ({i + 1})" for name in columns[:features] for i in range(width)]
        return (*made, *columns[features:])

    def summary(self, label: str) -> str:
        """Return the sentence on the ensemble that the page shows."""
        folds = f" in {self.pack.folds} folds" if self.folds else ""
        unseen = f", trained without the rows of fold {self.fold + 1}" if self.folds else ""
        inputs = ""
        if self.embedding is not None:
            width = plural(self.embedding.width, "function")
            inputs = f"; each number is embedded by {width}, which were trained and stay fixed here"
        return (
            f"{label} is an ensemble of {plural(self.pack.members, 'network')}{folds}, which "
            f"predicts their mean; this is network {self.number}{unseen}{inputs}"
        )
