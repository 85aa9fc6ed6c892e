"""Fuses nodes into kernels: nodes that share one loop nest.

In: a graph, and which outputs replace which inputs. Out: kernels in execution order, and the buffer
and layout of every stored node. A kernel has at most one node that is not elementwise (its root),
elementwise operations on the root's arguments (the prologue, for reductions) and on its results
(the body). Views copy no data: they become part of the layouts of the nodes that read them.

Fusion decides which values stay in registers, never what is computed: every node is rounded as its
op says, in whichever kernel it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from glassnet.graph.graph import Graph, Node, show_node
from glassnet.graph.layout import Layout, row_major
from glassnet.graph.op import View
from glassnet.graph.types import Shape, show_shape

BYTES = {"float32": 4, "float64": 8, "int32": 4, "int64": 8, "bool": 1}


@dataclass(frozen=True)
class Access:
    """Where the elements of a node are stored: in the buffer `base`, with a layout."""

    base: int
    layout: Layout


@dataclass
class Kernel:
    """Nodes computed in one loop nest over `shape`; `stores` has pairs (node, buffer). A kernel
    without nodes fills its buffer: with a copy of `copy`, or with the scalar node `number`."""

    kind: str
    shape: Shape
    root: int | None = None
    prologue: list[int] = field(default_factory=list[int])
    body: list[int] = field(default_factory=list[int])
    stores: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    copy: Access | None = None
    number: int | None = None

    @property
    def nodes(self) -> list[int]:
        root = [] if self.root is None else [self.root]
        return self.prologue + root + self.body


@dataclass(frozen=True)
class KernelGraph:
    """Kernels in execution order.

    `access` has the location of stored nodes; `scalar` the nodes that repeat one number (computed
    where needed); `outputs` the buffer of every output of the graph. A buffer has the number of the
    node that it holds; buffer len(nodes) + i is output i where that needs its own buffer. `alias`
    maps the buffer of an input's new value to that input."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    access: Mapping[int, Access]
    scalar: Mapping[int, int]
    outputs: tuple[int, ...]
    alias: Mapping[int, int]

    def __str__(self) -> str:
        return "\n".join(self._show(i, kernel) for i, kernel in enumerate(self.kernels))

    def _show(self, number: int, kernel: Kernel) -> str:
        lines = [f"kernel {number}: {kernel.kind} {show_shape(kernel.shape)}"]
        lines += [f"  {show_node(place, self.graph.nodes[place])}" for place in kernel.nodes]
        for node, buffer in kernel.stores:
            lines.append(f"  store %{node} in #{self.alias.get(buffer, buffer)}")
        return "\n".join(lines)


def buffers_read(nodes: Sequence[Node], access: Mapping[int, Access], kernel: Kernel) -> set[int]:
    """Return the buffers that a kernel loads from and does not compute itself."""
    local = set(kernel.nodes)
    sources = {s for place in kernel.nodes for s in nodes[place].inputs} - local
    found = {access[source].base for source in sources if source in access} - local
    return found | ({kernel.copy.base} if kernel.copy is not None else set())


