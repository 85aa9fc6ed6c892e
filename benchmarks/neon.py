"""How many instructions do the inner loops take on AArch64?

In: names of networks. Out: for every product of matrices of the compiled step what one turn of its
inner loop consists of, from LLVM's assembly for NEON; `build/benchmarks/neon.json`. Nothing runs,
so that nothing is said of time.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from glassnet.fuse.kernel_order import schedule
from glassnet.llvm.machine_code import assembly, instruction_set
from glassnet.run.compiled import assembly_text
from glassnet.run.program import Plan
from glassnet.simplify import simplify
from glassnet.training.step_graph import step_graph

from . import ours
from .cases import Case, cases
from .kernels import described
from .machine import describe
from .report import RESULTS, Result, table, versions

NETWORKS = ("small", "table", "images")
TRIPLE = "aarch64-unknown-linux-gnu"
LABEL = re.compile(r"([.\w]+):")
IDEAL = 1 / 4  # instructions a multiply-add: nothing but `fmla` of four numbers
LANES = {"4s": 4, "2s": 2, "2d": 2}  # numbers of a vector register


@dataclass
class Function:
    """Instructions in order, and the labels by the instruction behind them."""

    instructions: list[str] = field(default_factory=list[str])
    labels: dict[str, int] = field(default_factory=dict[str, int])

    def calls(self) -> list[str]:
        return [line.split()[1] for line in self.instructions if line.startswith("bl\t")]

    def inner_loops(self) -> Iterator[list[str]]:
        """What lies between a label and a branch back to it, and holds no such piece itself."""
        spans: list[tuple[int, int]] = []
        for place, line in enumerate(self.instructions):
            name, _, rest = line.partition("\t")
            start = self.labels.get(rest.rpartition(" ")[2], len(self.instructions))
            if re.match(r"b(\.|$)|[ct]bn?z$", name) and start <= place:
                spans.append((start, place))
        for a, b in spans:
            if not any(a <= c and d <= b for c, d in spans if (c, d) != (a, b)):
                yield self.instructions[a : b + 1]


def functions(text: str) -> dict[str, Function]:
    """The functions of a module's assembly."""
    found: dict[str, Function] = {}
    current = Function()
    for line in text.splitlines():
        label, code = LABEL.match(line), line.strip()
        if label and not label[1].startswith(".L"):
            current = found[label[1]] = Function()
        elif label:
            current.labels[label[1]] = len(current.instructions)
        elif code and not code.startswith((".", "//")):
            current.instructions.append(code)
    return found


def counts(loop: list[str]) -> dict[str, int]:
    """Instructions of a turn by what they do, and the multiply-adds that it does."""
    found = dict.fromkeys(("multiply_adds", "fused", "loads", "stores", "others"), 0)
    for line in loop:
        name, _, rest = line.partition("\t")
        if name in ("fmla", "fmadd"):
            lanes = re.match(r"v\d+\.(\w+)", rest)
            found["multiply_adds"] += LANES[lanes[1]] if lanes else 1
            found["fused"] += 1
        elif name.startswith("ld"):
            found["loads"] += 1
        elif name.startswith("st"):
            found["stores"] += 1
        else:
            found["others"] += 1
    return found


def measure(case: Case) -> list[dict[str, Any]]:
    """Of every product of matrices the loop that does the most multiply-adds a turn."""
    model, (loss, optimizer) = ours.network(case), ours.rules(case)
    step = step_graph(model, loss, optimizer, case.sizes[0], False, 0)
    stepped = frozenset({"rows", "lr", "step"})
    plan = Plan(simplify(step.graph), step.donate, stepped, frozenset({0}))
    fused = schedule(plan.graph, plan.donate)
    text, _ = assembly_text(plan, fused, instruction_set("neon"))
    found = functions(assembly(text, "neon", TRIPLE))
    rows: list[dict[str, Any]] = []
    for kernel, name in zip(fused.kernels, found["run"].calls(), strict=True):
        tiles = [found[each] for each in found[name].calls() if each.startswith("tile")]
        if kernel.kind != "contract" or not tiles:
            continue
        loops = [counts(loop) for tile in tiles for loop in tile.inner_loops()]
        best = max(loops, key=lambda loop: loop["multiply_adds"])
        rows.append({"network": case.title, "kernel": described(fused, kernel), **best})
    return rows


def page(result: Result) -> str:
    lines: list[list[str]] = []
    for row in result.rows:
        kinds = [row[kind] for kind in ("fused", "loads", "stores", "others")]
        each = sum(kinds) / row["multiply_adds"]
        lines.append(
            [
                row["network"],
                f"`{row['kernel']}`",
                *map(str, (row["multiply_adds"], *kinds)),
                f"{each:.2f}",
                f"{each / IDEAL:.2f}",
            ]
        )
    head = ["network, batch", "kernel", "multiply-adds", "`fmla`", "loads", "stores", "others"]
    head += ["instructions a multiply-add", "times the ideal"]
    return f"{table(head, lines, left=2)}\n\n{versions(result)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=[], help="tiny, small, table, images, ...")
    options = parser.parse_args()
    result = Result("neon", describe(1))
    for case in cases("sgd"):
        if case.name in (options.networks or NETWORKS):
            result.rows += measure(case)
    result.save(RESULTS)  # the same whatever instruction set this machine uses
    print(page(result))


if __name__ == "__main__":
    main()
