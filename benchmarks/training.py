"""What does a training step cost, and what does it cost elsewhere?

In: `--task sgd|adam`, `--cores N`, and names of networks. Out: microseconds a step of ours and of
each peer, in one process, taking turns; `build/benchmarks/training-<task>[-<cores>].json`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from . import ours
from .cases import Case, cases, data
from .machine import Watch, describe, pin
from .peak import burst, peak
from .peers import available, missing, unfit
from .report import Result, microseconds, pivot, table, versions
from .timing import PAUSE, alternate

STEPS, TRAIN = "glassnet", "glassnet train"
TITLES = {
    "sgd": "sigmoid layers, squared error, gradient descent",
    "adam": "ReLU layers, cross-entropy, Adam",
}
# what was aimed at: times as fast as the best peer, and the share of the peak
AIMS: dict[str, tuple[float, float | None]] = {
    "tiny": (8.0, None),
    "small": (2.0, 0.55),
    "table": (1.35, 0.75),
    "images": (1.5, 0.78),
    "large": (1.15, 0.72),
    "wide": (1.05, 0.75),
}
CHECKED = 8  # steps; after many more, differences of rounding have grown
TOLERANCE = 0.05  # of the mean change of a weight; scikit-learn's Adam adds ε elsewhere
SLOW = ("torch.compile",)  # the same function as another peer, so not compiled once more


def measure(
    case: Case, wanted: str, cores: int, turns: int, seconds: float
) -> list[dict[str, Any]]:
    """One row for each contender."""
    rows = data(case)
    work: dict[str, Any] = {
        STEPS: ours.steps(case, rows, cores)[0],
        TRAIN: ours.train(case, rows, cores)[0],
    }
    for name, peer in available(wanted, case.task).items():
        work[name] = peer(case, rows)[0]
    away = differences(replace(case, steps=min(case.steps, CHECKED)), wanted)
    work["peak"], operations = burst()
    times = alternate(work, turns, seconds, PAUSE if cores > 1 else 0.0)
    best = max(peak(0.1), operations / times.pop("peak").least)
    return [
        {
            "network": case.title,
            "contender": name,
            **found.per(case.steps),
            "share_of_peak": case.flops * case.steps / found.least / best / cores,
            "differs": away.get(name),
        }
        for name, found in times.items()
    ]


def differences(case: Case, wanted: str) -> dict[str, float]:
    """How far the weights of each contender are from ours after a few steps from the same start,
    in parts of the mean change: that all do the same work."""
    rows = data(case)
    run, model = ours.steps(case, rows)
    start = model.W.copy()
    run()
    change = float(np.abs(model.W - start).mean())
    again, trained = ours.train(case, rows)
    again()
    found = {TRAIN: trained.W}
    for name, peer in available(wanted, case.task).items():
        if name not in SLOW:
            run, weights = peer(case, rows)
            run()
            found[name] = weights()
    return {n: float(np.abs(w - model.W).mean()) / max(change, 1e-30) for n, w in found.items()}


def page(result: Result) -> str:
    """Microseconds a step; in brackets the median."""
    found = {row["contender"]: None for row in result.rows}
    names = [STEPS, TRAIN, *(name for name in found if name not in (STEPS, TRAIN))]
    least = pivot(
        result,
        "network",
        names,
        lambda row: f"{microseconds(row['min_us'])} ({microseconds(row['median_us'])})",
    )
    task, *cores = result.name.split("-")[1:]
    aims = {} if cores else {case.title: aim(case.name) for case in cases(task)}
    for line in least:
        own = {r["contender"]: r for r in result.rows if r["network"] == line[0]}
        others = [r["min_us"] for n, r in own.items() if n not in (STEPS, TRAIN)]
        ratio = f"{min(others) / own[STEPS]['min_us']:.2f}" if others else "–"
        line += [ratio, f"{own[STEPS]['share_of_peak']:.0%}", aims.get(line[0], "–")]
    text = table(["network, batch", *names, "speed-up", "of peak", "aim"], least)
    notes = "".join(f"\n\n{note}" for note in result.notes)
    return f"{text}\n\n{versions(result)}{notes}"


def aim(name: str) -> str:
    ratio, share = AIMS[name]
    return f"{ratio:g}" + ("" if share is None else f", {share:.0%}")


def notes(result: Result) -> list[str]:
    said = [f"Not installed: {', '.join(missing())}."] if missing() else []
    said += unfit(result.name.split("-")[1])
    far = {
        f"{row['contender']} on {row['network']} ({row['differs']:.1g})"
        for row in result.rows
        if row["differs"] is not None and not row["differs"] <= TOLERANCE
    }
    return said + ([f"Other weights after a few steps: {', '.join(sorted(far))}."] if far else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", help="tiny, small, table, images, large, wide")
    parser.add_argument("--task", choices=sorted(TITLES), default="sgd")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=12.0, help="about so long a network")
    parser.add_argument("--peers", default="", help="names, with commas; by default all")
    parser.add_argument("--json", action="store_true", help="print JSON and write no file")
    options = parser.parse_args()
    pin(options.cores)
    suffix = f"-{options.cores}" if options.cores > 1 else ""
    result = Result(f"training-{options.task}{suffix}", describe(options.cores))
    with Watch() as watch:
        for case in cases(options.task):
            if not options.networks or case.name in options.networks:
                result.rows += measure(
                    case, options.peers, options.cores, options.turns, options.seconds
                )
                print(case.title, "measured", file=sys.stderr, flush=True)
    result.notes = [*notes(result), *watch.said]
    if options.json:
        result.notes.insert(0, f"A step of {TITLES[options.task]}.")
        print(result.json())
        return
    result.save()
    print(f"\n{TITLES[options.task]}; microseconds a step, least (median)\n\n{page(result)}")


if __name__ == "__main__":
    main()
