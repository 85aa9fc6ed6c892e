"""Which contractions gather the rows that they read.

In: kernels as fused so far. Out: kernels of kind contract with a gather in their prologue. A batch
is gathered tile by tile, just before the rows are multiplied: while one tile is worked on, the rows
of the next come near. Where the batch lies afterwards, the weights' gradient finds it.
"""

from __future__ import annotations

from glassnet.fuse import Fuser, Kernel
from glassnet.graph.layout import ONE


def join_gathers(fuser: Fuser) -> None:
    for number, kernel in enumerate(fuser.kernels):
        if _is_gather(fuser, kernel):
            _join(fuser, number, kernel.body[0])


def _is_gather(fuser: Fuser, kernel: Kernel) -> bool:
    """Whether a kernel does nothing but gather rows that lie in one piece each."""
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


def _join(fuser: Fuser, number: int, place: int) -> None:
    """Give the gather to the first contraction that reads its rows, if no other reader has to run
    before."""
    users = fuser.readers.get(place, [])
    readers = list(dict.fromkeys(fuser.home[user] for user in users))
    for user in users:
        target = fuser.home[user]
        others = [other for other in readers if other != target]
        early = any(fuser.above[target] >> other & 1 for other in others)
        if not early and _multiplies(fuser, fuser.kernels[target], place):
            fuser.kernels[target].prologue.append(place)
            fuser.kernels[number].body.clear()
            fuser.home[place] = target
            fuser.pinned.add(place)
            fuser.wait(target, [i for i in range(len(fuser.above)) if fuser.above[number] >> i & 1])
            for other in others:
                fuser.wait(other, [target])
            return


def _multiplies(fuser: Fuser, kernel: Kernel, place: int) -> bool:
    """Whether a kernel multiplies the rows, as they are, with a matrix."""
    if kernel.kind != "contract" or kernel.root is None or kernel.prologue:
        return False
    node = fuser.nodes[kernel.root]
    left, right = node.inputs
    return left == place and not node.attr("rows", False) and fuser.access[right].base != place
