"""Joins kernels over the rows of a narrow matrix into one that processes whole rows in registers.

In: kernels as fused so far. Out: kernels of kind rows in place of several others. A softmax with
its loss and gradient is a dozen small kernels over the rows of a narrow matrix: reductions along a
row, and elementwise operations on their results. Joined, none of these has to be stored.
"""

from __future__ import annotations

from collections.abc import Iterator

from glassnet.fuse.kernels import Fuser, Kernel
from glassnet.graph.layout import ONE, ZERO, Layout
from glassnet.graph.types import Size

WIDEST = 16  # most columns: every column needs its own registers


def join_rows(fuser: Fuser) -> None:
    """Join kernels around every reduction along the rows of a narrow matrix."""
    for number, kernel in enumerate(fuser.kernels):
        if kernel.kind == "reduce" and _width(fuser, kernel) is not None:
            _Joiner(fuser, number).join()


def _width(fuser: Fuser, kernel: Kernel) -> tuple[Size, int] | None:
    """Return rows and columns of the matrix whose rows a kernel reduces; None where it does not
    reduce the rows of a narrow matrix."""
    node = fuser.nodes[kernel.root or 0]
    shape = fuser.nodes[node.inputs[0]].type.shape
    along = len(shape) == 2 and node.attr("axes") == (1,) and not node.attr("rows", False)
    if along and isinstance(shape[1], int) and 1 < shape[1] <= WIDEST:
        return shape[0], shape[1]
    return None


class _Joiner:
    def __init__(self, fuser: Fuser, seed: int) -> None:
        self.fuser, self.kernels, self.seed = fuser, fuser.kernels, seed
        self.rows, self.columns = _width(fuser, fuser.kernels[seed]) or (0, 0)
        self.members, self.computed = {seed}, {*fuser.kernels[seed].nodes}

    def join(self) -> None:
        """Add kernels that read from the group, or that it reads from, until there are no more."""
        taken = True
        while taken:
            taken = False
            for number in range(len(self.kernels)):
                if number not in self.members and self._may_join(number):
                    self.members.add(number)
                    self.computed.update(self.kernels[number].nodes)
                    taken = True
        if len(self.members) > 1:
            self._replace()

    def _may_join(self, number: int) -> bool:
        kernel = self.kernels[number]
        if kernel.kind == "reduce":
            fits = _width(self.fuser, kernel) == (self.rows, self.columns)
        else:
            fits = kernel.kind == "loop" and bool(kernel.body) and not kernel.stores
        together = {*self.members, number}
        inside = {*self.computed, *kernel.nodes}  # a value with n columns may also have n rows
        return (
            fits
            and all(self._is_row_work(place) for place in kernel.nodes)
            and self._is_adjacent(number)
            and self._are_contiguous(together)
            and all(
                base not in inside or self._is_row_local(layout, base)
                for base, layout in self._reads(together)
            )
        )

    def _is_row_work(self, place: int) -> bool:
        shape = self.fuser.nodes[place].type.shape
        return shape in ((self.rows,), (self.rows, 1), (self.rows, self.columns))

    def _is_adjacent(self, number: int) -> bool:
        """Whether the kernel reads a result of the group, or the group one of the kernel."""
        home = self.fuser.home
        return any(home.get(base) in self.members for base, _ in self._reads({number})) or any(
            home.get(base) == number for base, _ in self._reads(self.members)
        )

    def _reads(self, numbers: set[int]) -> Iterator[tuple[int, Layout]]:
        """Yield the buffers that kernels read element by element, each with its layout."""
        for number in numbers:
            for place in self.kernels[number].nodes:
                node = self.fuser.nodes[place]
                for source in node.inputs[1:] if node.op.kind == "index" else node.inputs:
                    if source in self.fuser.access:
                        yield self.fuser.access[source].base, self.fuser.access[source].layout

    def _is_row_local(self, layout: Layout, base: int) -> bool:
        """Whether an access is row-local: row i of the result reads only row i of buffer `base`."""
        shape = self.fuser.nodes[base].type.shape
        is_matrix = len(shape) == 2 and shape[1] != 1
        expected_strides = (ONE * self.columns, ONE) if is_matrix else (ONE, ZERO)
        steps = zip(layout.strides, expected_strides, layout.shape, strict=False)
        return (
            not layout.offset
            and layout.shape[:1] == (self.rows,)
            and (len(layout.shape) == 2 or not is_matrix)
            and all(stride == step for stride, step, size in steps if size != 1)
        )

    def _are_contiguous(self, numbers: set[int]) -> bool:
        """Whether no other kernel has to run after one of these and before another."""
        above = self.fuser.above
        wanted = sum(1 << number for number in numbers)
        before = 0
        for number in numbers:
            before |= above[number]
        return not any(
            before >> number & 1 and above[number] & wanted
            for number in range(len(above))
            if number not in numbers
        )

    def _replace(self) -> None:
        fuser, members = self.fuser, sum(1 << number for number in self.members)
        places = sorted(p for number in self.members for p in self.kernels[number].nodes)
        before = 0
        for number in self.members:
            before |= fuser.above[number] & ~members
            self.kernels[number] = Kernel("loop", ())
        self.kernels[self.seed] = Kernel("rows", (self.rows,), body=places)
        for place in places:
            fuser.home[place] = self.seed
        fuser.above[self.seed] = before
        for number, above in enumerate(fuser.above):
            if above & members:
                fuser.above[number] = above & ~members | 1 << self.seed | before
