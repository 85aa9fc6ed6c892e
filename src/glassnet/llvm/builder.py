"""Writing LLVM assembly: the builder that kernels are lowered with.

In: calls of the builder protocol. Out: the text of a module. Text rather than objects: it is
what LLVM parses anyway, and printing it is several times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from glassnet.graph.types import Size
from glassnet.llvm.registers import ELEMENT, SIZE, SUFFIX, Reg, literal, type_name

Index = int | Reg


class Module:
    """Functions and the declarations that they need."""

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}
        self.declared: dict[str, str] = {}
        self.shared: dict[tuple[object, ...], str] = {}

    def function(self, name: str, dtypes: Sequence[str], attributes: str = "") -> Function:
        return Function(self, name, dtypes, attributes)

    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        """A function written on first use and shared afterwards."""
        if name not in self.functions:
            function = self.function(name, dtypes)
            write(function)
            function.finish()
        return name

    def __str__(self) -> str:
        return "\n".join([*self.declared.values(), *self.functions.values()])


class Function:
    """One function under construction; arguments are in `args`."""

    def __init__(self, module: Module, name: str, dtypes: Sequence[str], attributes: str) -> None:
        self.module, self.name, self.attributes = module, name, attributes
        self.dims: dict[str, Reg] = {}
        self.lines: list[str] = []
        self.count = 0
        self.block = "entry"
        self.args = [Reg(self, f"%a{i}", dtype) for i, dtype in enumerate(dtypes)]

    def finish(self) -> None:
        head = ", ".join(str(arg) for arg in self.args)
        body = "\n".join([*self.lines, "ret void"])
        text = f"define {self.attributes} void @{self.name}({head}) #0 {{\nentry:\n{body}\n}}"
        self.module.functions[self.name] = text

    def finish_shared(self) -> str:
        """Finish, unless a function with the same code exists; the name of the one to call."""
        key = (tuple(arg.dtype for arg in self.args), *self.lines)
        name = self.module.shared.setdefault(key, self.name)
        if name == self.name:
            self.finish()
        return name

    # -- lines ---------------------------------------------------------------------------------

    def emit(self, text: str, dtype: str, lanes: int = 1) -> Reg:
        self.count += 1
        name = f"%r{self.count}"
        self.lines.append(f"{name} = {text}")
        return Reg(self, name, dtype, lanes)

    def _label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def _start(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        return self.module.once(name, dtypes, write)

    def call(self, name: str, *args: Any) -> None:
        """A function of this module, or a C function of the process."""
        regs = ", ".join(str(arg if isinstance(arg, Reg) else self.index(arg)) for arg in args)
        self.lines.append(f"call void @{name}({regs})")

    def intrinsic(self, name: str, args: Sequence[Reg], dtype: str, lanes: int) -> Reg:
        result = type_name(dtype, lanes)
        types = ", ".join(arg.type for arg in args)
        self.module.declared[name] = f"declare {result} @{name}({types})"
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
        """A size of the running shapes as a number."""
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
        """True for the first `count` lanes; None where that is all of them."""
        if isinstance(count, int):
            if count >= lanes:
                return None
            items = ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(lanes))
            return Reg(self, f"<{items}>", "bool", lanes)
        return self.iota(lanes) < count

    def extract(self, a: Reg, lane: int) -> Reg:
        return self.emit(f"extractelement {a}, i64 {lane}", a.dtype) if a.lanes > 1 else a

    def insert(self, a: Reg, value: Reg, lane: int) -> Reg:
        if a.lanes == 1:
            return value
        return self.emit(f"insertelement {a}, {value}, i64 {lane}", a.dtype, a.lanes)

    def shuffle(self, a: Reg, b: Reg, lanes: Sequence[int]) -> Reg:
        """The chosen lanes of a followed by b."""
        items = ", ".join(f"i32 {i}" for i in lanes)
        text = f"shufflevector {a}, {b}, <{len(lanes)} x i32> <{items}>"
        return self.emit(text, a.dtype, len(lanes))

    # -- memory --------------------------------------------------------------------------------

    def offset(self, pointer: Reg, index: Index, dtype: str) -> Reg:
        """The address `index` elements later."""
        if isinstance(index, int) and index == 0:
            return pointer
        element = "i8" if dtype == "bool" else ELEMENT[dtype]
        return self.emit(f"getelementptr inbounds {element}, {pointer}, {self.index(index)}", "ptr")

    def load(
        self, pointer: Reg, index: Index, dtype: str, lanes: int = 1, mask: Reg | None = None
    ) -> Reg:
        """Consecutive elements; lanes outside the mask are 0."""
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
        self.module.declared[name] = f"declare {kind} @{name}(ptr, i32, <{lanes} x i1>, {kind})"
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
        self.module.declared[name] = f"declare void @{name}({kind}, ptr, i32, <{lanes} x i1>)"
        self.lines.append(f"call void @{name}({value}, {address}, i32 {size}, {mask})")

    def gather(self, pointer: Reg, indices: Reg, dtype: str, mask: Reg | None = None) -> Reg:
        """Elements at the given numbers, one a lane; lanes outside the mask are 0."""
        lanes, stored = indices.lanes, "int8" if dtype == "bool" else dtype
        kind, pointers = type_name(stored, lanes), self._addresses(pointer, indices, stored)
        name = f"llvm.masked.gather.v{lanes}{SUFFIX[stored]}.v{lanes}p0"
        types = f"<{lanes} x ptr>, i32, <{lanes} x i1>, {kind}"
        self.module.declared[name] = f"declare {kind} @{name}({types})"
        inside = mask or self.const(True, "bool", lanes)
        args = f"{pointers}, i32 {SIZE[stored]}, {inside}, {kind} zeroinitializer"
        got = self.emit(f"call {kind} @{name}({args})", stored, lanes)
        return got.ne(0) if dtype == "bool" else got

    def scatter(self, value: Reg, pointer: Reg, indices: Reg, mask: Reg | None = None) -> None:
        """Elements to the given numbers, in the order of the lanes."""
        if value.dtype == "bool":
            kind = type_name("int8", value.lanes)
            value = self.emit(f"zext {value} to {kind}", "int8", value.lanes)
        lanes, dtype = value.lanes, value.dtype
        pointers = self._addresses(pointer, indices, dtype)
        name = f"llvm.masked.scatter.v{lanes}{SUFFIX[dtype]}.v{lanes}p0"
        types = f"{value.type}, <{lanes} x ptr>, i32, <{lanes} x i1>"
        self.module.declared[name] = f"declare void @{name}({types})"
        inside = mask or self.const(True, "bool", lanes)
        args = f"{value}, {pointers}, i32 {SIZE[dtype]}, {inside}"
        self.lines.append(f"call void @{name}({args})")

    def _addresses(self, pointer: Reg, indices: Reg, stored: str) -> Reg:
        text = f"getelementptr inbounds {ELEMENT[stored]}, {pointer}, {indices}"
        return self.emit(text, "ptr", indices.lanes)

    # -- control -------------------------------------------------------------------------------

    def loop(
        self,
        start: Index,
        stop: Index,
        step: Index,
        carried: Sequence[Reg],
        body: Callable[..., Sequence[Reg] | None],
    ) -> list[Reg]:
        """for i in range(start, stop, step): carried = body(i, *carried)."""
        if isinstance(start, int) and isinstance(stop, int):
            if start >= stop:
                return list(carried)
            if isinstance(step, int) and start + step >= stop:
                return list(body(self.index(start), *carried) or ())
            return self._loop(start, stop, step, carried, body, guarded=False)
        return self._loop(start, stop, step, carried, body, guarded=True)

    def _loop(
        self,
        start: Index,
        stop: Index,
        step: Index,
        carried: Sequence[Reg],
        body: Callable[..., Sequence[Reg] | None],
        guarded: bool,
    ) -> list[Reg]:
        first, last = self.index(start), self.index(stop)
        before, inside, after = self.block, self._label(), self._label()
        if guarded:
            some = first < last
            self.lines.append(f"br {some}, label %{inside}, label %{after}")
        else:
            self.lines.append(f"br label %{inside}")
        self._start(inside)
        place = len(self.lines)
        index = Reg(self, f"%i{inside}", "int64")
        phis = [Reg(self, f"%{inside}.{j}", r.dtype, r.lanes) for j, r in enumerate(carried)]
        results = list(body(index, *phis) or ())
        following = self.index(index + step)
        again = following < last
        self.lines.append(f"br {again}, label %{inside}, label %{after}")
        heads = [(index, first, following), *zip(phis, carried, results, strict=True)]
        self.lines[place:place] = [
            f"{phi.name} = phi {phi.type} [ {a.name}, %{before} ], [ {z.name}, %{self.block} ]"
            for phi, a, z in heads
        ]
        end = self.block
        self._start(after)
        if not guarded:
            return results
        return [
            self.emit(
                f"phi {z.type} [ {a.name}, %{before} ], [ {z.name}, %{end} ]", z.dtype, z.lanes
            )
            for a, z in zip(carried, results, strict=True)
        ]

    def when(self, condition: Reg, body: Callable[[], None]) -> None:
        inside, after = self._label(), self._label()
        self.lines.append(f"br {condition}, label %{inside}, label %{after}")
        self._start(inside)
        body()
        self.lines.append(f"br label %{after}")
        self._start(after)

    def minimum(self, a: Index, b: Index) -> Index:
        """The smaller of two indices."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        a, b = self.index(a), self.index(b)
        return self.select(a < b, a, b)


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
