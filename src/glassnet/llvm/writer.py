"""Writes LLVM assembly: the builder with which kernels are lowered to machine code.

In: calls of the builder protocol. Out: the text of a module. Text is several times faster than
llvmlite's IR objects, which are printed and parsed again anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from glassnet.llvm.memory_access import MemoryAccess
from glassnet.llvm.registers import Index, Reg


class LlvmModule:
    """A module: functions and the declarations that they need."""

    def __init__(self, masks: bool = True) -> None:
        self.masks = masks  # whether stores under a mask are fast
        self.functions: dict[str, str] = {}
        self.declared: dict[str, str] = {}
        self.shared: dict[tuple[object, ...], str] = {}

    def function(self, name: str, dtypes: Sequence[str], attributes: str = "") -> LlvmFunction:
        return LlvmFunction(self, name, dtypes, attributes)

    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        """Return the name of a helper function; write it on first use."""
        if name not in self.functions:
            function = self.function(name, dtypes)
            write(function)
            function.finish()
        return name

    def __str__(self) -> str:
        return "\n".join([*self.declared.values(), *self.functions.values()])


class LlvmFunction(MemoryAccess):
    """One function under construction; arguments are in `args`."""

    def __init__(
        self, module: LlvmModule, name: str, dtypes: Sequence[str], attributes: str
    ) -> None:
        super().__init__(module.declared)
        self.module, self.name, self.attributes = module, name, attributes
        self.block = "entry"
        self.args = [Reg(self, f"%a{i}", dtype) for i, dtype in enumerate(dtypes)]

    def finish(self) -> None:
        head = ", ".join(str(arg) for arg in self.args)
        body = "\n".join([*self.lines, "ret void"])
        text = f"define {self.attributes} void @{self.name}({head}) #0 {{\nentry:\n{body}\n}}"
        self.module.functions[self.name] = text

    def finish_shared(self) -> str:
        """Finish, unless a function with the same code exists; return the name to call."""
        key = (tuple(arg.dtype for arg in self.args), *self.lines)
        name = self.module.shared.setdefault(key, self.name)
        if name == self.name:
            self.finish()
        return name

    def loop(
        self,
        start: Index,
        stop: Index,
        step: Index,
        carried: Sequence[Reg],
        body: Callable[..., Sequence[Reg] | None],
    ) -> list[Reg]:
        """Write `for i in range(start, stop, step): carried = body(i, *carried)`."""
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

    def store(self, value: Reg, pointer: Reg, index: Index, mask: Reg | None = None) -> None:
        if mask is None or self.module.masks or not mask.name.startswith("%"):
            super().store(value, pointer, index, mask)
            return
        inside, other, after = self._label(), self._label(), self._label()
        bits = f"i{mask.lanes}"
        packed = self.emit(f"bitcast {mask} to {bits}", "int64")
        whole = self.emit(f"icmp eq {bits} {packed.name}, -1", "bool")
        self.lines.append(f"br {whole}, label %{inside}, label %{other}")
        for label, under in ((inside, None), (other, mask)):
            self._start(label)
            super().store(value, pointer, index, under)
            self.lines.append(f"br label %{after}")
        self._start(after)

    def minimum(self, a: Index, b: Index) -> Index:
        """Return the smaller of two indices."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        a, b = self.index(a), self.index(b)
        return self.select(a < b, a, b)

    def _label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def _start(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def once(self, name: str, dtypes: Sequence[str], write: Callable[[Any], None]) -> str:
        return self.module.once(name, dtypes, write)

    def call(self, name: str, *args: Any) -> None:
        """Call a function of this module, or a C function of the process."""
        regs = ", ".join(str(arg if isinstance(arg, Reg) else self.index(arg)) for arg in args)
        self.lines.append(f"call void @{name}({regs})")
