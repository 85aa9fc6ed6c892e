"""Moves gathers of rows into the contractions that read them.

In: kernels as fused so far. Out: kernels of kind contract with a gather in their prologue. A batch
is gathered tile by tile, just before its rows are multiplied; the rows of the next tile are
prefetched meanwhile. The gathered batch stays in its buffer for the gradient of the weights.
"""

from __future__ import annotations

from glassnet.fuse.kernels import Fuser, Kernel
from glassnet.graph.layout import ONE
from glassnet.graph.types import Size

FEW, WIDE = 4, 768  # a product of more than FEW and at most WIDE columns is split by rows
MANY = 64  # smallest number of rows for which threads split a product by rows


def join_gathers(fuser: Fuser, shared: bool) -> None:
    """Move every gather into the contraction that multiplies its rows, where that is possible.

    With `shared` (several threads) only for products that threads split by rows, so that each
    thread gathers its own rows. Very wide products are split by columns: every thread would have to
    gather all rows."""
    for number, kernel in enumerate(fuser.kernels):
        if _is_gather(fuser, kernel):
            _join(fuser, number, kernel.body[0], shared)


def _is_gather(fuser: Fuser, kernel: Kernel) -> bool:
    """Whether a kernel only gathers rows, each of which is contiguous in memory."""
    if kernel.kind != "loop" or len(kernel.body) != 1 or kernel.stores:
        return False
    node = fuser.nodes[kernel.body[0]]
    if node.op.code != "gather" or node.type.rank != 2:
        return False
    source, rows = node.inputs
    return (
        source in fuser.access
        and rows in fuser.access
        and (fuser.access[source].layout.strides[-1] == ONE)
    )


def _join(fuser: Fuser, number: int, place: int, shared: bool) -> None:
    """Move a gather into the first contraction that reads its rows, if no other reader has to run
    before that contraction."""
    users = fuser.readers.get(place, [])
    readers = list(dict.fromkeys(fuser.home[user] for user in users))
    for user in users:
        target = fuser.home[user]
        others = [other for other in readers if other != target]
        early = any(fuser.above[target] >> other & 1 for other in others)
        if not early and _is_multiplied(fuser, fuser.kernels[target], place, shared):
            fuser.kernels[target].prologue.append(place)
            fuser.kernels[number].body.clear()
            fuser.home[place] = target
            fuser.pinned.add(place)
            fuser.wait(target, [i for i in range(len(fuser.above)) if fuser.above[number] >> i & 1])
            for other in others:
                fuser.wait(other, [target])
            return


def _is_multiplied(fuser: Fuser, kernel: Kernel, place: int, shared: bool) -> bool:
    """Whether a kernel multiplies the gathered rows, unchanged, by a matrix."""
    if kernel.kind != "contract" or kernel.root is None or kernel.prologue:
        return False
    node = fuser.nodes[kernel.root]
    left, right = node.inputs
    if left != place or node.attr("rows", False) or fuser.access[right].base == place:
        return False
    return not shared or _by_rows(*node.type.shape)


def _by_rows(rows: Size, columns: Size) -> bool:
    many = not isinstance(rows, int) or rows >= MANY
    return many and (not isinstance(columns, int) or FEW < columns <= WIDE)
