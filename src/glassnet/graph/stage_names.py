"""The names of the compilation stages, and what each shows.

In: nothing, so that a menu of them needs no compiler import. Out: `STAGES`, in compilation order.
"""

from __future__ import annotations

STAGES = {
    "graph": "the nodes as they were built",
    "grad": "with gradients",
    "simplified": "after the rewriting passes",
    "kernels": "which nodes share one loop nest, and where results are stored",
    "loops": "the loop nests as readable text",
    "llvm": "the loop nests as LLVM assembly",
    "asm": "machine code for this machine",
}


def unknown_stage_text(stage: str) -> str:
    """Return the error message for an unknown stage."""
    return f"there is no stage {stage!r}; stages are {', '.join(STAGES)}"