class Fuser:
    """The state of fusion: `home` is the kernel of every computed node, `access` the location of
    every stored one."""

    def __init__(self, graph: Graph, merge: bool) -> None:
        self.graph, self.nodes, self.merge = graph, graph.nodes, merge
        self.kernels: list[Kernel] = []
        self.above: list[int] = []  # for each kernel a bit mask of those that must run before it
        self.home: dict[int, int] = {}
        self.access: dict[int, Access] = {}
        self.scalar: dict[int, int] = {}
        self.spread: set[int] = set()  # sources computed from coordinates
        self.pinned: set[int] = set(graph.outputs)  # nodes that must be stored in memory
        self.readers: dict[int, list[int]] = {}  # buffer -> nodes that read it

    # -- step 1: assign a kernel to every node -------------------------------------------------

    def assign(self) -> None:
        for place, node in enumerate(self.nodes):
            kind, code = node.op.kind, node.op.code
            if kind == "source" and code is not None:
                if node.type.rank:
                    self.spread.add(place)
                else:
                    self.scalar[place] = place
            elif kind == "source":
                self.access[place] = Access(place, row_major(node.type.shape))
            elif kind == "view" and isinstance(code, View) and code.read is not None:
                self._view(place, code)
            elif kind == "elementwise":
                self._place(place, self._choose(place))
            else:
                self._own_kernel(place)
            if place in self.home and place not in self.spread:
                for base in self._bases(place):
                    self.readers.setdefault(base, []).append(place)
        for place in self.graph.outputs:
            if place in self.access:
                self.pinned.add(self.access[place].base)

    def _bases(self, place: int) -> list[int]:
        found = [self.access[s].base for s in self.nodes[place].inputs if s in self.access]
        return list(dict.fromkeys(found))

    def _view(self, place: int, code: View) -> None:
        node = self.nodes[place]
        source = node.inputs[0]
        if source in self.scalar:
            self.scalar[place] = self.scalar[source]
            return
        if source in self.spread:
            self._materialise(source)
        assert code.read is not None
        found = self.access[source]
        layout = code.read(found.layout, node.type.shape, **node.kwargs)
        if layout is None:
            self._materialise(source)
            found = self.access[source]
            layout = code.read(found.layout, node.type.shape, **node.kwargs)
            assert layout is not None
        self.access[place] = Access(found.base, layout)

    def _materialise(self, place: int) -> None:
        """Store a node in a dense buffer of its own."""
        shape = self.nodes[place].type.shape
        copied = self.access.get(place)
        if copied is not None:
            self.pinned.add(copied.base)
        number = self.scalar.get(place)
        self._open(Kernel("loop", shape, stores=[(place, place)], copy=copied, number=number))
        if copied is not None and copied.base in self.home:
            self.wait(len(self.kernels) - 1, [self.home[copied.base]])
        self.pinned.add(place)
        self.home[place] = len(self.kernels) - 1
        self.access[place] = Access(place, row_major(shape))
        self.scalar.pop(place, None)
        self.spread.discard(place)

    def _own_kernel(self, place: int) -> None:
        node = self.nodes[place]
        kind = node.op.kind
        for source in node.inputs:
            if source in self.scalar or source in self.spread:
                self._materialise(source)
        name = {"view": "place", "index": str(node.op.code)}.get(kind, kind)
        root = None if name == "gather" else place
        kernel = Kernel("loop" if name == "gather" else name, node.type.shape, root)
        self._open(kernel)
        self._place(place, len(self.kernels) - 1)

    def _place(self, place: int, number: int) -> None:
        self.wait(number, [other for other, _ in self._dependencies(place)])
        self.home[place] = number
        self.access[place] = Access(place, row_major(self.nodes[place].type.shape))
        if self.kernels[number].root != place:
            self.kernels[number].body.append(place)

    def _dependencies(self, place: int) -> list[tuple[int, bool]]:
        """Return the kernels that a node reads from, each with whether it reads their result
        element by element."""
        found: list[tuple[int, bool]] = []
        for source in self.nodes[place].inputs:
            if source in self.scalar or source in self.spread:
                continue
            base = self.access[source].base
            if base in self.home:
                found.append((self.home[base], base == source))
        return found

    def _choose(self, place: int) -> int:
        """Return the kernel that an elementwise node joins: one whose result it reads element by
        element and after which none of its other arguments is computed. Kernels with a root, whose
        result then stays in registers, come first, then the latest; if none fits, a new loop."""
        shape = self.nodes[place].type.shape
        needs = self._dependencies(place)
        exact = {number for number, direct in needs if direct}
        last = len(self.kernels) - 1
        if self.merge:
            rooted = sorted(exact, key=lambda i: (self.kernels[i].root is None, -i))
            for number in [*rooted, last]:
                if number >= 0 and self._may_join(number, shape, needs, number in exact):
                    return number
        self._open(Kernel("loop", shape))
        return len(self.kernels) - 1

    def _may_join(
        self, number: int, shape: Shape, needs: list[tuple[int, bool]], reads: bool
    ) -> bool:
        kernel = self.kernels[number]
        kinds = ("loop", "reduce", "contract") if reads else ("loop",)
        if kernel.kind not in kinds or kernel.shape != shape or kernel.stores:
            return False
        waits = any(self.above[other] >> number & 1 for other, _ in needs if other != number)
        return not waits and all(direct for other, direct in needs if other == number)

    def _open(self, kernel: Kernel) -> None:
        self.kernels.append(kernel)
        self.above.append(0)

    def wait(self, number: int, others: Iterable[int]) -> None:
        """Make kernel `number`, and all kernels after it, run after the others."""
        mask = 0
        for other in others:
            mask |= self.above[other] | 1 << other if other != number else 0
        self.above[number] |= mask
        for later, above in enumerate(self.above):
            if above >> number & 1:
                self.above[later] |= mask

    # -- step 2: move nodes to their only reader where that saves memory traffic ---------------

    def sink(self) -> None:
        for place in range(len(self.nodes) - 1, -1, -1):
            number = self.home.get(place)
            if number is None or place not in self.kernels[number].body:
                continue
            target = self._only_reader(place)
            if target is not None and target[0] != number and self._is_profitable(place, target[0]):
                self.kernels[number].body.remove(place)
                self.home[place] = target[0]
                kernel = self.kernels[target[0]]
                section = kernel.prologue if target[1] else kernel.body
                section.append(place)
                section.sort()

    def _only_reader(self, place: int) -> tuple[int, bool] | None:
        """Return the only kernel that reads a node, if it does so element by element, and whether
        the node would join its prologue."""
        if place in self.graph.outputs or not self.graph.uses[place]:
            return None
        shape = self.nodes[place].type.shape
        targets: set[tuple[int, bool]] = set()
        for user in self.graph.uses[place]:
            number = self.home.get(user)
            if number is None:
                return None
            kernel = self.kernels[number]
            if user in kernel.body and kernel.shape == shape and self._is_element(user):
                targets.add((number, False))
            elif self._in_prologue(kernel, user) or self._takes_prologue(kernel, user):
                targets.add((number, True))
            else:
                return None
        return targets.pop() if len(targets) == 1 else None

    def _is_element(self, place: int) -> bool:
        return self.nodes[place].op.kind == "elementwise"

    def _in_prologue(self, kernel: Kernel, place: int) -> bool:
        return place in kernel.prologue and self._is_element(place)

    def _takes_prologue(self, kernel: Kernel, user: int) -> bool:
        if kernel.kind != "reduce" or kernel.root != user:
            return False
        node = self.nodes[user]
        shape = self.nodes[node.inputs[0]].type.shape
        axes: tuple[int, ...] = node.attr("axes")
        return sum(shape[axis] != 1 for axis in axes) <= 1

    def _is_profitable(self, place: int, target: int) -> bool:
        """Whether moving a node to kernel `target` does not store more bytes than not moving it."""
        extra = 0
        for source in dict.fromkeys(self.nodes[place].inputs):
            if source in self.scalar or source in self.spread or self.home.get(source) == target:
                continue
            base = self.access[source].base
            if base in self.home and not self.stored(base, without=place):
                extra += BYTES[self.nodes[base].type.dtype]
        return extra <= BYTES[self.nodes[place].type.dtype]

    def stored(self, place: int, without: int = -1) -> bool:
        """Whether a node must be stored in memory, not counting the reader `without`."""
        if place in self.pinned:
            return True
        readers = self.readers.get(place, ())
        return any(u != without and self.home[u] != self.home[place] for u in readers)
