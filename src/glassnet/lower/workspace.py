"""Allocates intermediate values in one workspace; memory is reused after the last reader.

In: fused kernels. Out: the offset of every temporary buffer for given run-time sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glassnet.fuse.kernels import BYTES, KernelGraph, buffers_read
from glassnet.graph.layout import SizeProduct, count

ALIGN = 64


@dataclass(frozen=True)
class Temporary:
    """A buffer needed from kernel `first` to kernel `last`."""

    buffer: int
    size: SizeProduct
    first: int
    last: int


@dataclass(frozen=True)
class Stack:
    """The stack of partial sums of a blocked sum over `rows`, behind a thread's scratch memory.
    `level` is the size of one level in bytes; the number of levels depends on that of rows."""

    block: int
    rows: SizeProduct
    level: tuple[SizeProduct, ...]

    def blocks(self, dims: Mapping[str, int]) -> int:
        return max(1, -(-self.rows.at(dims) // self.block))

    def at(self, dims: Mapping[str, int]) -> int:
        """Return the size of all levels in bytes."""
        return (self.blocks(dims) - 1).bit_length() * sum(part.at(dims) for part in self.level)


def temporaries(fused: KernelGraph) -> tuple[Temporary, ...]:
    """Return the buffers that are neither inputs, constants nor outputs, with their lifetimes."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    sizes: dict[int, SizeProduct] = {}
    outside = set(fused.outputs) | set(fused.alias) | set(fused.graph.inputs.values())
    for number, kernel in enumerate(fused.kernels):
        for place, buffer in kernel.stores:
            if buffer not in outside:
                node = fused.graph.nodes[place]
                first[buffer] = last[buffer] = number
                sizes[buffer] = count(node.type.shape) * BYTES[node.type.dtype]
    for number, kernel in enumerate(fused.kernels):
        for base in buffers_read(fused.graph.nodes, fused.access, kernel) & first.keys():
            last[base] = max(last[base], number)
    return tuple(Temporary(b, sizes[b], first[b], last[b]) for b in first)


def place(buffers: tuple[Temporary, ...], dims: Mapping[str, int]) -> tuple[dict[int, int], int]:
    """Return the offsets of buffers and the size of the workspace, in bytes. The largest buffers
    come first, each at the lowest offset that is free during its lifetime."""
    sized = [(max(b.size.at(dims), 1), b) for b in buffers]
    placed: list[tuple[int, int, Temporary]] = []
    offsets: dict[int, int] = {}
    for size, buffer in sorted(sized, key=lambda pair: (-pair[0], pair[1].buffer)):
        size = -(-size // ALIGN) * ALIGN
        start = 0
        for low, high, other in sorted(placed, key=lambda item: item[0]):
            alive = other.first <= buffer.last and buffer.first <= other.last
            if alive and start < high and low < start + size:
                start = high
        placed.append((start, start + size, buffer))
        offsets[buffer.buffer] = start
    return offsets, max((high for _, high, _ in placed), default=0)
