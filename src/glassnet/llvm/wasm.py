"""Compiles kernels to a WebAssembly module with the same bits as machine code.

In: fused kernels. Out: the bytes of a WebAssembly module, for a browser or Node, that imports its
memory and exports the entry functions. LLVM writes an object file. It needs no linker to become a
module, since kernels have no data and call no outside functions: `link` removes the sections for
linkers and adds the exports.

WebAssembly has no fused multiply-add that is exact on every engine. There are two modes:

- "relaxed": `relaxed_madd`, which is fused or not depending on the processor, but always the same
  way while a program runs (WebAssembly specification, "Relaxed Operations"). Whoever loads the
  module must first run a known-answer test: `FMA_PROBE`.
- "exact": the fused multiply-add is emulated by arithmetic (`_exact_float32` and
  `_exact_float64`), on any engine with 128-bit vectors, some ten times slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import llvmlite.binding as llvm

from glassnet.errors import CompileError
from glassnet.fuse.kernels import KernelGraph
from glassnet.llvm.machine_code import parse
from glassnet.llvm.registers import Index, Reg
from glassnet.llvm.writer import LlvmFunction, LlvmModule
from glassnet.lower.entry_point import RUN, Lowered, lower_kernels, lower_program
from glassnet.lower.protocol import PLAIN, Machine
from glassnet.lower.unrolled import lower_unrolled

Mode = Literal["relaxed", "exact"]

TRIPLE = "wasm32-unknown-unknown"
LAYOUT = "e-m:e-p:32:32-p10:8:8-p20:8:8-i64:64-i128:128-n32:64-S128-ni:1:10:20"
FEATURES = {
    "relaxed": "+simd128,+bulk-memory,+relaxed-simd",
    "exact": "+simd128,+bulk-memory",
}
REGISTER = {"float32": 4, "float64": 2}  # numbers in a vector register
MEMORY = ("env", "__linear_memory")  # the only import of a module

# in float32 a · b + c is 2⁻²⁴ for these numbers if it is rounded once, and 0 if it is rounded twice
FMA_PROBE = (1.0 + 2.0**-12, 1.0 + 2.0**-12, -(1.0 + 2.0**-11))


class _Machine(Machine):
    """Loops use single registers: a module is a third as large as with 64-byte vectors."""

    @staticmethod
    def lanes(dtype: str) -> int:
        return 2 if dtype in ("float64", "int64") else 4


MACHINE = _Machine("wasm", rows=4, vectors=1)


@dataclass(frozen=True)
class WasmModule:
    """The bytes of a module, and what its entry point `run` expects (see `lower.entry_point`).
    Pointers in its table of buffers have 4 bytes, sizes and numbers of steps 8."""

    code: bytes
    lowered: Lowered
    mode: Mode


def wasm_module(
    fused: KernelGraph, stepped: Sequence[int] = (), mode: Mode = "exact", unrolled: bool = False
) -> WasmModule:
    """Compile kernels to a module for one thread; `stepped` buffers have one entry per step, and
    `unrolled` code has no loops (only for tiny graphs).

    Raises CompileError for a mode that does not exist, and where a kernel needs something that
    WebAssembly cannot do with the same bits.
    """
    if mode not in FEATURES:
        raise CompileError(f"fma mode {mode!r} is not known; choose 'relaxed' or 'exact'")
    module = _Module(mode)
    if unrolled:
        lowered = lower_unrolled(fused, module, stepped)
    else:
        lowered = lower_program(fused, module, MACHINE, stepped, PLAIN)
    return WasmModule(link(_object(str(module), mode), [RUN]), lowered, mode)


def wasm_library(
    units: Sequence[KernelGraph], mode: Mode = "exact", numbers: Sequence[int] | None = None
) -> tuple[bytes, tuple[Lowered, ...]]:
    """Compile many small graphs to one module.

    Every unit is an export `k<i>`, where i is from `numbers` or its index, with the arguments
    (table of buffers, sizes, scratch memory), which are 4-byte addresses."""
    module = _Module(mode)
    names = [f"k{i}" for i in (range(len(units)) if numbers is None else numbers)]
    lowered = [
        lower_kernels(unit, module, MACHINE, name) for unit, name in zip(units, names, strict=True)
    ]
    return link(_object(str(module), mode), names), tuple(lowered)


def _object(body: str, mode: Mode) -> bytes:
    head = f'target datalayout = "{LAYOUT}"\ntarget triple = "{TRIPLE}"\n'
    text = f"{head}{body}\nattributes #0 = {{ nounwind }}"
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(TRIPLE)
    except RuntimeError as error:
        raise CompileError(f"this LLVM does not write WebAssembly: {error}") from error
    machine = target.create_target_machine(cpu="generic", features=FEATURES[mode], opt=2)
    return machine.emit_object(parse(text))


# -- writing kernels -------------------------------------------------------------------------------


class _Module(LlvmModule):
    """A module with the instructions that are different in WebAssembly."""

    def __init__(self, mode: Mode) -> None:
        super().__init__()
        self.mode: Mode = mode

    def function(self, name: str, dtypes: Sequence[str], attributes: str = "") -> LlvmFunction:
        return _Function(self, name, dtypes, attributes)

    def fma(self, dtype: str) -> str:
        """Return the name of the fused multiply-add of one register."""
        suffix = f"v{REGISTER[dtype]}{'f32' if dtype == 'float32' else 'f64'}"
        if self.mode == "relaxed":
            return f"llvm.wasm.relaxed.madd.{suffix}"
        name = f"fma.{suffix}"
        if name not in self.functions:
            self.functions[name] = ""  # so that it is written once
            _write_exact(self, name, dtype)
        return name


class _Function(LlvmFunction):
    """A function: pointers have 4 bytes, fused multiply-adds use whole registers."""

    module: _Module

    def load(
        self, pointer: Reg, index: Index, dtype: str, lanes: int = 1, mask: Reg | None = None
    ) -> Reg:
        if dtype == "ptr":
            return self.emit(f"load ptr, {self.offset(pointer, index, dtype)}, align 4", "ptr")
        return super().load(pointer, index, dtype, lanes, mask)

    def prefetch(self, pointer: Reg, index: Index, dtype: str) -> None:
        """Do nothing: WebAssembly has no prefetch instruction."""

    def compress(self, a: Reg, mask: Reg) -> Reg:
        raise CompileError("skipping zeros is not supported in WebAssembly")

    def select(self, cond: Reg, a: Any, b: Any) -> Reg:
        """Select numbers by their bits in relaxed mode: LLVM would turn a choice between compared
        numbers into a relaxed minimum, which loses NaN."""
        first = a if isinstance(a, Reg) else b
        lanes = max(operand.lanes for operand in (cond, a, b) if isinstance(operand, Reg))
        whole = {"float32": "int32", "float64": "int64"}.get(first.dtype)
        if self.module.mode == "exact" or lanes == 1 or whole is None:
            return super().select(cond, a, b)
        x, y = (self.bitcast(first.like(operand, lanes), whole) for operand in (a, b))
        mask = self.emit(f"sext {cond.like(cond, lanes)} to {x.type}", whole, lanes)
        return self.bitcast(((x ^ y) & mask) ^ y, first.dtype)

    def fma(self, a: Any, b: Any, c: Any) -> Reg:
        widest = max((r for r in (a, b, c) if isinstance(r, Reg)), key=lambda r: r.lanes)
        regs = [widest.like(r) for r in (a, b, c)]
        size, lanes = REGISTER[widest.dtype], widest.lanes
        parts = [
            self._fma([self._piece(reg, first, size) for reg in regs])
            for first in range(0, lanes, size)
        ]
        while len(parts) > 1:
            parts = [self._joined(*parts[i : i + 2]) for i in range(0, len(parts), 2)]
        (whole,) = parts
        if lanes == 1:
            return self.extract(whole, 0)
        return whole if whole.lanes == lanes else self.shuffle(whole, whole, range(lanes))

    def _fma(self, regs: list[Reg]) -> Reg:
        name, size, dtype = self.module.fma(regs[0].dtype), regs[0].lanes, regs[0].dtype
        if self.module.mode == "relaxed":
            return self.intrinsic(name, regs, dtype, size)
        args = ", ".join(map(str, regs))
        return self.emit(f"call {regs[0].type} @{name}({args})", dtype, size)

    def _piece(self, reg: Reg, first: int, size: int) -> Reg:
        """Return `size` lanes beginning at `first`; the last lane is repeated if they run out."""
        if reg.lanes == 1:
            return self.splat(reg, size)
        if reg.name.startswith("splat"):
            return Reg(self, reg.name, reg.dtype, size)
        if reg.lanes == size:
            return reg
        last = reg.lanes - 1
        return self.shuffle(reg, reg, [min(first + i, last) for i in range(size)])

    def _joined(self, a: Reg, b: Reg | None = None) -> Reg:
        return self.shuffle(a, b or a, range(2 * a.lanes))


# -- emulated fused multiply-adds ------------------------------------------------------------------


def _write_exact(module: _Module, name: str, dtype: str) -> None:
    size = REGISTER[dtype]
    f = _Function(module, name, (), "")
    args = [Reg(f, f"%a{i}", dtype, size) for i in range(3)]
    result = (_exact_float32 if dtype == "float32" else _exact_float64)(f, *args)
    head = ", ".join(map(str, args))
    body = "\n".join([*f.lines, f"ret {result}"])
    module.functions[name] = (
        f"define internal {result.type} @{name}({head}) noinline #0 {{\nentry:\n{body}\n}}"
    )


def _exact_float32(f: _Function, a: Reg, b: Reg, c: Reg) -> Reg:
    """Return a·b + c, rounded once. In float64 the product is exact. The sum is rounded to odd, so
    that rounding it to float32 gives the right result (S. Boldo, G. Melquiond, "Emulation of FMA
    and correctly rounded sums: proved algorithms using rounding to odd", IEEE Transactions on
    Computers 57, 2008)."""
    x, y, z = (f.convert(r, "float64") for r in (a, b, c))
    return f.convert(_sum_to_odd(f, x * y, z), "float32")


def _exact_float64(f: _Function, a: Reg, b: Reg, c: Reg) -> Reg:
    """Return a·b + c, rounded once. The product of the significands is an exact sum of two numbers
    (Dekker); c is added with rounding to odd. Both are scaled so that nothing overflows or
    underflows before the last rounding. A result that is subnormal, or nearly, is rounded to a
    multiple of 2⁻¹⁰⁷⁴ by adding a number whose last bit has that value."""
    (mx, ex), (my, ey), (mz, ez) = (_parts(f, r) for r in (a, b, c))
    product = ex + ey
    is_zero = c.eq(0.0)
    scale = _larger(f, _larger(f, product, f.select(is_zero, -LOWEST, ez)), -LOWEST)
    high, low = _exact_product(f, mx, my)
    shrink = _power(f, _larger(f, product - scale, -FAR))
    added = mz * _power(f, _larger(f, ez - scale, -FAR))
    total, rest = _exact_sum(f, high * shrink, added)
    total, rest = _exact_sum(f, total, _sum_to_odd(f, rest, low * shrink))
    unit = _power(f, _larger(f, -scale - 1074, -FAR))  # 2⁻¹⁰⁷⁴ in this scale, where that matters
    edge = _signed(f, unit * 2.0**52, total)
    near, error = _exact_sum(f, edge, total)
    tiny = _signed(f, (near + _sum_to_odd(f, error, rest)) - edge, total)
    inside = f.abs(total) < f.abs(edge)
    found = f.select(inside, tiny, total)
    half = scale >> 1
    half = _arithmetic_half(f, scale, half)
    result = found * _power(f, half) * _power(f, scale - half)
    # for infinities, NaN and a product of 0, two roundings give the same result as one
    plain = a * b + c
    result = f.select(_is_finite(f, c), result, c)
    usual = _is_finite(f, a) & _is_finite(f, b) & a.ne(0.0) & b.ne(0.0)
    return f.select(usual, result, plain)


LOWEST, FAR = 1140, 200  # exponents: below −LOWEST all is 0; differences beyond FAR are clamped


def _sum_to_odd(f: _Function, x: Reg, y: Reg) -> Reg:
    """Return x + y rounded to odd: if it is inexact, the neighbour whose last bit is 1."""
    total, error = _exact_sum(f, x, y)
    bits = f.bitcast(total, "int64")
    # ordered comparisons: the error of an infinite sum is NaN and needs no correction
    inexact = (error < 0.0) ^ (error > 0.0)
    even = (bits & 1).eq(0)
    same = (f.bitcast(error, "int64") ^ bits) >= 0  # as signs
    moved = f.select(same, bits + 1, bits - 1)
    return f.bitcast(f.select(inexact & even, moved, bits), "float64")


def _exact_sum(f: _Function, x: Reg, y: Reg) -> tuple[Reg, Reg]:
    """Return x + y rounded, and the rounding error (Knuth)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def _exact_product(f: _Function, x: Reg, y: Reg) -> tuple[Reg, Reg]:
    """Return x · y rounded, and the rounding error; nothing may over- or underflow inside."""
    high = x * y
    (x1, x2), (y1, y2) = _halves(x), _halves(y)
    return high, ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2


