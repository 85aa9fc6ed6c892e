"""Layouts against NumPy: the same views of an array of element numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.graph import layout as lay
from glassnet.graph.layout import Layout, SizeProduct, count, row_major
from glassnet.graph.types import Dim


def positions(layout: Layout, shape: tuple[int, ...], dims: dict[str, int]) -> np.ndarray:
    """The element numbers that a layout gives, one index after the other."""
    start = sum(part.at(dims) for part in layout.offset)
    strides = [stride.at(dims) for stride in layout.strides]
    at = [
        start + sum(i * s for i, s in zip(index, strides, strict=True))
        for index in np.ndindex(shape)
    ]
    return np.array(at, int).reshape(shape)


SHAPES = st.lists(st.integers(0, 5), min_size=0, max_size=4).map(tuple)


class Chain:
    """A layout and NumPy's view of the element numbers, changed together."""

    def __init__(self, draw: Any, shape: tuple[int, ...], named: bool) -> None:
        self.draw = draw
        self.dims = {f"d{i}": size for i, size in enumerate(shape)} if named else {}
        self.layout = row_major([Dim(f"d{i}") for i in range(len(shape))] if named else shape)
        self.view = np.arange(int(np.prod(shape))).reshape(shape)

    def some(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def transpose(self) -> None:
        axes = self.draw(st.permutations(range(self.view.ndim)))
        self.layout, self.view = lay.transpose_layout(self.layout, axes), self.view.transpose(axes)

    def broadcast(self) -> None:
        sizes = self.layout.shape
        grown = [self.some(1, 3) if size == 1 else size for size in sizes]
        new = [self.some(0, 2) for _ in range(self.some(0, 1))]
        self.layout = lay.broadcast_layout(self.layout, (*new, *grown))
        pairs = zip(grown, self.view.shape, strict=True)
        shape = [size if isinstance(g, Dim) else g for g, size in pairs]
        self.view = np.broadcast_to(self.view, (*new, *shape))

    def slice(self) -> None:
        starts, sizes, steps, cuts = [], [], [], []
        for size, symbol in zip(self.view.shape, self.layout.shape, strict=True):
            step = self.draw(st.sampled_from((1, 2, -1, -2)))
            if isinstance(symbol, Dim):
                step = 1
                start, stop = 0, size
            else:
                start, stop = sorted((self.some(0, size), self.some(0, size)))
                if step < 0:
                    start, stop = stop - 1, start - 1
            places = range(start, stop, step)
            starts.append(start if places else 0)
            sizes.append(symbol if isinstance(symbol, Dim) else len(places))
            steps.append(step)
            cuts.append(list(places))
        self.layout = lay.slice_layout(self.layout, starts, sizes, steps)
        self.view = self.view[np.ix_(*cuts)] if cuts else self.view

    def reshape(self) -> None:
        """Axes of size 1 put in; and all axes joined, where the layout allows it."""
        place = self.some(0, self.view.ndim)
        shape = (*self.layout.shape[:place], 1, *self.layout.shape[place:])
        layout = lay.reshape_layout(self.layout, shape)
        assert layout is not None
        self.layout, self.view = layout, np.expand_dims(self.view, place)
        if all(isinstance(size, int) for size in shape):
            flat = lay.reshape_layout(self.layout, (self.view.size,))
            if flat is not None:
                self.layout, self.view = flat, self.view.reshape(-1)


@settings(max_examples=300)
@given(st.data())
def test_views_of_views_address_the_elements_that_numpy_does(data: Any) -> None:
    chain = Chain(data.draw, data.draw(SHAPES), data.draw(st.booleans()))
    for name in data.draw(
        st.lists(st.sampled_from(("transpose", "broadcast", "slice", "reshape")))
    ):
        getattr(chain, name)()
        if chain.view.ndim > 5 or chain.view.size > 5000:
            break
    found = positions(chain.layout, chain.view.shape, chain.dims)
    assert np.array_equal(found, chain.view)


def test_reshape_says_where_a_copy_is_needed() -> None:
    turned = lay.transpose_layout(row_major((2, 3)), (1, 0))
    assert lay.reshape_layout(turned, (6,)) is None
    assert lay.reshape_layout(turned, (3, 1, 2)) == Layout(
        (3, 1, 2), (SizeProduct(1), SizeProduct(1), SizeProduct(3))
    )
    assert lay.reshape_layout(row_major((2, 3)), (6,)) == row_major((6,))


def test_dense_means_row_major_from_the_start_of_a_buffer() -> None:
    assert row_major((2, 3)).dense
    assert row_major((Dim("n"), 3)).dense
    assert not lay.transpose_layout(row_major((2, 3)), (1, 0)).dense
    assert lay.transpose_layout(row_major((1, 3)), (1, 0)).dense
    assert not row_major((3,)).moved(0, 1).dense
    assert not lay.broadcast_layout(row_major((1,)), (3,)).dense


def test_products_of_sizes() -> None:
    n, m = Dim("n"), Dim("m")
    assert str(count((n, 3, m, 2))) == "6*m*n"
    assert str(count((n,))) == "n"
    assert str(count(())) == "1"
    assert count((n, 0)) == SizeProduct(0)
    assert count((n, m)) == count((m, n))
    assert count((n, 3, m)).at({"n": 5, "m": 7}) == 105
    assert row_major((2, n, 3)).strides == (SizeProduct(3, (n,)), SizeProduct(3), SizeProduct(1))
