"""Every question, one after the other, and the page that shows the answers.

In: nothing, or `--page FILE`. Out: `build/benchmarks/*.json`, and the page, by default
`docs/benchmarks.md`. It takes about twenty minutes; leave the machine alone meanwhile.
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

from .report import Result, load, versions

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
    "kernels": (
        "kernels",
        (),
        "Where the time of a step goes",
        "For every piece of the compiled step what a step takes longer in which it runs twice in a "
        "row; what takes less than 2% is shown together. *Of peak* is the share of the "
        "multiply-adds that the core can do, of products of matrices. A product loses where tiles "
        "begin and end, most if the chains are short (10 columns, 32 rows), and where results go "
        "through elementwise work: sigmoids, and the root and the division of Adam's update.",
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
    parts = [HEAD]
    for result in results:
        module, _, title, text = QUESTIONS[result.name]
        show: Callable[[Result], str] = import_module(f".{module}", __package__).page
        shown = show(result).replace(versions(result), "").replace("\n\n\n", "\n").strip()
        parts.append(f"## {title}\n\n{fill(text, WIDTH)}\n\n{shown}\n")
        slow = losses(result)
        if slow:
            said = f"Slower than the best of the others: {'; '.join(slow)}."
            parts.append(fill(said, WIDTH) + "\n")
    machines = dict.fromkeys(versions(result) for result in results)
    parts.append("## The machine\n\n" + "\n\n".join(fill(m, WIDTH) for m in machines) + "\n")
    return "\n".join(parts)


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
    results = [found for name in QUESTIONS if (found := load(name)) is not None]
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page(results), encoding="utf-8")
    print(f"\n{options.page} is written")


if __name__ == "__main__":
    main()