def _halves(x: Reg) -> tuple[Reg, Reg]:
    """Split x into two numbers of 26 bits with the sum x (Veltkamp)."""
    wide = x * (2.0**27 + 1.0)
    high = wide - (wide - x)
    return high, x - high


def _parts(f: _Function, x: Reg) -> tuple[Reg, Reg]:
    """Return m and e with x = m · 2ᵉ and 1 ≤ |m| < 2, for finite nonzero x."""
    small = f.abs(x) < 2.0**-1022
    bits = f.bitcast(f.select(small, x * 2.0**54, x), "int64")
    exponent = ((bits >> 52) & 0x7FF) - 1023
    exponent = f.select(small, exponent - 54, exponent)
    sign_and_fraction = bits & ~(0x7FF << 52)
    significand = f.bitcast(sign_and_fraction + (1023 << 52), "float64")
    is_zero = x.eq(0.0)
    return f.select(is_zero, x, significand), exponent


def _power(f: _Function, exponent: Reg) -> Reg:
    """Return 2 to an integer power from −1022 to 1023."""
    return f.bitcast((exponent + 1023) << 52, "float64")


def _signed(f: _Function, x: Reg, sign: Reg) -> Reg:
    """Return |x| with the sign of another number."""
    top = -(1 << 63)
    bits = (f.bitcast(x, "int64") & ((1 << 63) - 1)) | (f.bitcast(sign, "int64") & top)
    return f.bitcast(bits, "float64")


