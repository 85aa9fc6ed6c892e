"""Memory layouts: an offset, and a stride for each axis, in elements.

In: shapes. Out: frozen `Layout` objects. Views map layouts to layouts, so that no data is copied.
Sizes known only at run time stay symbolic: a stride is a number times a product of such sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from glassnet.graph.types import Dim, Shape, Size


@dataclass(frozen=True)
class SizeProduct:
    """`factor` times the product of `dims` (sorted by name)."""

    factor: int
    dims: tuple[Dim, ...] = ()

    def __mul__(self, other: SizeProduct | Size) -> SizeProduct:
        if isinstance(other, int):
            return SizeProduct(self.factor * other, self.dims if other else ())
        more = (other,) if isinstance(other, Dim) else other.dims
        factor = self.factor * (1 if isinstance(other, Dim) else other.factor)
        dims = sorted(self.dims + more, key=lambda dim: dim.name)
        return SizeProduct(factor, tuple(dims) if factor else ())

    def __str__(self) -> str:
        parts = [str(self.factor)] if self.factor != 1 or not self.dims else []
        return "*".join(parts + [dim.name for dim in self.dims])

    def at(self, dims: Mapping[str, int]) -> int:
        """Return the product for given run-time sizes."""
        number = self.factor
        for dim in self.dims:
            number *= dims[dim.name]
        return number


ZERO = SizeProduct(0)
ONE = SizeProduct(1)


def count(shape: Sequence[Size]) -> SizeProduct:
    """Return the number of elements of a shape."""
    total = ONE
    for size in shape:
        total = total * size
    return total


@dataclass(frozen=True)
class Layout:
    """Element (i, j, …) is at position sum(offset) + i·strides[0] + j·strides[1] + …"""

    shape: Shape
    strides: tuple[SizeProduct, ...]
    offset: tuple[SizeProduct, ...] = ()

    @property
    def dense(self) -> bool:
        """Whether this is the row-major layout of a whole buffer."""
        return not self.offset and have_same_order(self, row_major(self.shape))

    def moved(self, axis: int, start: int) -> Layout:
        """Return the layout that begins `start` elements later on `axis`."""
        if start == 0:
            return self
        return replace(self, offset=(*self.offset, self.strides[axis] * start))

    def with_axes(self, shape: Sequence[Size], strides: Sequence[SizeProduct]) -> Layout:
        return Layout(tuple(shape), tuple(strides), self.offset)


def have_same_order(a: Layout, b: Layout) -> bool:
    """Whether two layouts of one shape have equal strides on all axes of size 2 or more."""
    pairs = zip(a.shape, a.strides, b.strides, strict=True)
    return all(size == 1 or left == right for size, left, right in pairs)


def row_major(shape: Sequence[Size]) -> Layout:
    """Return the contiguous layout of a shape, last axis fastest (C order)."""
    strides: list[SizeProduct] = []
    step = ONE
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return Layout(tuple(shape), tuple(reversed(strides)))


def transpose_layout(layout: Layout, axes: Sequence[int]) -> Layout:
    return layout.with_axes([layout.shape[a] for a in axes], [layout.strides[a] for a in axes])


def broadcast_layout(layout: Layout, shape: Sequence[Size]) -> Layout:
    """Return the layout broadcast to a shape; new axes and expanded axes of size 1 get stride 0."""
    extra = len(shape) - len(layout.shape)
    strides = [ZERO] * extra
    for old, new, stride in zip(layout.shape, shape[extra:], layout.strides, strict=True):
        strides.append(stride if old == new else ZERO)
    return layout.with_axes(shape, strides)


def slice_layout(
    layout: Layout, starts: Sequence[int], sizes: Sequence[Size], steps: Sequence[int]
):
    """Return the layout of a slice: its element i is element start + i·step of the old axis. Steps
    may be negative."""
    moved = layout
    for axis, start in enumerate(starts):
        moved = moved.moved(axis, start)
    strides = [s * step for s, step in zip(layout.strides, steps, strict=True)]
    return moved.with_axes(sizes, strides)


def reshape_layout(layout: Layout, shape: Sequence[Size]) -> Layout | None:
    """Return the layout of the same elements in another shape; None where a copy is needed."""
    if have_same_order(layout, row_major(layout.shape)):
        return (
            row_major(shape)
            if not layout.offset
            else replace(row_major(shape), offset=layout.offset)
        )
    old = [(s, t) for s, t in zip(layout.shape, layout.strides, strict=True) if s != 1]
    new = [size for size in shape if size != 1]
    if [size for size, _ in old] != new:
        return None
    strides = iter([stride for _, stride in old])
    return layout.with_axes(shape, [ONE if size == 1 else next(strides) for size in shape])
