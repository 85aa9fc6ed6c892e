"""Every question, one after the other, and the page that shows the answers.

In: nothing, or `--page FILE`. Out: `build/benchmarks/*.json`, and the page, by default
`docs/benchmarks.md`, with what people wrote there (`by_hand.py`). It takes about twenty minutes;
leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any

from .by_hand import keep
from .report import Result, load, table, versions

PAGE = Path("docs") / "benchmarks.md"
WIDTH = 100

# name of the result: module, its arguments, title, what a reader needs to know
QUESTIONS: dict[str, tuple[str, Sequence[str], str, str]] = {
    "training-sgd": (
        "training",
        ("--task", "sgd"),
        "A training step: sigmoid layers, squared error, gradient descent",
        "Microseconds a step on one core, the least of all turns, in brackets the median. "
        "*glassnet* is the compiled step, many steps a call, as *JAX scan* is; *glassnet train* is "
        "`gn.train` over epochs of at most 64 batches, with its checks, its history and its safety "
        "copy of the weights (of the last network, one epoch of two steps). *Speed-up* is "
        "*glassnet* against the best other library; *of peak* "
        "is its share of the multiply-adds that the core can do. *Aim* says what both were to be; "
        "where the time goes instead is told below. The rows are random numbers, none of which is "
        "0; on images or encoded categories, whose zeros glassnet leaves out, its steps are "
        "shorter (Estimators, below).",
    ),
    "training-adam": (
        "training",
        ("--task", "adam"),
        "A training step: ReLU layers, cross-entropy, Adam",
        "As above.",
    ),
    "training-sgd-2": (
        "training",
        ("--task", "sgd", "--cores", "2"),
        "The same on two cores: sigmoid layers, squared error, gradient descent",
        "Every library may use both cores, and there is a tenth of a second of rest before every "
        "turn, since threads of OpenBLAS and OpenMP run on in a busy loop after their work.",
    ),
    "training-adam-2": (
        "training",
        ("--task", "adam", "--cores", "2"),
        "The same on two cores: ReLU layers, cross-entropy, Adam",
        "As above.",
    ),
    "calls": (
        "calls",
        (),
        "Whole calls of gn.train",
        "Milliseconds of calls that do as many steps as the compiled step of glassnet does in "
        "0.05, 0.5 and 5 seconds, with all that `gn.train` does besides; the medians of calls in "
        "turn with the others, of which those are left out that take more than four times as long. "
        "*First call* is in a new process that has loaded the library, with empty caches: "
        "describing the network and compiling are part of it.",
    ),
    "kernels": (
        "kernels",
        (),
        "Where the time of a step goes",
        "For every piece of the compiled step what a step takes longer in which it runs twice in a "
        "row; what takes less than 2% is shown together. *Of peak* is the share of the "
        "multiply-adds that the core can do, of products of matrices. A product loses where tiles "
        "begin and end, most if the chains are short (10 columns, 32 rows), and where results go "
        "through elementwise work: sigmoids, and the root and the division of Adam's update. *kB* "
        "is what the kernel has to read and to write, and *memory* how long that takes where no "
        "cache holds any of it, by a copy of 128 MB.",
    ),
    "neon": (
        "neon",
        (),
        "Inner loops on AArch64",
        "What one turn of the inner loop of every product of matrices consists of, counted in "
        "LLVM's assembly for NEON. Nothing ran on such a processor, so that no time is given. A "
        "tile of 6 by 16 numbers keeps its sums in 24 of the 32 registers, 16 numbers of one "
        "factor in 4, and single numbers of the other in 2; nothing is spilled. The ideal is a "
        "quarter of an instruction a multiply-add: `fmla` of four numbers and nothing besides. "
        "Loads and the loop itself bring it to 0.38. On a processor that begins two `fmla`, two "
        "loads and four instructions a cycle, multiply-adds remain what bounds such a turn. Where "
        "a panel has 10 of 16 columns, its loads are under a mask, which NEON has not: a test and "
        "a branch for each column, of which only those are counted "
        "that stand in the loop itself.",
    ),
    "threads": (
        "threads",
        (),
        "Two threads",
        "Microseconds a step of the first kind, in a process that may use two cores. JAX and NumPy "
        "take both; their number of threads cannot be changed in a running process. Aimed at: 1.8 "
        "times on the last two.",
    ),
    "predicting": (
        "predicting",
        (),
        "Predicting",
        "Microseconds a call from Python, least and median. A NumPy array goes in and one comes "
        "out. Speed-up and share of the peak are as above. Aimed at: 5 µs for a row, and for a "
        "million rows 1.2 times what their multiply-adds take, which is 83% of the peak and was "
        "missed: the share leaves 128 sigmoids a row out.",
    ),
    "compiling": (
        "compiling",
        (),
        "The first step",
        "Milliseconds to load the library, and from then on until the network is described, "
        "compiled and has taken its first step, in a new process: with empty caches, and again "
        "with what was kept on disk. Drawing the first weights is part of it, but JAX and "
        "scikit-learn are given theirs. Least and median. The tiny network takes 128 steps, since "
        "code for its exact sizes is made only for many steps. Aimed at, for *small* and for 50 "
        "layers: 150 ms and 1 s cold, for *small* 20 ms cached.",
    ),
    "estimators": (
        "estimators",
        (),
        "Estimators",
        "Milliseconds of whole calls of `fit`, checks and compiling included, beside those of "
        "scikit-learn's MLP with equal settings, epochs and batches: hidden layers of 100 "
        "neurons and 200 epochs on the three small tables (the defaults), 100 and 20 on Adult, "
        "128 and 10 on MNIST; the score is that of rows held out. Every figure is of a new "
        "process in which all modules are loaded: with an empty code cache, with a filled one, "
        "and of the second fit in it. The search is a `GridSearchCV` over so many widths with 5 "
        "folds and 50 epochs on breast cancer, with an empty code cache.",
    ),
    "memory": (
        "memory",
        (),
        "Memory",
        "The peak while training with Adam, over what the process had after a tiny network was "
        "trained. *Needed* are the data, the parameters, Adam's two memories, and the activations "
        "of one batch. Aimed at: 1.3 times that.",
    ),
    "recording": (
        "recording",
        (),
        "Run files and the progress bar",
        "Seconds of whole calls of `gn.train` with Adam on 60 000 made-up images, 784-128-10 in "
        "batches of 64: alone, with `record=`, and with the progress line of `glassnet fit`; then "
        "what each adds, by the least of all turns, in brackets by the median. A run file has a "
        "price a run, most of it the SHA-256 of all rows (188 MB here, about 0.14 s of a core), "
        "and one a second, a hundredth of the time at most.",
    ),
    "exactness": (
        "exactness",
        (),
        "The price of exact arithmetic",
        "Microseconds a step of the same kernels: as they are, the order of every sum fixed; with "
        "sums over the rows of a batch in free order; and with LLVM's fast-math flags besides. "
        "Aimed at: a price of 3% at most.",
    ),
    "peak": ("peak", (), "What the core can do", "Independent multiply-adds in registers."),
}
HEAD = """# Benchmarks

