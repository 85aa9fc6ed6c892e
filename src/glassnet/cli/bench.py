"""`glassnet bench`: what a training step costs on this machine, and in other installed libraries.

In: a task. Out: a table, or JSON. The measurement runs in a process of its own, which may use one
core and which alone loads the other libraries.
"""

from __future__ import annotations

import json as text
import os
import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from glassnet.cli.options import Json

NETWORKS = ("tiny", "small", "images")
QUICK = ("--turns", "5", "--seconds", "4")
# torch.compile is left out: it takes longer to compile than all others to be measured
PEERS = ("PyTorch", "JAX jit", "JAX scan", "scikit-learn", "nn-engine-core", "NumPy")


class BenchTask(StrEnum):
    """What a step is."""

    SGD = "sgd"
    ADAM = "adam"


_TASK = "sgd: sigmoid layers, squared error; adam: ReLU layers, cross-entropy, Adam."


def bench(
    task: Annotated[BenchTask, typer.Option("--task", help=_TASK)] = BenchTask.SGD,
    json: Json = False,
) -> None:
    """Measure a training step, here and in other libraries that are installed."""
    from glassnet.cli.output import console, print_json, safe

    found = measure(task)
    if json:
        print_json(found)
        return
    show = console().print
    for line in lines(found["rows"]):
        show(line)
    show(f"\nMicroseconds a step, the least, on one core of {safe(found['machine']['processor'])}.")
    for note in found["notes"]:
        show(safe(note))
    show("glassnet is the compiled step, many a call; glassnet train is gn.train.")


def measure(task: BenchTask) -> dict[str, Any]:
    """What the benchmark of training says; its progress goes to standard error."""
    module, environment = _place()
    command = [sys.executable, "-m", module, *NETWORKS, *QUICK, "--task", task.value]
    command += ["--peers", ",".join(PEERS)]
    result = subprocess.run(
        [*command, "--json"], env=os.environ | environment, stdout=subprocess.PIPE, check=True
    )
    return text.loads(result.stdout)


def _place() -> tuple[str, dict[str, str]]:
    """The benchmark's module: in the package, or beside the source it was installed from. The
    working directory is kept out of it, whatever modules may lie there."""
    safe_path = {"PYTHONSAFEPATH": "1"}
    if find_spec("glassnet.benchmarks") is not None:
        return "glassnet.benchmarks.training", safe_path
    root = Path(__file__).resolve().parents[3]
    return "benchmarks.training", safe_path | {"PYTHONPATH": str(root)}


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each contender, a column for each network; at the end how often as fast as the
    best other library, and the share of the peak."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    contenders = list(dict.fromkeys(row["contender"] for row in rows))
    least = {(row["contender"], row["network"]): row["min_us"] for row in rows}
    share = {r["network"]: r["share_of_peak"] for r in rows if r["contender"] == "glassnet"}
    table = [["network, batch", *networks]]
    table += [[name, *(digits(least[name, n]) for n in networks)] for name in contenders]
    others = [name for name in contenders if not name.startswith("glassnet")]
    best = {n: min((least[name, n] for name in others), default=0.0) for n in networks}
    ratios = [f"{digits(best[n] / least['glassnet', n])} x" for n in networks]
    table += [["glassnet, speed-up", *ratios]] if others else []
    table += [["glassnet, of peak", *(f"{share[n]:.0%}" for n in networks)]]
    widths = [max(len(line[i]) for line in table) for i in range(len(networks) + 1)]
    return [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in table
    ]


def digits(number: float) -> str:
    """Three digits that mean something, thousands apart: 0.0703, 44.3, 1 150."""
    if number < 1000:
        return f"{number:#.3g}".rstrip(".")
    return f"{float(f'{number:.3g}'):,.0f}".replace(",", " ")
