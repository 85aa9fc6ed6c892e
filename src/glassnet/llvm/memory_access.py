"""Loads and stores: contiguous, gather and scatter, masked or not.

In: addresses and registers. Out: lines of LLVM assembly. A bool is a byte in memory and a bit in a
register.
"""

from __future__ import annotations

from glassnet.llvm.arithmetic import Emitted
from glassnet.llvm.registers import ELEMENT, SIZE, SUFFIX, Index, Reg, type_name


class MemoryAccess(Emitted):
    """The loads and stores of a function."""

    def offset(self, pointer: Reg, index: Index, dtype: str) -> Reg:
        """Return the address `index` elements after `pointer`."""
        if isinstance(index, int) and index == 0:
            return pointer
        element = "i8" if dtype == "bool" else ELEMENT[dtype]
        return self.emit(f"getelementptr inbounds {element}, {pointer}, {self.index(index)}", "ptr")

    def load(
        self, pointer: Reg, index: Index, dtype: str, lanes: int = 1, mask: Reg | None = None
    ) -> Reg:
        """Load contiguous elements; lanes outside the mask are 0."""
        address = self.offset(pointer, index, dtype)
        stored = "int8" if dtype == "bool" else dtype
        kind = type_name(stored, lanes)
        if mask is None:
            got = self.emit(f"load {kind}, {address}, align {SIZE[stored]}", stored, lanes)
        else:
            got = self._masked_load(address, stored, lanes, mask)
        if dtype != "bool":
            return got
        zero = "zeroinitializer" if lanes > 1 else "0"
        return self.emit(f"icmp ne {kind} {got.name}, {zero}", "bool", lanes)

    def _masked_load(self, address: Reg, stored: str, lanes: int, mask: Reg) -> Reg:
        kind = type_name(stored, lanes)
        name = f"llvm.masked.load.v{lanes}{SUFFIX[stored]}.p0"
        self.declared[name] = f"declare {kind} @{name}(ptr, i32, <{lanes} x i1>, {kind})"
        args = f"{address}, i32 {SIZE[stored]}, {mask}, {kind} zeroinitializer"
        return self.emit(f"call {kind} @{name}({args})", stored, lanes)

    def store(self, value: Reg, pointer: Reg, index: Index, mask: Reg | None = None) -> None:
        address = self.offset(pointer, index, value.dtype)
        if value.dtype == "bool":
            kind = type_name("int8", value.lanes)
            value = self.emit(f"zext {value} to {kind}", "int8", value.lanes)
        size, kind, lanes = SIZE[value.dtype], value.type, value.lanes
        if mask is None:
            self.lines.append(f"store {value}, {address}, align {size}")
            return
        name = f"llvm.masked.store.v{lanes}{SUFFIX[value.dtype]}.p0"
        self.declared[name] = f"declare void @{name}({kind}, ptr, i32, <{lanes} x i1>)"
        self.lines.append(f"call void @{name}({value}, {address}, i32 {size}, {mask})")

    def prefetch(self, pointer: Reg, index: Index, dtype: str) -> None:
        """Prefetch the cache line of an element; the address need not be valid."""
        kind = "i8" if dtype == "bool" else ELEMENT[dtype]
        address = self.emit(f"getelementptr {kind}, {pointer}, {self.index(index)}", "ptr")
        self.declared["llvm.prefetch.p0"] = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"
        self.lines.append(f"call void @llvm.prefetch.p0({address}, i32 0, i32 3, i32 1)")

    def gather(self, pointer: Reg, indices: Reg, dtype: str, mask: Reg | None = None) -> Reg:
        """Load the elements at the given indices, one per lane; lanes outside the mask are 0."""
        lanes, stored = indices.lanes, "int8" if dtype == "bool" else dtype
        kind, pointers = type_name(stored, lanes), self._addresses(pointer, indices, stored)
        name = f"llvm.masked.gather.v{lanes}{SUFFIX[stored]}.v{lanes}p0"
        types = f"<{lanes} x ptr>, i32, <{lanes} x i1>, {kind}"
        self.declared[name] = f"declare {kind} @{name}({types})"
        inside = mask or self.const(True, "bool", lanes)
        args = f"{pointers}, i32 {SIZE[stored]}, {inside}, {kind} zeroinitializer"
        got = self.emit(f"call {kind} @{name}({args})", stored, lanes)
        return got.ne(0) if dtype == "bool" else got

    def scatter(self, value: Reg, pointer: Reg, indices: Reg, mask: Reg | None = None) -> None:
        """Store the lanes to the elements at the given indices, in the order of the lanes."""
        if value.dtype == "bool":
            kind = type_name("int8", value.lanes)
            value = self.emit(f"zext {value} to {kind}", "int8", value.lanes)
        lanes, dtype = value.lanes, value.dtype
        pointers = self._addresses(pointer, indices, dtype)
        name = f"llvm.masked.scatter.v{lanes}{SUFFIX[dtype]}.v{lanes}p0"
        types = f"{value.type}, <{lanes} x ptr>, i32, <{lanes} x i1>"
        self.declared[name] = f"declare void @{name}({types})"
        inside = mask or self.const(True, "bool", lanes)
        args = f"{value}, {pointers}, i32 {SIZE[dtype]}, {inside}"
        self.lines.append(f"call void @{name}({args})")

    def _addresses(self, pointer: Reg, indices: Reg, stored: str) -> Reg:
        text = f"getelementptr inbounds {ELEMENT[stored]}, {pointer}, {indices}"
        return self.emit(text, "ptr", indices.lanes)