All libraries take turns in one process, after a turn that is not timed, on float32 and with equal
work: before, all have taken a few steps from the same weights and reached the same ones. Where it
is about a process as a whole (the first step, memory), each has its own. One core means that the
process may use no other. The other libraries are written as their documentation says is fastest:
PyTorch with fused optimisers, eager and with `torch.compile`; JAX with `jit` a step, and with
`lax.scan` over many steps; scikit-learn's `partial_fit`; nn-engine-core's loop in C++, for the task
that its layers can do; NumPy as one would write the formulas down.

Measure again with `make bench`, or one question alone with `python -m benchmarks.training`;
`glassnet bench` gives the first table for three networks in less than a minute, and the second with
`--task adam`.
"""


def ask(name: str) -> float:
    """Run one question in a process of its own; the seconds it took."""
    module, arguments, _, _ = QUESTIONS[name]
    package = __spec__.name.rpartition(".")[0] if __spec__ is not None else "benchmarks"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", f"{package}.{module}", *arguments], check=True)
    return time.perf_counter() - start


def page(results: Sequence[Result]) -> str:
    """The whole page; what the tables were measured on is said once, at the end."""
    parts = [HEAD, *aims_reached(results)]
    names = [result.name for result in results]
    for place, result in enumerate(results):
        module, _, title, text = QUESTIONS[result.name]
        show: Callable[[Result], str] = import_module(f".{module}", __package__).page
        shown = show(result).replace(versions(result), "").replace("\n\n\n", "\n").strip()
        if result.name not in names[:place]:
            parts.append(f"## {title}\n\n{fill(text, WIDTH)}\n")
        several = names.count(result.name) > 1
        parts.append(f"### {LABELS[result.machine['instructions']]}\n\n" if several else "")
        parts[-1] += f"{shown}\n"
        slow = losses(result)
        if slow:
            said = f"Slower than the best of the others: {'; '.join(slow)}."
            parts.append(fill(said, WIDTH) + "\n")
    machines = dict.fromkeys(versions(result) for result in results)
    parts.append("## The machine\n\n" + "\n\n".join(fill(m, WIDTH) for m in machines) + "\n")
    return "\n".join(parts)


# network: times as fast as the best of the others on AVX2, share of the peak there, the same of
# calls of half a second, and times as fast on AVX-512
MUST: dict[str, tuple[float, float | None, float, float]] = {
    "2-3-1, 4": (8.0, None, 5.0, 12.0),
    "10-64-64-1, 32": (1.7, 0.68, 1.6, 2.0),
    "32-256-256-1, 256": (1.17, 0.85, 1.15, 1.35),
    "784-128-10, 64": (1.28, 0.85, 1.25, 1.5),
    "784-1024-1024-10, 256": (1.12, 0.88, 1.12, 1.15),
    "1024-4096-4096-1024, 512": (1.10, 0.90, 1.08, 1.10),
}
LABELS = {"avx512": "AVX-512", "avx2": "AVX2", "neon": "NEON"}
REACHED = (
    "Times as fast as the best of the others, by the least of all turns, on one core: the "
    "compiled step, its share of the multiply-adds that the core can do, and whole calls of "
    "`gn.train` that take about half a second (of the last network, two steps). In "
    "brackets what was aimed at. For AVX2 all libraries were told to use "
    "no more."
)


def aims_reached(results: Sequence[Result]) -> list[str]:
    """Both instruction sets side by side, where both were measured."""
    by = {(result.name, result.machine["instructions"]): result for result in results}
    sets = [by.get(("training-sgd", "avx2")), by.get(("training-sgd", "avx512"))]
    if not all(sets):
        return []
    lines: list[list[str]] = []
    for network, (step, share, call, wide) in MUST.items():
        line = [network]
        for result, aim, least in zip(sets, (step, wide), (share, None), strict=True):
            assert result is not None
            own = {r["contender"]: r for r in result.rows if r["network"] == network}
            line.append(_reached(_ratio(own, "min_us", "glassnet"), aim))
            peak = own["glassnet"]["share_of_peak"] if own else None
            whole = "–" if peak is None else f"{peak:.0%}"
            line.append(whole if least is None else f"{whole} ({least:.0%})")
            calls = by.get(("calls", result.machine["instructions"]))
            timed = [r for r in (calls.rows if calls else []) if r["network"] == network]
            long = min((r["seconds"] for r in timed if r["seconds"] >= 0.5), default=0.5)
            own = {r["contender"]: r for r in timed if r["seconds"] == long}
            found = _ratio(own, "least_s", "glassnet train")
            line.append(_reached(found, call) if result is sets[0] else _reached(found, None))
        lines.append(line)
    head = ["network, batch"]
    head += [
        f"{name}: {what}" for name in ("AVX2", "AVX-512") for what in ("step", "of peak", "calls")
    ]
    return [f"## Both instruction sets\n\n{fill(REACHED, WIDTH)}\n\n{table(head, lines)}\n"]


def _ratio(rows: dict[str, dict[str, Any]], key: str, mine: str) -> float | None:
    others = [row[key] for name, row in rows.items() if not name.startswith("glassnet")]
    return min(others) / rows[mine][key] if others and mine in rows else None


def _reached(ratio: float | None, aim: float | None) -> str:
    shown = "–" if ratio is None else f"{ratio:.2f}"
    return shown if aim is None else f"{shown} ({aim:g})"


def losses(result: Result) -> list[str]:
    """Where another library was faster, and by how much."""
    key = {"training": "network", "predicting": "rows"}.get(result.name.partition("-")[0])
    if key is None:
        return []
    found: list[str] = []
    for value in dict.fromkeys(row[key] for row in result.rows):
        own: dict[str, Any] = {
            row["contender"]: row["min_us"] for row in result.rows if row[key] == value
        }
        for name in [n for n in own if n.startswith("glassnet")]:
            others = {n: t for n, t in own.items() if not n.startswith("glassnet")}
            best = min(others, key=lambda n: others[n])
            if others[best] < own[name]:
                ratio = own[name] / others[best] - 1
                found.append(f"*{name}* on {value}, by {ratio:.0%} ({best})")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("questions", nargs="*", default=list(QUESTIONS), help=", ".join(QUESTIONS))
    parser.add_argument("--page", type=Path, default=PAGE, help="the Markdown file to write")
    parser.add_argument("--only-page", action="store_true", help="measure nothing")
    options = parser.parse_args()
    for name in [] if options.only_page else options.questions:
        print(f"\n{name}", flush=True)
        print(f"{ask(name):.0f} s", flush=True)
    results = [found for name in QUESTIONS for found in load(name)]
    options.page.parent.mkdir(parents=True, exist_ok=True)
    before = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
    options.page.write_text(keep(before, page(results)), encoding="utf-8")
    print(f"\n{options.page} is written")


if __name__ == "__main__":
    main()
