"""The stages of compiling by name, and what each shows; whoever offers stages offers these.

In: nothing, so that a menu costs nothing. Out: `STAGES`, in the order of compiling.
"""

from __future__ import annotations

STAGES = {
    "graph": "the nodes as they were given",
    "grad": "with gradients",
    "simplified": "after the rewriting passes",
    "kernels": "which nodes share one loop nest, and where results go",
    "loops": "the loop nests, to read",
    "llvm": "the same as LLVM assembly",
    "asm": "machine code for this machine",
}


def unknown_stage_text(stage: str) -> str:
    """What to say of a stage that there is not."""
    return f"there is no stage {stage!r}; stages are {', '.join(STAGES)}"
