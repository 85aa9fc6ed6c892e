"""Compiles LLVM assembly to machine code and loads it.

In: the text of a module, and an instruction set. Out: code that stays loaded as long as its `Code`
object lives. The instruction set affects only speed; results have the same bits on all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from glassnet.errors import CompileError, GlassnetError
from glassnet.llvm.runtime import ENTRIES, runtime
from glassnet.lower.protocol import Machine

VARIABLE = "GLASSNET_ISA"

# LLVM's level of code generation, 0 to 3. No level changes a bit of a result. Level 0 compiles in a
# third of the time; its code is several times slower.
LEVEL = 2


@dataclass(frozen=True)
class InstructionSet:
    """An instruction set: its name, LLVM's names for it, the CPU features it needs, and the tile
    sizes that fit its registers."""

    name: str
    family: str
    cpu: str
    features: str
    needs: tuple[str, ...]
    machine: Machine


SETS = (
    InstructionSet(
        "avx512",
        "x86",
        "x86-64-v4",
        "",
        ("avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd", "fma", "bmi2"),
        Machine("avx512", rows=8, vectors=3),
    ),
    InstructionSet(
        "avx2", "x86", "x86-64-v3", "", ("avx2", "fma", "bmi2"), Machine("avx2", 6, 1, masks=False)
    ),
    InstructionSet(
        "neon", "arm", "generic", "+neon", ("neon",), Machine("neon", 6, 1, masks=False)
    ),
)
ATTRIBUTES = (
    'attributes #0 = { nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512" }'
)


@cache
def host() -> InstructionSet:
    """Return the best instruction set of this machine, or the one that GLASSNET_ISA names.

    Raises CompileError where the processor has no fused multiply-add, GlassnetError where it does
    not have the instruction set named."""
    features = llvm.get_host_cpu_features()
    family = "arm" if "aarch64" in llvm.get_process_triple() else "x86"
    ours = [each for each in SETS if each.family == family and all(map(features.get, each.needs))]
    if not ours:
        raise CompileError("this processor has no fused multiply-add that machine code needs")
    asked = os.environ.get(VARIABLE) or ours[0].name
    for candidate in ours:
        if candidate.name == asked:
            return candidate
    names = " or ".join(each.name for each in ours)
    raise GlassnetError(f"{VARIABLE} is {asked!r}, but this processor supports only {names}")


def instruction_set(name: str) -> InstructionSet:
    """Return an instruction set by name."""
    return next(candidate for candidate in SETS if candidate.name == name)


@dataclass(frozen=True)
class Code:
    """Loaded machine code and the addresses of its entry points; `part` is 0 if it has only one."""

    engine: Any
    run: int
    part: int


@cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine(name: str, triple: str | None = None, opt: int = LEVEL) -> Any:
    """Return a new LLVM target machine (an engine takes ownership of it); `triple` selects another
    system than this one."""
    _initialise()
    if triple is not None:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    chosen = instruction_set(name)
    target = llvm.Target.from_triple(triple or llvm.get_process_triple())
    return target.create_target_machine(cpu=chosen.cpu, features=chosen.features, opt=opt, jit=True)


def module_text(body: str, family: str, parallel: bool) -> str:
    """Return the text of a whole module: kernels, entry points and, if `parallel`, the barrier."""
    return "\n".join([body, runtime(family, parallel), ATTRIBUTES])


def parse(text: str) -> Any:
    """Parse the text of a module. Raises CompileError where LLVM rejects it."""
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"the compiler wrote assembly that LLVM rejects: {error}") from error
    return module


def object_code(text: str, name: str, triple: str | None = None, opt: int = LEVEL) -> bytes:
    """Compile a module to object code, for this system or the one that `triple` names.

    LLVM's optimisation passes are not run: the text is already optimised, and they would take
    longer than the rest of the compilation.
    """
    machine = _machine(name, triple, opt)
    return machine.emit_object(parse(text))


def load(code: bytes, name: str) -> Code:
    """Load object code so that it can be called."""
    machine = _machine(name)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine, *(engine.get_function_address(f"start_{name}") for name in ENTRIES))


def versions() -> str:
    """Return the versions of llvmlite and LLVM, on which the code also depends."""
    return f"llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}"


def assembly(text: str, name: str, triple: str | None = None) -> str:
    """Compile a module to readable assembly, for this system or the one that `triple` names."""
    machine = _machine(name, triple)
    return machine.emit_assembly(parse(text))