def _is_finite(f: _Function, x: Reg) -> Reg:
    return f.abs(x) < float("inf")


def _larger(f: _Function, x: Reg, y: Reg | int) -> Reg:
    return f.select(x > y, x, y)


def _arithmetic_half(f: _Function, x: Reg, logical: Reg) -> Reg:
    """Return x / 2 rounded down, for either sign; `logical` is x >> 1, a logical shift."""
    return f.select(x < 0, logical | -(1 << 63), logical)


# -- from an object file to a module ---------------------------------------------------------------

TYPE, IMPORT, FUNCTION, EXPORT, CODE, CUSTOM = 1, 2, 3, 7, 10, 0
KNOWN_SECTIONS = {CUSTOM, TYPE, IMPORT, FUNCTION, CODE}
FUNCTION_INDEX = 0  # the relocation of a call; a single object already contains the right index
SYMBOLS = 8  # the symbol table in the "linking" section
UNDEFINED = 0x10


def link(code: bytes, exports: Sequence[str]) -> bytes:
    """Make a module of an object file that imports only memory; raise CompileError otherwise."""
    sections = list(_sections(code))
    symbols: dict[str, int] = {}
    for number, body in sections:
        if number not in KNOWN_SECTIONS:
            raise CompileError(f"the object file has a section {number}, which kernels never need")
        if number == IMPORT:
            _check_imports(body)
        if number == CUSTOM:
            symbols |= _custom(body)
    missing = [name for name in exports if name not in symbols]
    if missing:
        raise CompileError(f"the object file defines no function {missing[0]!r}")
    entries = b"".join(_name(name) + b"\0" + _leb(symbols[name]) for name in exports)
    export = (EXPORT, _leb(len(exports)) + entries)
    kept_sections = [(n, body) for n, body in sections if n != CUSTOM]
    place = next(i for i, (n, _) in enumerate(kept_sections) if n == CODE)
    kept_sections.insert(place, export)
    return code[:8] + b"".join(bytes([n]) + _leb(len(body)) + body for n, body in kept_sections)


