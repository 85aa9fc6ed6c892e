"""Machine code: from assembly text to the address of a function.

In: the text of a module, and an instruction set. Out: code that stays loaded as long as its
`Code` object lives. An instruction set decides speed only; the bits are the same on all.
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


@dataclass(frozen=True)
class InstructionSet:
    """A name, what LLVM calls it, and the tiles that fit its registers."""

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
    """The best instruction set of this machine, or the one that GLASSNET_ISA names; CompileError
    where none has fused multiply-add, GlassnetError where the machine has not the one named."""
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
    raise GlassnetError(f"{VARIABLE} is {asked!r}, and this processor can do {names}")


def instruction_set(name: str) -> InstructionSet:
    """By name, for tests that compare them."""
    return next(candidate for candidate in SETS if candidate.name == name)


@dataclass(frozen=True)
class Code:
    """Loaded machine code and the addresses of its entries; 0 where it has no second one."""

    engine: Any
    run: int
    part: int


@cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine(name: str, triple: str | None = None) -> Any:
    """A target machine; every engine owns its own. A triple names another system than this."""
    _initialise()
    chosen = instruction_set(name)
    target = llvm.Target.from_triple(triple or llvm.get_process_triple())
    return target.create_target_machine(cpu=chosen.cpu, features=chosen.features, opt=2, jit=True)


def module_text(body: str, family: str, parallel: bool) -> str:
    """A whole module: kernels, entries, barrier where threads meet."""
    return "\n".join([body, runtime(family, parallel), ATTRIBUTES])


def parse(text: str) -> Any:
    """A module from its text; CompileError where LLVM refuses it."""
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"the compiler wrote assembly that LLVM refuses: {error}") from error
    return module


def object_code(text: str, name: str, triple: str | None = None) -> bytes:
    """Compile a module, for this system or for the one that a triple names.

    LLVM's optimisation passes are not run: the text is already what they would make of it, and
    they cost more time than all the rest of compiling.
    """
    if triple is not None:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    machine = _machine(name, triple)
    return machine.emit_object(parse(text))


def load(code: bytes, name: str) -> Code:
    """Make object code callable."""
    machine = _machine(name)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Code(engine, *(engine.get_function_address(f"start_{name}") for name in ENTRIES))


def versions() -> str:
    """What decides the code besides the text: the versions of the binding and of LLVM."""
    return f"llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}"


def assembly(text: str, name: str) -> str:
    """The machine code as text, for reading."""
    machine = _machine(name)
    return machine.emit_assembly(parse(text))
