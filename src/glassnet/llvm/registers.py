"""Registers: arithmetic on them writes LLVM assembly.

In: operands. Out: `Reg` objects, each the result of one line of LLVM assembly in the function
under construction. No operation has a fast-math flag: each is rounded as IEEE 754 says.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

import numpy as np

ELEMENT = {
    "float32": "float",
    "float64": "double",
    "int32": "i32",
    "int64": "i64",
    "int8": "i8",
    "bool": "i1",
    "ptr": "ptr",
}
SIZE = {"float32": 4, "float64": 8, "int32": 4, "int64": 8, "int8": 1, "ptr": 8}
SUFFIX = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "int8": "i8"}
FLOAT_OPS = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
INT_OPS = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "sdiv",
    "%": "srem",
    "&": "and",
    "|": "or",
    "^": "xor",
    "<<": "shl",
    ">>": "lshr",
}
FLOAT_TESTS = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
INT_TESTS = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}


class Emitter(Protocol):
    def emit(self, text: str, dtype: str, lanes: int) -> Reg: ...
    def splat(self, value: Reg, lanes: int) -> Reg: ...


def type_name(dtype: str, lanes: int = 1) -> str:
    """Return the LLVM type of `lanes` numbers."""
    return ELEMENT[dtype] if lanes == 1 else f"<{lanes} x {ELEMENT[dtype]}>"


def literal(value: Any, dtype: str, lanes: int = 1) -> str:
    """Return the text of a constant; floats as their bits, which avoids a decimal conversion."""
    if dtype in ("float32", "float64"):
        number = float(np.float32(value)) if dtype == "float32" else float(value)
        text = f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    elif dtype == "bool":
        text = "true" if value else "false"
    else:
        text = str(int(value))
    return text if lanes == 1 else f"splat ({ELEMENT[dtype]} {text})"


class Reg:
    """One register with `lanes` numbers of a dtype."""

    __slots__ = ("b", "dtype", "lanes", "name")

    def __init__(self, b: Emitter, name: str, dtype: str, lanes: int = 1) -> None:
        self.b, self.name, self.dtype, self.lanes = b, name, dtype, lanes

    @property
    def type(self) -> str:
        return type_name(self.dtype, self.lanes)

    def __str__(self) -> str:
        return f"{self.type} {self.name}"

    def like(self, other: Any, lanes: int | None = None) -> Reg:
        """Return `other`, a register or a number, as a register of this dtype."""
        lanes = lanes or self.lanes
        if isinstance(other, Reg):
            return self.b.splat(other, lanes) if other.lanes != lanes else other
        return Reg(self.b, literal(other, self.dtype, lanes), self.dtype, lanes)

    def binary(self, symbol: str, other: Any, swap: bool = False) -> Reg:
        lanes = max(self.lanes, other.lanes) if isinstance(other, Reg) else self.lanes
        left, right = self.like(self, lanes), self.like(other, lanes)
        if swap:
            left, right = right, left
        is_float = self.dtype in ("float32", "float64")
        if symbol in FLOAT_TESTS:
            test = f"fcmp {FLOAT_TESTS[symbol]}" if is_float else f"icmp {INT_TESTS[symbol]}"
            return self.b.emit(f"{test} {left}, {right.name}", "bool", lanes)
        code = (FLOAT_OPS if is_float else INT_OPS)[symbol]
        return self.b.emit(f"{code} {left}, {right.name}", self.dtype, lanes)

    def index_binary(self, symbol: str, other: Any) -> Any:
        """Apply an operator; fold index operations with 0 and 1, which keeps the text short."""
        if isinstance(other, int) and self.dtype == "int64" and self.lanes == 1:
            if other == 0 and symbol in "+-":
                return self
            if symbol == "*" and other in (0, 1):
                return self if other else 0
            if symbol == "/" and other == 1:
                return self
        return self.binary(symbol, other)

    def __add__(self, other: Any) -> Any:
        return self.index_binary("+", other)

    def __radd__(self, other: Any) -> Any:
        return self.index_binary("+", other)

    def __sub__(self, other: Any) -> Any:
        return self.index_binary("-", other)

    def __rsub__(self, other: Any) -> Any:
        return self.binary("-", other, swap=True)

    def __mul__(self, other: Any) -> Any:
        return self.index_binary("*", other)

    def __rmul__(self, other: Any) -> Any:
        return self.index_binary("*", other)

    def __truediv__(self, other: Any) -> Reg:
        return self.binary("/", other)

    def __rtruediv__(self, other: Any) -> Reg:
        return self.binary("/", other, swap=True)

    def __floordiv__(self, other: Any) -> Any:
        """Divide non-negative integers, rounding down."""
        return self.index_binary("/", other)

    def __mod__(self, other: Any) -> Reg:
        """Return the remainder of non-negative integers."""
        return self.binary("%", other)

    def __neg__(self) -> Reg:
        if self.dtype in ("float32", "float64"):
            return self.b.emit(f"fneg {self}", self.dtype, self.lanes)
        return self.binary("-", 0, swap=True)

    def __lt__(self, other: Any) -> Reg:
        return self.binary("<", other)

    def __le__(self, other: Any) -> Reg:
        return self.binary("<=", other)

    def __gt__(self, other: Any) -> Reg:
        return self.binary(">", other)

    def __ge__(self, other: Any) -> Reg:
        return self.binary(">=", other)

    def eq(self, other: Any) -> Reg:
        return self.binary("==", other)

    def ne(self, other: Any) -> Reg:
        return self.binary("!=", other)

    def __and__(self, other: Any) -> Reg:
        return self.binary("&", other)

    def __or__(self, other: Any) -> Reg:
        return self.binary("|", other)

    def __xor__(self, other: Any) -> Reg:
        return self.binary("^", other)

    def __invert__(self) -> Reg:
        return self.binary("^", True if self.dtype == "bool" else -1)

    def __lshift__(self, other: Any) -> Reg:
        return self.binary("<<", other)

    def __rshift__(self, other: Any) -> Reg:
        return self.binary(">>", other)


Index = int | Reg
