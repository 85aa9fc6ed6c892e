"""Assigns buffers to results and orders the kernels.

In: a graph, and which outputs replace which inputs. Out: fused kernels in an order in which every
kernel runs after those that compute its arguments, and in which an input is overwritten only after
its last reader.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from glassnet.fuse.gathers import join_gathers
from glassnet.fuse.kernels import Access, Fuser, Kernel, KernelGraph, buffers_read
from glassnet.fuse.row_kernels import join_rows
from glassnet.graph.graph import Graph
from glassnet.graph.layout import row_major


def schedule(
    graph: Graph,
    donate: Mapping[str, int] | None = None,
    merge: bool = True,
    shared: bool = False,
) -> KernelGraph:
    """Return the kernels of a graph, in order.

    `donate` maps an input to the output that replaces it. With `merge=False` every node gets its
    own kernel (the same bits; for tests). `shared`: several threads share every kernel."""
    fuser = Fuser(graph, merge)
    fuser.assign()
    if merge:
        fuser.sink()
        join_rows(fuser)
        join_gathers(fuser, shared)
    return _Scheduler(fuser).finish(donate or {})


class _Scheduler:
    def __init__(self, fuser: Fuser) -> None:
        self.graph, self.nodes = fuser.graph, fuser.nodes
        self.access, self.scalar = fuser.access, fuser.scalar
        self.inputs = set(self.graph.inputs.values())
        self.kernels = [kernel for kernel in fuser.kernels if kernel.nodes or kernel.stores]
        for kernel in self.kernels:
            kernel.stores += [(p, p) for p in kernel.nodes if fuser.stored(p)]
        self.writer = {b: k for k in self.kernels for p, b in k.stores if p == b}
        self.alias: dict[int, int] = {}
        self.numbers = {id(kernel): number for number, kernel in enumerate(self.kernels)}
        self.defines: dict[int, int] = {}  # buffer -> the kernel that writes it
        self.overwrites: dict[int, int] = {}  # input -> the kernel that updates it
        self.readers: dict[int, list[int]] = {}  # buffer -> kernels that read it
        self.after: list[set[int]] = [set() for _ in self.kernels]
        for number, kernel in enumerate(self.kernels):
            self._stores(number, kernel)
        for number, kernel in enumerate(self.kernels):
            self._waits(number, kernel)

    def finish(self, donate: Mapping[str, int]) -> KernelGraph:
        owner = {output: self.graph.inputs[name] for name, output in donate.items()}
        places = dict(enumerate(self.graph.outputs))
        for i, target in owner.items():
            if not self._redirect(places[i], target):
                self._copy(places[i], target, self._preserved(places[i]))
        outputs: list[int] = []
        for i, place in places.items():
            fresh = place in self.writer and place not in outputs and place not in self.alias
            result = place if fresh else len(self.nodes) + i
            if i not in owner and not fresh:
                self._copy(place, result)
            outputs.append(owner.get(i, result))
        order = _sorted(self.kernels, self.after)
        assert order is not None, "kernels wait for each other"
        return KernelGraph(
            self.graph, tuple(order), self.access, self.scalar, tuple(outputs), self.alias
        )

    def _copy(self, place: int, buffer: int, source: Access | None = None) -> None:
        shape = self.nodes[place].type.shape
        source = source or self.access.get(place)
        kernel = Kernel("loop", shape, stores=[(place, buffer)], copy=source)
        number = len(self.kernels)
        self.kernels.append(kernel)
        self.after.append(set())
        self._stores(number, kernel)
        self._waits(number, kernel)

    def _preserved(self, place: int) -> Access | None:
        """Return where a node's value survives while inputs are replaced: None for the buffer of
        the kernel that computes it, else a copy that is made here."""
        if place in self.writer:
            return None
        buffer = len(self.nodes) + len(self.graph.outputs) + len(self.kernels)
        self._copy(place, buffer)
        return Access(buffer, row_major(self.nodes[place].type.shape))

    def _redirect(self, place: int, target: int) -> bool:
        """Let the kernel that computes a node write it over an input, if every other reader of that
        input can run before; return whether it does. Otherwise nothing is changed."""
        writer = self.writer.get(place)
        if writer is None or place in self.alias or target in self.alias.values():
            return False
        if place not in writer.body or not self._reads_in_place(writer, target):
            return False
        number = self.numbers[id(writer)]
        earlier = {reader for reader in self.readers.get(target, ()) if reader != number}
        if self._has_path(number, earlier):
            return False
        self.alias[place] = target
        self._update(number, target)
        return True

    def _reads_in_place(self, kernel: Kernel, target: int) -> bool:
        """Whether a kernel reads of a buffer only the element that it is computing."""
        for user in kernel.nodes:
            for source in self.nodes[user].inputs:
                found = self.access.get(source)
                if found is not None and found.base == target:
                    plain = self.nodes[user].op.kind == "elementwise" and user in kernel.body
                    if not plain or not found.layout.dense:
                        return False
        return True

    def _stores(self, number: int, kernel: Kernel) -> None:
        """Record which buffers a kernel writes."""
        for _, buffer in kernel.stores:
            if buffer in self.inputs:
                self._update(number, buffer)
            else:
                self.defines[buffer] = number

    def _update(self, number: int, target: int) -> None:
        """Make readers of an input run before the kernel that updates it."""
        self.overwrites[target] = number
        for reader in self.readers.get(target, ()):
            if reader != number:
                self.after[reader].add(number)

    def _waits(self, number: int, kernel: Kernel) -> None:
        """Make a kernel run after those whose results it reads and before updates of its inputs."""
        for base in buffers_read(self.nodes, self.access, kernel):
            self.readers.setdefault(base, []).append(number)
            if base in self.defines:
                if self.defines[base] != number:
                    self.after[self.defines[base]].add(number)
            elif self.overwrites.get(base, number) != number:
                self.after[number].add(self.overwrites[base])

    def _has_path(self, number: int, wanted: set[int]) -> bool:
        """Whether one of the wanted kernels has to run after kernel `number`."""
        seen, ahead = {number}, [number]
        while ahead:
            followers = self.after[ahead.pop()] - seen
            if followers & wanted:
                return True
            seen |= followers
            ahead.extend(followers)
        return False


def _sorted(kernels: Sequence[Kernel], after: Sequence[set[int]]) -> list[Kernel] | None:
    """Return kernels in topological order, the lowest number first among those that are ready."""
    waits = [0] * len(kernels)
    for followers in after:
        for follower in followers:
            waits[follower] += 1
    free = [number for number, count in enumerate(waits) if count == 0]
    order: list[Kernel] = []
    while free:
        number = heapq.heappop(free)
        order.append(kernels[number])
        for follower in after[number]:
            waits[follower] -= 1
            if waits[follower] == 0:
                heapq.heappush(free, follower)
    return order if len(order) == len(kernels) else None
