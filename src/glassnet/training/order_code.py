"""Computes `philox.permutations` in machine code, many times as fast.

In: the number of rows, a seed, a stream, epochs. Out: the same permutations, as 32-bit numbers. For
each epoch the code fills the tables of the Feistel network with random words, and then sends one
index after the other through its rounds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from glassnet.errors import CompileError
from glassnet.ops import philox
from glassnet.ops.philox import FEISTEL_ROUNDS as ROUNDS
from glassnet.ops.philox import MASK, MULTIPLIERS, WEYL
from glassnet.run import cache as disk
from glassnet.run.executable import check_executable

MOST = 1 << 31  # limit of the number of rows, whose indices have 32 bits
WORTH_LOADING = 1 << 17  # permuted numbers from which reading the code from disk (2 ms) pays off
WORTH_MAKING = 1 << 20  # permuted numbers from which compiling it (20 ms) pays off
SIZES = ("n", "height", "width", "epoch", "count", "key0", "key1", "stream", "first", "last")


def permutations(
    n: int, seed: int, stream: int, epochs: range, first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return the permutations of some epochs, [epochs, rows]: by machine code if enough epochs came
    before for it to pay off, else by NumPy."""
    before = n * epochs.start
    found = None
    if before >= WORTH_LOADING and n < MOST:
        found = _function(before >= WORTH_MAKING)
    if found is None:
        return philox.permutations(n, seed, stream, epochs, first, last)
    return run(found, n, seed, stream, epochs, first, n if last is None else last)


def run(
    code: Callable[..., None], n: int, seed: int, stream: int, epochs: range, first: int, last: int
) -> np.ndarray:
    """Return the permutations of some epochs, int32 [epochs, rows]."""
    height, width = philox.table(n)
    key, count = philox.words(seed), len(epochs)
    numbers = n, height, width, epochs.start, count, *key, stream | philox.HOST, first, last
    orders = np.empty((count, last - first), np.int32)
    tables = np.empty(2 * ROUNDS * height, np.uint32)  # as drawn, and interleaved
    sizes = np.array(numbers, np.int64)
    code(tables.ctypes.data, sizes.ctypes.data, orders.ctypes.data)
    return orders


@cache
def _function(make: bool) -> Callable[..., None] | None:
    """Return the code from the cache or, if `make`, compile it; None where that is not possible."""
    try:
        check_executable()
        # imported here so that a missing or broken LLVM costs speed, not the package
        from glassnet.llvm.machine_code import host, load, object_code, versions

        name = host().name
    except (ImportError, OSError, CompileError):
        return None
    lines = text()
    key = disk.key("orders", lines, name, versions())
    code = disk.read(key)
    if code is None:
        if not make:
            return None
        code = object_code(lines, name)
        disk.write(key, code)
    loaded = load(code, name)
    function: Any = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(loaded.run)
    function.loaded = loaded  # keeps the code alive as long as the function
    return function


def text() -> str:
    """Return the function of (tables, sizes, orders) as LLVM assembly."""
    lines = [
        "define void @start_run(ptr %tables, ptr %sizes, ptr %out) nounwind {",
        "entry:",
        *(line for place, name in enumerate(SIZES) for line in _size(place, name)),
        *_BEGIN,
        *_words(),
        *_REDUCE,
        *_rounds(),
        *_END,
    ]
    return "\n".join(lines)


def _size(place: int, name: str) -> Iterator[str]:
    yield f"%at_{name} = getelementptr i64, ptr %sizes, i64 {place}"
    yield f"%{name} = load i64, ptr %at_{name}"


_BEGIN = f"""
%blocks = shl i64 %height, 1
%rows = mul i64 %height, {ROUNDS}
%columns = mul i64 %width, {ROUNDS}
%words = getelementptr i32, ptr %tables, i64 %rows
%row_first = udiv i64 %first, %width
%row0 = mul i64 %row_first, {ROUNDS}
%column_first = urem i64 %first, %width
%column0 = mul i64 %column_first, {ROUNDS}
%long = sub i64 %last, %first
br label %epochs
epochs:
%e = phi i64 [ 0, %entry ], [ %e1, %ended ]
%more = icmp ult i64 %e, %count
br i1 %more, label %begin, label %leave
begin:
%step = add i64 %epoch, %e
%skip = mul i64 %long, %e
%line = getelementptr i32, ptr %out, i64 %skip
br label %draw
draw:
%b = phi i64 [ 0, %begin ], [ %b1, %draw ]
""".split("\n")


