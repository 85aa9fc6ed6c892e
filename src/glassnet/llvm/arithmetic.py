"""Writes arithmetic as LLVM assembly, one line per operation.

In: registers and numbers. Out: lines, and the registers that they define.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassnet.graph.types import Size
from glassnet.llvm.registers import ELEMENT, SUFFIX, Index, Reg, literal, type_name


class Emitted:
    """The arithmetic of a function; `declared` collects the intrinsics that it calls."""

    def __init__(self, declared: dict[str, str]) -> None:
        self.declared = declared
        self.dims: dict[str, Reg] = {}
        self.lines: list[str] = []
        self.count = 0

    def emit(self, text: str, dtype: str, lanes: int = 1) -> Reg:
        self.count += 1
        name = f"%r{self.count}"
        self.lines.append(f"{name} = {text}")
        return Reg(self, name, dtype, lanes)

    def intrinsic(self, name: str, args: Sequence[Reg], dtype: str, lanes: int) -> Reg:
        result = type_name(dtype, lanes)
        types = ", ".join(arg.type for arg in args)
        self.declared[name] = f"declare {result} @{name}({types})"
        return self.emit(f"call {result} @{name}({', '.join(map(str, args))})", dtype, lanes)

    # -- numbers -------------------------------------------------------------------------------

    def index(self, value: Index) -> Reg:
        return value if isinstance(value, Reg) else Reg(self, str(value), "int64")

    def const(self, value: Any, dtype: str, lanes: int = 1) -> Reg:
        return Reg(self, literal(value, dtype, lanes), dtype, lanes)

    def splat(self, value: Reg, lanes: int) -> Reg:
        if not value.name.startswith("%") and not value.name.startswith("splat"):
            return Reg(self, f"splat ({ELEMENT[value.dtype]} {value.name})", value.dtype, lanes)
        kind = type_name(value.dtype, lanes)
        one = self.emit(f"insertelement {kind} poison, {value}, i64 0", value.dtype, lanes)
        return self.emit(
            f"shufflevector {one}, {kind} poison, <{lanes} x i32> zeroinitializer",
            value.dtype,
            lanes,
        )

    def _overloaded(self, name: str, args: Sequence[Any]) -> Reg:
        widest = max((a for a in args if isinstance(a, Reg)), key=lambda a: a.lanes)
        regs = [widest.like(arg) for arg in args]
        lanes, dtype = widest.lanes, widest.dtype
        suffix = f"v{lanes}{SUFFIX[dtype]}" if lanes > 1 else SUFFIX[dtype]
        return self.intrinsic(f"llvm.{name}.{suffix}", regs, dtype, lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Reg:
        return self._overloaded("fma", (a, b, c))

    def sqrt(self, a: Reg) -> Reg:
        return self._overloaded("sqrt", (a,))

    def floor(self, a: Reg) -> Reg:
        return self._overloaded("floor", (a,))

    def rint(self, a: Reg) -> Reg:
        return self._overloaded("rint", (a,))

    def trailing_zeros(self, a: Reg) -> Reg:
        """Return the number of trailing zero bits of a 64-bit integer."""
        self.declared["llvm.cttz.i64"] = "declare i64 @llvm.cttz.i64(i64, i1)"
        return self.emit(f"call i64 @llvm.cttz.i64({a}, i1 false)", "int64")

    def abs(self, a: Reg) -> Reg:
        if a.dtype in ("float32", "float64"):
            return self._overloaded("fabs", (a,))
        return self.select(a < 0, -a, a)

    def select(self, cond: Reg, a: Any, b: Any) -> Reg:
        regs = [arg for arg in (a, b) if isinstance(arg, Reg)]
        lanes = max(reg.lanes for reg in [cond, *regs])
        cond, a, b = cond.like(cond, lanes), regs[0].like(a, lanes), regs[0].like(b, lanes)
        return self.emit(f"select {cond}, {a}, {b}", a.dtype, lanes)

    def bitcast(self, a: Reg, dtype: str) -> Reg:
        return self.emit(f"bitcast {a} to {type_name(dtype, a.lanes)}", dtype, a.lanes)

    def convert(self, a: Reg, dtype: str) -> Reg:
        if a.dtype == dtype:
            return a
        if dtype == "bool":
            return a.ne(0)
        code = _conversion(a.dtype, dtype)
        return self.emit(f"{code} {a} to {type_name(dtype, a.lanes)}", dtype, a.lanes)

    def extent(self, size: Size, dtype: str) -> Reg:
        """Return a size as a number, at run time for symbolic ones."""
        if isinstance(size, int):
            return self.const(size, dtype)
        return self.convert(self.dims[size.name], dtype)

    # -- vectors -------------------------------------------------------------------------------

    def iota(self, lanes: int) -> Reg:
        if lanes == 1:
            return self.index(0)
        items = ", ".join(f"i64 {i}" for i in range(lanes))
        return Reg(self, f"<{items}>", "int64", lanes)

    def lane_mask(self, count: Index, lanes: int) -> Reg | None:
        """Return a mask that is true for the first `count` lanes; None if these are all lanes."""
        if isinstance(count, int):
            if count >= lanes:
                return None
            items = ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(lanes))
            return Reg(self, f"<{items}>", "bool", lanes)
        if lanes <= 8:
            return self.iota(lanes) < count
        # compare numbers as wide as the masked ones: the mask then needs no conversion
        inside = self.select(count < lanes, count, lanes)
        places = ", ".join(f"i32 {i}" for i in range(lanes))
        return Reg(self, f"<{places}>", "int32", lanes) < self.convert(inside, "int32")

    def ones(self, a: Reg) -> Reg:
        """Return the number of lanes that are true."""
        if a.lanes == 1:
            return self.convert(a, "int64")
        bits = f"i{a.lanes}"
        packed = self.emit(f"bitcast {a} to {bits}", "int64")
        wide = self.emit(f"zext {bits} {packed.name} to i64", "int64")
        self.declared["llvm.ctpop.i64"] = "declare i64 @llvm.ctpop.i64(i64)"
        return self.emit(f"call i64 @llvm.ctpop.i64({wide})", "int64")

    def compress(self, a: Reg, mask: Reg) -> Reg:
        """Move the lanes that the mask selects to the front."""
        name = f"llvm.experimental.vector.compress.v{a.lanes}{SUFFIX[a.dtype]}"
        rest = Reg(self, "poison", a.dtype, a.lanes)
        return self.intrinsic(name, [a, mask, rest], a.dtype, a.lanes)

    def extract(self, a: Reg, lane: int) -> Reg:
        return self.emit(f"extractelement {a}, i64 {lane}", a.dtype) if a.lanes > 1 else a

    def insert(self, a: Reg, value: Reg, lane: int) -> Reg:
        if a.lanes == 1:
            return value
        return self.emit(f"insertelement {a}, {value}, i64 {lane}", a.dtype, a.lanes)

    def shuffle(self, a: Reg, b: Reg, lanes: Sequence[int]) -> Reg:
        """Select lanes from the concatenation of a and b."""
        items = ", ".join(f"i32 {i}" for i in lanes)
        text = f"shufflevector {a}, {b}, <{len(lanes)} x i32> <{items}>"
        return self.emit(text, a.dtype, len(lanes))


def _conversion(old: str, new: str) -> str:
    order = {"float32": 0, "float64": 1}
    if old in order and new in order:
        return "fpext" if new == "float64" else "fptrunc"
    if old in order:
        return "fptosi"
    if new in order:
        return "uitofp" if old == "bool" else "sitofp"
    if old == "bool":
        return "zext"
    return "sext" if new == "int64" else "trunc"
