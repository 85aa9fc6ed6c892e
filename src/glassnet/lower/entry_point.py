"""The whole program: one function for every kernel, and one that runs them for many steps.

In: fused kernels and a module to write to. Out: what a caller must provide: the order of buffers,
and the scratch memory. The entry function is

    run(buffers, dims, first step, last step, thread, threads, barrier, scratch)

All threads run the same code, each on its part of every kernel, with a barrier after each kernel.
Code for many threads has a second entry point, for steps that take long:

    part(buffers, dims, step, kernel, share, shares, barrier, scratch)

It computes one share of one kernel and returns. Behind the sizes, `dims` contains which part of a
blocked sum to compute, of how many parts (all threads compute part after part), and how many shares
of this kernel the thread has computed before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from glassnet.fuse.kernels import BYTES, Kernel, KernelGraph, buffers_read
from glassnet.graph.layout import SizeProduct, count
from glassnet.lower.context import Context
from glassnet.lower.contract import lower_contract
from glassnet.lower.loop import lower_loop
from glassnet.lower.protocol import PLAIN, Machine, Use
from glassnet.lower.reduce import lower_reduce
from glassnet.lower.row_loops import lower_rows
from glassnet.lower.scatter import lower_place, lower_scatter
from glassnet.lower.workspace import Stack

RUN, PART = "run", "part"
ENTRY_ARGUMENTS = ("ptr", "ptr", "int64", "int64", "int64", "int64", "ptr", "ptr")
LOWER: dict[str, Callable[[Context], None]] = {
    "loop": lower_loop,
    "reduce": lower_reduce,
    "rows": lower_rows,
    "contract": lower_contract,
    "scatter": lower_scatter,
    "place": lower_place,
}
Addresses = Callable[[Any], dict[int, Any]]


@dataclass(frozen=True)
class Lowered:
    """What the entry function expects: the numbers of the buffers, in order; and for each kernel
    the parts of a thread's scratch memory, in bytes, and the stack of its blocked sum."""

    buffers: tuple[int, ...]
    scratch: tuple[tuple[SizeProduct, ...], ...]
    stacks: tuple[Stack | None, ...]


def buffers_used(fused: KernelGraph, kernel: Kernel) -> list[int]:
    """Return the buffers that a kernel reads or writes, after aliasing, in a fixed order."""
    read = buffers_read(fused.graph.nodes, fused.access, kernel)
    touched = read | {buffer for _, buffer in kernel.stores}
    found = dict.fromkeys(fused.alias.get(buffer, buffer) for buffer in sorted(touched))
    return list(found)


def lower_program(
    fused: KernelGraph, module: Any, machine: Machine, stepped: Sequence[int], use: Use
) -> Lowered:
    """Write all functions; `stepped` buffers have one entry per step and advance by one each."""
    used = [buffers_used(fused, kernel) for kernel in fused.kernels]
    buffers = sorted({buffer for touched in used for buffer in touched})
    entry = module.function(RUN, ENTRY_ARGUMENTS)
    made = [_kernel(fused, i, module, machine, use) for i in range(len(used))]
    calls = [(name, touched) for (name, _), touched in zip(made, used, strict=True)]
    at = addresses(entry, fused, buffers, stepped)
    _, dims, first, last, thread, threads, barrier, scratch = entry.args

    def step(index: Any) -> None:
        here = at(index)
        for name, touched in calls:
            entry.call(name, *[here[b] for b in touched], dims, scratch, thread, threads)
            if use.parallel:
                entry.call("barrier", barrier, threads)

    entry.loop(first, last, 1, (), step)
    entry.finish()
    if use.parallel:
        one = module.function(PART, ENTRY_ARGUMENTS)
        _write_part(one, addresses(one, fused, buffers, stepped), calls)
    return _lowered(buffers, [ctx for _, ctx in made])


def lower_kernels(fused: KernelGraph, module: Any, machine: Machine, name: str) -> Lowered:
    """Write all kernels, and the function name(buffers, dims, scratch), which runs them once on one
    thread."""
    used = [buffers_used(fused, kernel) for kernel in fused.kernels]
    buffers = sorted({buffer for touched in used for buffer in touched})
    entry = module.function(name, ("ptr", "ptr", "ptr"))
    made = [_kernel(fused, i, module, machine, PLAIN, f"{name}.") for i in range(len(used))]
    here = addresses(entry, fused, buffers, ())(0)
    _, dims, scratch = entry.args
    for (kernel, _), touched in zip(made, used, strict=True):
        entry.call(kernel, *[here[b] for b in touched], dims, scratch, 0, 1)
    entry.finish()
    return _lowered(buffers, [ctx for _, ctx in made])


def _lowered(buffers: Sequence[int], contexts: Sequence[Context]) -> Lowered:
    scratch = tuple(tuple(ctx.scratch_bytes) for ctx in contexts)
    return Lowered(tuple(buffers), scratch, tuple(ctx.stack for ctx in contexts))


def _write_part(entry: Any, at: Addresses, calls: Sequence[tuple[str, Sequence[int]]]) -> None:
    _, dims, step, kernel, share, shares, _, scratch = entry.args
    here = at(step)
    for number, (name, touched) in enumerate(calls):
        values = *(here[b] for b in touched), dims, scratch, share, shares
        entry.when(kernel.eq(number), partial(entry.call, name, *values))
    entry.finish()


def addresses(
    entry: Any, fused: KernelGraph, buffers: Sequence[int], stepped: Sequence[int]
) -> Addresses:
    """Load the sizes and the addresses of buffers; return a function that gives the addresses at a
    step."""
    table, dims = entry.args[:2]
    load_dims(entry, dims, fused)
    bases = {b: entry.load(table, i, "ptr") for i, b in enumerate(buffers)}
    moving = [b for b in stepped if b in bases]
    return lambda step: bases | {b: _advanced(entry, fused, b, bases[b], step) for b in moving}


def load_dims(function: Any, table: Any, fused: KernelGraph) -> None:
    for i, name in enumerate(fused.graph.dims):
        function.dims[name] = function.load(table, i, "int64")


def _advanced(entry: Any, fused: KernelGraph, buffer: int, base: Any, index: Any) -> Any:
    """Return the address of a stepped buffer's entry for a step."""
    nodes = fused.graph.nodes
    place = buffer if buffer < len(nodes) else fused.graph.outputs[buffer - len(nodes)]
    type = nodes[place].type
    size = count(type.shape) * BYTES[type.dtype]
    stride: Any = size.factor
    for dim in size.dims:
        stride = entry.dims[dim.name] * stride
    return entry.offset(base, index * stride, "bool")


def _kernel(
    fused: KernelGraph, number: int, module: Any, machine: Machine, use: Use, prefix: str = "kernel"
) -> tuple[str, Context]:
    """Write a kernel as a function, unless one with the same code exists; return its name."""
    kernel = fused.kernels[number]
    used = buffers_used(fused, kernel)
    dtypes = ["ptr"] * len(used) + ["ptr", "ptr", "int64", "int64"]
    function = module.function(f"{prefix}{number}", dtypes, "internal")
    *pointers, dims, scratch, thread, threads = function.args
    load_dims(function, dims, fused)
    ctx = Context(
        fused,
        kernel,
        function,
        machine,
        dict(zip(used, pointers, strict=True)),
        scratch,
        *((thread, threads) if use.parallel else (0, 1)),
        dims,
        use,
    )
    LOWER[kernel.kind](ctx)
    return function.finish_shared(), ctx
