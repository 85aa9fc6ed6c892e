"""`glassnet bench`: the time of a training step on this machine, also in other installed libraries.

In: a task. Out: a table, or JSON. The measurement runs in a separate process on one core; only that
process loads the other libraries.
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
# torch.compile is left out: it compiles for longer than all other measurements take
PEERS = ("PyTorch", "JAX jit", "JAX scan", "scikit-learn", "nn-engine-core", "NumPy")


class BenchTask(StrEnum):
    """The training step that is measured."""

    SGD = "sgd"
    ADAM = "adam"


_TASK = "sgd: sigmoid layers, squared error; adam: ReLU layers, cross-entropy, Adam."


def bench(
    task: Annotated[BenchTask, typer.Option("--task", help=_TASK)] = BenchTask.SGD,
    json: Json = False,
) -> None:
    """Measure the time of a training step, also in other libraries that are installed."""
    from glassnet.cli.output import console, print_json, safe

    found = measure(task)
    if json:
        print_json(found)
        return
    show = console().print
    for line in lines(found["rows"]):
        show(line)
    processor = safe(found["machine"]["processor"])
    show(f"\nMicroseconds per step, the minimum, on one core of {processor}.")
    for note in found["notes"]:
        show(safe(note))
    show("glassnet: the compiled step, many steps per call; glassnet train: gn.train.")


def measure(task: BenchTask) -> dict[str, Any]:
    """Run the benchmark and return its result; its progress goes to standard error."""
    module, environment = _place()
    command = [sys.executable, "-m", module, *NETWORKS, *QUICK, "--task", task.value]
    command += ["--peers", ",".join(PEERS)]
    result = subprocess.run(
        [*command, "--json"], env=os.environ | environment, stdout=subprocess.PIPE, check=True
    )
    return text.loads(result.stdout)


def _place() -> tuple[str, dict[str, str]]:
    """Return the benchmark's module (in the package, or in the source folder it was installed from)
    and environment variables; modules of the working directory are not imported."""
    safe_path = {"PYTHONSAFEPATH": "1"}
    if find_spec("glassnet.benchmarks") is not None:
        return "glassnet.benchmarks.training", safe_path
    root = Path(__file__).resolve().parents[3]
    return "benchmarks.training", safe_path | {"PYTHONPATH": str(root)}


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each library and a column for each network; the last lines are the speed-up
    over the best other library, and the share of the processor's peak."""
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
    """Format a number with three significant digits: 0.0703, 44.3, 1 150."""
    if number < 1000:
        return f"{number:#.3g}".rstrip(".")
    return f"{float(f'{number:.3g}'):,.0f}".replace(",", " ")
