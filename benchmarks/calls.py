"""What does a whole call of `gn.train` cost, and the same work elsewhere?

In: names of networks. Out: seconds of calls that train for about 0.05, 0.5 and 5 seconds: the first
one of a new process with empty caches, compiling included, and later ones in alternation with the
others; `build/benchmarks/calls.json`. The number of steps is that which the bare step of ours does
in the time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

from . import ours, peers
from .cases import Case, cases, data
from .compiling import CACHES
from .machine import Watch, describe, pin
from .report import Result, table, versions
from .timing import Times, alternate

OURS = "glassnet train"
NETWORKS = ("tiny", "small", "table", "images", "large", "wide")
SECONDS = (0.05, 0.5, 5.0)
COMPILED = ("JAX scan",)  # peers whose first call is timed, too
SLOWER = 4.0  # times as slow as ours: not timed
TRIAL = 0.02  # seconds that say how long a step takes


def contenders(case: Case, wanted: str) -> dict[str, Any]:
    """Functions that do a case's steps in one call."""
    rows = data(case)
    work = {OURS: ours.train(case, rows)[0]}
    for name, peer in peers.available(wanted, case.task).items():
        work[name] = peer(case, rows)[0]
    return work


def lengthened(case: Case, each: float, seconds: float) -> Case | None:
    """The case with as many whole epochs as fit; None where not one does."""
    epochs = round(seconds / (each * case.batches))
    return replace(case, steps=epochs * case.batches, most=case.batches) if epochs else None


def step_seconds(case: Case) -> float:
    """What a bare step of ours takes."""
    run = ours.steps(case, data(case))[0]
    found = alternate({"": run}, 3, TRIAL * 50)[""]
    return found.least / case.steps


def quick(case: Case, wanted: str) -> str:
    """The peers that take less than `SLOWER` times as long, by some steps of each."""
    times = {n: _seconds(work) for n, work in contenders(case, wanted).items()}
    allowed = SLOWER * times[OURS]
    return ",".join(n for n, taken in times.items() if n != OURS and taken < allowed) or "none"


def _seconds(work: Any) -> float:
    work()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def first(case: Case, name: str) -> float:
    """Seconds of the first call, in a new process with empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {variable: os.path.join(folder, part) for variable, part in CACHES.items()}
        module = __spec__.name if __spec__ is not None else __name__
        done = subprocess.run(
            [
                sys.executable, "-W", "ignore", "-m", module, case.name,
                "--child", name, str(case.steps),
            ],
            env=os.environ | caches, capture_output=True, text=True, check=True,
        )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def child(case: Case, name: str) -> None:
    """Measure one first call in this process, all modules loaded."""
    small = next(c for c in cases(case.task) if c.name == "tiny")
    if name != OURS:
        peers.PEERS[name][1](small, data(small))[0]()  # loads the library, starts its threads
    else:
        ours.train(replace(small, steps=1, most=1), data(small))[0]()
    rows = data(case)
    start = time.perf_counter()
    made = ours.train(case, rows) if name == OURS else peers.PEERS[name][1](case, rows)
    made[0]()
    print(time.perf_counter() - start)


def measure(case: Case, wanted: str, turns: int, lengths: list[float]) -> list[dict[str, Any]]:
    each = step_seconds(case)
    chosen = quick(case, wanted)
    rows: list[dict[str, Any]] = []
    for seconds in lengths:
        long = lengthened(case, each, seconds)
        if long is None:
            continue
        found: dict[str, Times] = alternate(contenders(long, chosen), turns, seconds * 8 + 2.0)
        for name, times in found.items():
            cold = name == OURS or name in COMPILED
            rows.append(
                {
                    "network": case.title,
                    "seconds": seconds,
                    "steps": long.steps,
                    "contender": name,
                    "least_s": times.least,
                    "median_s": times.median,
                    "settled": times.settled,
                    "first_s": first(long, name) if cold else None,
                }
            )
    return rows


def page(result: Result) -> str:
    """Milliseconds a call; the median of later ones, and the first."""
    lines: list[list[str]] = []
    for network, seconds in dict.fromkeys((r["network"], r["seconds"]) for r in result.rows):
        own = {
            r["contender"]: r
            for r in result.rows
            if (r["network"], r["seconds"]) == (network, seconds)
        }
        mine = own.pop(OURS)
        line = [network, f"{seconds:g} s", f"{mine['steps']:,}", _ms(mine["median_s"])]
        best = min(own, key=lambda name: own[name]["median_s"], default=None)
        if best is None:
            line += ["–", f"> {SLOWER:g}"]
        else:
            ratio = own[best]["median_s"] / mine["median_s"]
            line += [f"{_ms(own[best]['median_s'])} ({best})", f"{ratio:.2f}"]
        firsts = {n: r["first_s"] for n, r in own.items() if r["first_s"] is not None}
        line.append(_ms(mine["first_s"]))
        line += [f"{_ms(firsts[n])} ({n})" for n in firsts] or ["–"]
        lines.append(line)
    head = ["network, batch", "call of", "steps", "ms", "best other, ms", "speed-up"]
    head += ["first call, ms", "first call of the other, ms"]
    notes = "".join(f"\n\n{note}" for note in result.notes)
    return f"{table(head, lines)}\n\n{versions(result)}{notes}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--lengths", default=",".join(map(str, SECONDS)), help="seconds of a call")
    parser.add_argument("--peers", default="JAX scan,PyTorch,scikit-learn,NumPy")
    parser.add_argument("--child", nargs=2, metavar=("CONTENDER", "STEPS"))
    options = parser.parse_args()
    pin(1)
    found = {case.name: case for case in cases("sgd")}
    if options.child:
        case, (name, steps) = found[options.networks[0]], options.child
        child(replace(case, steps=int(steps), most=case.batches), name)
        return
    result = Result("calls", describe(1))
    with Watch() as watch:
        for name in options.networks:
            lengths = [float(text) for text in options.lengths.split(",")]
            result.rows += measure(found[name], options.peers, options.turns, lengths)
            print(name, "measured", file=sys.stderr, flush=True)
    result.notes = [*watch.said, *unsettled(result)]
    result.save()
    print(page(result))


def unsettled(result: Result) -> list[str]:
    names = [f"{r['network']}, {r['seconds']:g} s" for r in result.rows if not r["settled"]]
    return [f"Medians had not settled: {'; '.join(dict.fromkeys(names))}."] if names else []


if __name__ == "__main__":
    main()
