"""Compiles a plan to machine code.

In: a plan and an instruction set. Out: a program. Arrays are passed as addresses, results are
written to arrays; intermediate values are in a workspace that is reused between calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from weakref import WeakValueDictionary

import numpy as np

from glassnet.errors import GraphError, ShapeError
from glassnet.fuse.kernel_order import schedule
from glassnet.fuse.kernels import KernelGraph
from glassnet.graph.graph import Graph
from glassnet.graph.layout import SizeProduct
from glassnet.graph.legality import check
from glassnet.graph.resize import digest, open_widths, resize
from glassnet.graph.types import Dim, Size, bind
from glassnet.llvm.machine_code import InstructionSet, load, module_text, object_code, versions
from glassnet.llvm.writer import LlvmModule
from glassnet.lower.entry_point import Lowered, lower_program
from glassnet.lower.protocol import PLAIN, Use
from glassnet.lower.unrolled import BUDGET, fits, lower_unrolled
from glassnet.run import cache
from glassnet.run.artifact import Image, make_image, parse
from glassnet.run.beside import BesideCompiler, Offer
from glassnet.run.call import Build, PreparedCall, ThreadPlan
from glassnet.run.cost_model import (
    elementwise_and_products,
    multiply_adds,
    single_thread_rows,
    total,
)
from glassnet.run.program import Call, Plan
from glassnet.run.threads import thread_count
from glassnet.run.zero_sample import has_many_zeros, multiplied_tables

# Below these limits an optimisation costs more time than it saves.
WORTH_THREADS = 5_000_000  # multiply-adds per step, for several threads
CALL_WORK = 1 << 31  # multiply-adds that a thread does before Python handles Ctrl-C
WORTH_UNROLLING = 100  # steps, for compiling a tiny step without loops
WORTH_BLOCKS = 2048  # rows, for sums in blocks; caches hold fewer rows anyway
WORTH_LISTS = 1_000_000_000  # multiply-adds, for skipping zeros
WORTH_RESIZING = 16_000_000_000  # multiply-adds, for compiling for known widths
CONTRACTION_SECONDS = 0.015  # compilation time of one matrix product


@dataclass(frozen=True)
class CodeVariant:
    """A variant of a graph's code: replaced sizes, the use it is compiled for, and whether it is
    unrolled completely."""

    sizes: tuple[tuple[Size, Size], ...] = ()
    use: Use = PLAIN
    unrolled: bool = False


_builds: WeakValueDictionary[str, Build] = WeakValueDictionary()  # loaded code by digest


def assembly_text(
    plan: Plan, fused: KernelGraph, target: InstructionSet, kind: CodeVariant = CodeVariant()
) -> tuple[str, Lowered]:
    """Lower a plan to the text of a module, in the variant `kind` (its sizes are ignored)."""
    module = LlvmModule(target.machine.masks)
    stepped = [fused.graph.inputs[name] for name in plan.stepped]
    stepped += [fused.outputs[output] for output in plan.collect]
    if kind.unrolled:
        lowered = lower_unrolled(fused, module, stepped)
    else:
        lowered = lower_program(fused, module, target.machine, stepped, kind.use)
    return module_text(str(module), target.family, kind.use.parallel), lowered


class Compiled:
    """A program that runs as machine code. Variants of the code are compiled when first needed: for
    one thread or many, for all widths or known ones, unrolled for a tiny network that runs for many
    steps.

    `simplify` is applied to the plan's graph, or to that graph with replaced sizes, before it is
    compiled.
    """

    def __init__(
        self,
        plan: Plan,
        target: InstructionSet,
        merge: bool = True,
        simplify: Callable[[Graph], Graph] = lambda graph: graph,
    ) -> None:
        self.plan, self.target, self.merge, self.simplify = plan, target, merge, simplify
        self._found: dict[CodeVariant, Build | None] = {}
        self._missed: set[CodeVariant] = set()  # variants that are not in the code cache
        self._steps: dict[object, int] = {}
        self._lock = threading.Lock()

    def build(self, kind: CodeVariant = CodeVariant(), only_cached: bool = False) -> Build | None:
        """Return a variant of the code; None where the graph cannot be compiled in this variant
        or, if `only_cached`, where it would have to be compiled now."""
        if kind not in self._found:
            if only_cached and kind in self._missed:
                return None
            name = self._name(kind)
            found = _builds.get(name) if name else None
            if found is None:
                cached = cache.read(name) if name else None
                image = parse(cached) if cached else None
                if image is None and only_cached:
                    self._missed.add(kind)
                    return None
                found = self._loaded(image or self._made(kind, name), name)
            self._found[kind] = found
        return self._found[kind]

    def _loaded(self, image: Image, name: str | None) -> Build | None:
        """Load an image; return None where the graph cannot be compiled in its variant."""
        found = Build(image, load(image.code, self.target.name)) if image.code else None
        if found is not None and name:
            _builds[name] = found
        return found

    def _make_beside(self, kind: CodeVariant) -> None:
        """Compile a variant while other threads may be running this program."""
        name = self._name(kind)
        found = self._loaded(self._made(kind, name), name)
        with self._lock:
            self._found[kind] = found

    def _name(self, kind: CodeVariant) -> str | None:
        """Return the digest of everything that determines the code; None where it is not cached."""
        if self._digest is None or cache.directory() is None:
            return None
        numbers = None if kind.sizes == self._widths else (self._numbers, kind.sizes)
        return cache.key(self._digest, repr((numbers, kind.use, kind.unrolled)))

    @cached_property
    def _digest(self) -> str | None:
        """The digest that all variants, and all programs that differ only in widths, share."""
        plan = self.plan
        graph = digest(plan.graph, dict(self._widths))
        steps = sorted(plan.donate.items()), sorted(plan.stepped), sorted(plan.collect)
        how = repr((steps, self.merge, self.target))
        return graph and cache.key(graph, how, versions(), cache.source_key())

    def _made(self, kind: CodeVariant, name: str | None) -> Image:
        image = self._image(kind)
        if name:
            cache.write(name, bytes(image))
        return image

    def _image(self, kind: CodeVariant) -> Image:
        try:
            graph = self.simplify(check(resize(self.plan.graph, dict(kind.sizes))))
        except (GraphError, ShapeError):
            if not kind.sizes:
                raise
            return Image(b"")
        fused = schedule(graph, self.plan.donate, self.merge, kind.use.parallel)
        if kind.unrolled and not fits(fused):
            return Image(b"")
        text, lowered = assembly_text(self.plan, fused, self.target, kind)
        return make_image(fused, lowered, object_code(text, self.target.name))

    def _choose(
        self,
        dims: Mapping[str, int],
        steps: int,
        ahead: int,
        team: ThreadPlan,
        sparse: bool,
        beside: BesideCompiler | None,
    ) -> Build:
        """Return the code that takes the least time, compilation included: unrolled for many tiny
        steps, compiled for the known widths if there is much work, else shared by all widths."""
        long = team.limit > 0
        inner_sizes = tuple([(size, dims[size.name]) for size in self._inner_dims])
        work = self.work(dims)
        with self._lock:
            self._steps[inner_sizes] = taken = self._steps.get(inner_sizes, 0) + steps
            steps = max(taken, ahead)
            found: Build | None = None
            if self.merge and steps >= WORTH_UNROLLING and work <= BUDGET:
                found = self.build(CodeVariant(inner_sizes, unrolled=True))
            tall = (
                max(bind(self._variant_for_long_steps if long else self._summed, dims), default=0)
                >= WORTH_BLOCKS
            )
            use = Use(team.shares, tall, sparse)
            exact = CodeVariant(tuple([(size, dims[size.name]) for size in self._open]), use)
            if found is None:
                found = self._for_open_widths(exact, steps * work, team.threads, beside)
            found = found or self.build(exact)
        assert found is not None, "a graph can always be compiled for its own sizes"
        return found

    def _for_open_widths(
        self, exact: CodeVariant, work: int, threads: int, beside: BesideCompiler | None
    ) -> Build | None:
        """Return code for symbolic widths, if there is little work, or if it is cached and code for
        the known widths can be compiled meanwhile. None where code for the known widths exists."""
        shared = CodeVariant(self._widths, exact.use)
        if shared == exact or self.build(exact, only_cached=True) is not None:
            return None
        much = work >= WORTH_RESIZING
        found = None if much and beside is None else self.build(shared, only_cached=much)
        if found is not None and beside is not None:
            products = sum(node.op.kind == "contract" for node in self.plan.graph.nodes)
            seconds = CONTRACTION_SECONDS * (products + 2)
            beside.offer((self, exact), Offer(partial(self._make_beside, exact), seconds, threads))
        return found

    @cached_property
    def _widths(self) -> tuple[tuple[Size, Size], ...]:
        numbers = [size for size in self.plan.widths if isinstance(size, int)]
        return tuple(open_widths(self.plan.graph, numbers).items())

    @cached_property
    def _open(self) -> tuple[Dim, ...]:
        """The widths that are symbolic in the graph."""
        return tuple(map(Dim, sorted(s.name for s in self.plan.widths if isinstance(s, Dim))))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The widths by their names in shared code."""
        pairs = self._widths
        return {s.name: n for n, s in pairs if isinstance(s, Dim) and isinstance(n, int)}

    @cached_property
    def _inner_dims(self) -> tuple[Dim, ...]:
        """The run-time sizes of computed values, not of matrices that are only gathered from."""
        computed = [n for n in self.plan.graph.nodes if n.op.kind != "source"]
        sizes = {size for node in computed for size in node.type.shape}
        return tuple(map(Dim, sorted(size.name for size in sizes if isinstance(size, Dim))))

    @cached_property
    def _summed(self) -> tuple[Size, ...]:
        """The numbers of rows over which contractions sum."""
        nodes = self.plan.graph.nodes
        found = [n for n in nodes if n.op.kind == "contract" and n.attr("rows", False)]
        return tuple({nodes[n.inputs[0]].type.shape[-1] for n in found})

    @cached_property
    def _tables(self) -> tuple[str, ...]:
        return multiplied_tables(self.plan.graph)

    @cached_property
    def _variant_for_long_steps(self) -> tuple[Size, ...]:
        """The numbers of rows over which contractions sum, or that one thread processes alone."""
        return self._summed + tuple(single_thread_rows(self.plan.graph.nodes))

    def prepare(
        self,
        arrays: Mapping[str, np.ndarray],
        steps: int = 1,
        threads: int | None = None,
        ahead: int = 0,
        beside: BesideCompiler | None = None,
    ) -> Call:
        """See `Program.prepare`."""
        dims = self.plan.bind(arrays, steps)
        results = self._results(arrays, dims, steps)
        team = self._team(dims, steps, threads)
        much = max(steps, ahead) * self.work(dims) >= WORTH_LISTS
        sparse = much and has_many_zeros(self._tables, arrays)
        build = self._choose(dims, steps, ahead, team, sparse, beside)
        return PreparedCall(build, arrays, results, {**self._numbers, **dims}, team)

    def _team(self, dims: Mapping[str, int], steps: int, threads: int | None) -> ThreadPlan:
        """Choose the number of threads, and the number of steps that run at a time."""
        adds, whole = self.work(dims), total(self._computed, dims)
        piece = max(1, CALL_WORK // (2 if self._is_wide else 1))
        apart = self._are_steps_independent and steps > 1 and whole <= piece
        enough = adds * (steps if apart else 1) >= WORTH_THREADS
        team = thread_count(threads) if enough else 1
        most = piece * team // max(1, whole)
        limit = 0 if most else piece * team
        count = min(team, steps) if apart else team
        return ThreadPlan(count, apart, steps, max(1, most), limit, bool(self.plan.donate))

    def run(
        self, arrays: Mapping[str, np.ndarray], steps: int = 1, threads: int | None = None
    ) -> list[np.ndarray]:
        """See `Program.run`."""
        return self.prepare(arrays, steps, threads)()

    @cached_property
    def _are_steps_independent(self) -> bool:
        """Whether no step reads or overwrites the results of another, so that threads may run
        different steps."""
        everything = frozenset(range(len(self.plan.graph.outputs)))
        return not self.plan.donate and self.plan.collect == everything

    @cached_property
    def _multiply_adds(self) -> tuple[SizeProduct, ...]:
        nodes = self.plan.graph.nodes
        return multiply_adds(nodes, range(len(nodes)))

    @cached_property
    def _computed(self) -> tuple[SizeProduct, ...]:
        nodes = self.plan.graph.nodes
        return elementwise_and_products(nodes, range(len(nodes)))

    @cached_property
    def _is_wide(self) -> bool:
        """Whether the graph computes in float64, which takes twice as long."""
        return any(node.type.dtype == "float64" for node in self.plan.graph.nodes)

    def work(self, dims: Mapping[str, int]) -> int:
        """Return the approximate number of multiply-adds of a step."""
        return total(self._multiply_adds, dims)

    def _results(
        self, arrays: Mapping[str, np.ndarray], dims: Mapping[str, int], steps: int
    ) -> list[np.ndarray]:
        owners = {output: name for name, output in self.plan.donate.items()}
        results: list[np.ndarray] = []
        for i, type in enumerate(self.plan.graph.output_types):
            if i in owners:
                results.append(arrays[owners[i]])
                continue
            shape = bind(type.shape, dims)
            results.append(
                np.empty((steps, *shape) if i in self.plan.collect else shape, type.dtype)
            )
        return results