def _custom(body: bytes) -> dict[str, int]:
    """Return the indices of the functions that a custom section defines, by name."""
    read = _ObjectReader(body)
    name = read.name()
    if name.startswith("reloc."):
        read.number()  # the index of the relocated section
        for _ in range(read.number()):
            kind = read.number()
            if kind != FUNCTION_INDEX:
                raise CompileError(f"the object file needs a linker: relocation {kind}")
            read.number()  # the offset
            read.number()  # the index of the symbol
    return dict(_functions(read)) if name == "linking" else {}


def _functions(read: _ObjectReader) -> Iterator[tuple[str, int]]:
    read.number()  # version
    while read.left:
        kind, size = read.number(), read.number()
        if kind != SYMBOLS:
            read.skip(size)
            continue
        for _ in range(read.number()):
            what, flags, index = read.number(), read.number(), read.number()
            if what != 0 or flags & UNDEFINED:
                raise CompileError("the object file needs a function or data from outside")
            yield read.name(), index


def _check_imports(body: bytes) -> None:
    """Raise CompileError unless memory is the only import."""
    read = _ObjectReader(body)
    for _ in range(read.number()):
        found = read.name(), read.name()
        kind = read.number()
        if found != MEMORY or kind != 2:
            raise CompileError(
                f"the kernels call {found[1]!r}, which WebAssembly does not have; the bits of its "
                "results would depend on the engine"
            )
        flags = read.number()
        read.number()
        if flags & 1:
            read.number()


def _sections(code: bytes) -> Iterator[tuple[int, bytes]]:
    if code[:8] != b"\0asm\1\0\0\0":
        raise CompileError("LLVM did not write a WebAssembly object file")
    read = _ObjectReader(code[8:])
    while read.left:
        number = read.number()
        yield number, read.skip(read.number())


class _ObjectReader:
    """Reads the numbers and names of a WebAssembly file in order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def skip(self, size: int) -> bytes:
        if size > self.left:
            raise CompileError("the object file ends in the middle")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self) -> int:
        """Read an unsigned LEB128 number."""
        value = shift = 0
        while True:
            (byte,) = self.skip(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def name(self) -> str:
        return self.skip(self.number()).decode()


def _leb(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _name(text: str) -> bytes:
    return _leb(len(text.encode())) + text.encode()