def _words() -> Iterator[str]:
    """Yield code that writes Philox's words 4b to 4b + 3 to the tables."""
    low, high = f"and i64 {{}}, {MASK}", "lshr i64 {}, 32"
    yield f"%c0 = {low.format('%b')}"
    yield f"%c1 = {high.format('%b')}"
    c, k = ["%c0", "%c1", "%step", "%stream"], ["%key0", "%key1"]
    for r in range(philox.ROUNDS):
        for i in (0, 1):
            yield f"%p{i}_{r} = mul i64 {c[2 * i]}, {MULTIPLIERS[i]}"
            yield f"%h{i}_{r} = {high.format(f'%p{i}_{r}')}"
            yield f"%l{i}_{r} = {low.format(f'%p{i}_{r}')}"
        for i in (0, 1):
            yield f"%x{i}_{r} = xor i64 %h{1 - i}_{r}, {c[2 * i + 1]}"
            yield f"%y{i}_{r} = xor i64 %x{i}_{r}, {k[i]}"
            yield f"%k{i}_{r} = add i64 {k[i]}, {WEYL[i]}"
            yield f"%m{i}_{r} = {low.format(f'%k{i}_{r}')}"
        c, k = [f"%y0_{r}", f"%l1_{r}", f"%y1_{r}", f"%l0_{r}"], [f"%m0_{r}", f"%m1_{r}"]
    yield "%quad = shl i64 %b, 2"
    yield "%cell = getelementptr i32, ptr %words, i64 %quad"
    for i in range(4):
        yield f"%w{i} = trunc i64 {c[i]} to i32"
        yield f"%to{i} = getelementptr i32, ptr %cell, i64 {i}"
        yield f"store i32 %w{i}, ptr %to{i}"


_REDUCE = f"""
%b1 = add i64 %b, 1
%undrawn = icmp ult i64 %b1, %blocks
br i1 %undrawn, label %draw, label %tables_begin
tables_begin:
%t = phi i64 [ 0, %draw ], [ %t1, %table_ended ]
%odd = and i64 %t, 1
%is_odd = icmp ne i64 %odd, 0
%most = select i1 %is_odd, i64 %width, i64 %height
%most32 = trunc i64 %most to i32
%shift = mul i64 %t, %height
%table = getelementptr i32, ptr %words, i64 %shift
%column_of_table = getelementptr i32, ptr %tables, i64 %t
br label %reduce
reduce:
%j = phi i64 [ 0, %tables_begin ], [ %j1, %reduce ]
%word_at = getelementptr i32, ptr %table, i64 %j
%word = load i32, ptr %word_at
%rest = urem i32 %word, %most32
%scaled = mul i32 %rest, {ROUNDS}
%j_scaled = mul i64 %j, {ROUNDS}
%entry_at = getelementptr i32, ptr %column_of_table, i64 %j_scaled
store i32 %scaled, ptr %entry_at
%j1 = add i64 %j, 1
%unreduced = icmp ult i64 %j1, %height
br i1 %unreduced, label %reduce, label %table_ended
table_ended:
%t1 = add i64 %t, 1
%tables_left = icmp ult i64 %t1, {ROUNDS}
br i1 %tables_left, label %tables_begin, label %places
places:
%p = phi i64 [ 0, %table_ended ], [ %p1, %put ]
%row = phi i64 [ %row0, %table_ended ], [ %row_next, %put ]
%column = phi i64 [ %column0, %table_ended ], [ %column_next, %put ]
%places_left = icmp ult i64 %p, %long
br i1 %places_left, label %walk, label %ended
walk:
%r_0 = phi i64 [ %row, %places ], [ %r_{ROUNDS}, %walk ]
%c_0 = phi i64 [ %column, %places ], [ %c_{ROUNDS}, %walk ]
""".split("\n")


def _rounds() -> Iterator[str]:
    """Yield code that shifts rows by the table entries of their columns, then columns by those of
    their rows. Both are stored times the number of rounds, the stride of a table's entries."""
    r, c = "%r_0", "%c_0"
    last = ROUNDS - 1
    for k in range(ROUNDS):
        moved, other, size = (r, c, "%rows") if k % 2 == 0 else (c, r, "%columns")
        name = f"%{'rc'[k % 2]}_{ROUNDS}" if k >= last - 1 else f"%moved_{k}"
        yield f"%line_{k} = getelementptr i32, ptr %tables, i64 {other}"
        yield f"%at_{k} = getelementptr i32, ptr %line_{k}, i64 {k}"
        yield f"%by32_{k} = load i32, ptr %at_{k}"
        yield f"%by_{k} = zext i32 %by32_{k} to i64"
        yield f"%sum_{k} = add i64 {moved}, %by_{k}"
        yield f"%less_{k} = sub i64 %sum_{k}, {size}"
        yield f"%within_{k} = icmp ult i64 %sum_{k}, {size}"
        yield f"{name} = select i1 %within_{k}, i64 %sum_{k}, i64 %less_{k}"
        r, c = (name, c) if k % 2 == 0 else (r, name)


_END = f"""
%cells = mul i64 %r_{ROUNDS}, %width
%cell_scaled = add i64 %cells, %c_{ROUNDS}
%found = udiv i64 %cell_scaled, {ROUNDS}
%inside = icmp ult i64 %found, %n
br i1 %inside, label %put, label %walk
put:
%number = trunc i64 %found to i32
%target = getelementptr i32, ptr %line, i64 %p
store i32 %number, ptr %target
%p1 = add i64 %p, 1
%column1 = add i64 %column, {ROUNDS}
%wrapped = icmp eq i64 %column1, %columns
%column_next = select i1 %wrapped, i64 0, i64 %column1
%row1 = add i64 %row, {ROUNDS}
%row_next = select i1 %wrapped, i64 %row1, i64 %row
br label %places
ended:
%e1 = add i64 %e, 1
br label %epochs
leave:
ret void
}}
""".split("\n")
