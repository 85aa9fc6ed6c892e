"""Every benchmark runs, with settings so small that it says nothing, and without other libraries
than those that the package needs anyway; what they compare does equal work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as all_of_them
from benchmarks import by_hand, kernels, machine, neon, ours, peers, report, timing
from benchmarks.cases import Case, cases, data
from benchmarks.exactness import free_order
from benchmarks.memory import needed
from benchmarks.peak import peak
from glassnet.cli.bench import digits, lines
from tests.data import HANG, ROOT
from tests.drawn import EVERY, drawn

QUICK = ("--turns", "1", "--seconds", "0")
# what is measured on one core and on two takes twice the time: `make nightly` measures both
ONCE = ("--turns", "1", "--cores", "2" if EVERY else "1")
ASKED = drawn(("diabetes", "search", "row"), 1, "estimators")
RUNS = {
    "training": ("tiny", *QUICK, "--peers", "NumPy,scikit-learn"),
    "calls": ("tiny", "--turns", "1", "--lengths", "0.05", "--peers", "NumPy"),
    "kernels": ("tiny", *QUICK),
    "neon": ("small",),
    "threads": ("tiny", *QUICK),
    "predicting": ("--rows", "5000", *QUICK),
    "compiling": ("small", "--turns", "1"),
    "estimators": (*ASKED, "--epochs", "2", "--widths", "2", *ONCE),
    "memory": ("images",),
    "recording": ("--rows", "500", "--epochs", "1", *QUICK),
    "exactness": ("tiny", *QUICK),
    "peak": (),
}


# each in a process of its own, which nothing of the session's code reaches: half of them a time
HERE = [name for name in RUNS if name != "memory" or sys.platform == "linux"]


def run(module: str, arguments: tuple[str, ...], folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GLASSNET_CACHE_DIR": "off"}
    result = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("module", drawn(HERE, 6, "benchmarks"))
def test_a_benchmark_runs_and_leaves_its_result(module: str, tmp_path: Path) -> None:
    shown = run(module, RUNS[module], tmp_path)
    assert "|---|" in shown
    saved = list((tmp_path / "build" / "benchmarks").iterdir())
    assert [path.stem.partition("-")[0] for path in saved] == [module]
    content = json.loads(saved[0].read_text())
    assert content["rows"]
    assert content["machine"]["versions"]["numpy"] == np.__version__


def test_every_file_that_answers_a_question_is_run() -> None:
    questions = {module for module, *_ in all_of_them.QUESTIONS.values()}
    assert questions == set(RUNS)
    own = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    helpers = {
        "__init__",
        "__main__",
        "by_hand",
        "cases",
        "machine",
        "nnengine_peer",
        "ours",
        "peers",
    }
    helpers |= {"report", "tables", "timing"}
    assert own - helpers == questions | {"ulp", "recipe", "honest"}


@pytest.mark.parametrize("task", ["sgd", "adam"])
def test_all_contenders_take_the_same_steps(task: str) -> None:
    """Three independent programs, the formulas in NumPy among them, reach the same weights."""
    case = Case("check", (5, 7, 6, 3), 8, 6, task)
    rows = data(case)
    start = np.concatenate([part.ravel() for pair in rows.layers for part in pair])
    reached: dict[str, np.ndarray] = {}
    for name, peer in peers.available().items():
        if name != "torch.compile":
            turn, weights = peer(case, rows)
            turn()
            reached[name] = weights()
    for name, contender in (("steps", ours.steps), ("train", ours.train)):
        turn, model = contender(case, rows)
        turn()
        reached[name] = model.W
    change = np.abs(reached["NumPy"] - start).mean()
    for name, weights in reached.items():
        assert np.abs(weights - reached["NumPy"]).mean() < 0.01 * change, name


def test_contenders_that_do_less_work_would_be_seen() -> None:
    case = Case("check", (5, 7, 3), 8, 6)
    turn, model = ours.steps(replace(case, steps=5, most=5), data(case))
    turn()
    all_steps, whole = ours.steps(case, data(case))
    all_steps()
    start = np.concatenate([part.ravel() for pair in data(case).layers for part in pair])
    change = np.abs(whole.W - start).mean()
    assert np.abs(whole.W - model.W).mean() > 0.01 * change


def test_operations_of_a_step() -> None:
    """2-3-1 with 4 rows by hand: 2 · 4 · (2·3 + 3·1) forward, as much again for the gradients of
    the weights, and 2 · 4 · 3·1 for the gradient of the hidden layer."""
    assert cases("sgd")[0].flops == 72 + 72 + 24


def test_numbers_that_a_kernel_moves() -> None:
    """The update of the first weights of 5-7-3, 8 rows: inputs 8 · 5, deltas 8 · 7, weights 5 · 7
    read and written, and the learning rate."""
    case = Case("check", (5, 7, 3), 8, 2)
    fused = kernels.steps(case)[1]
    found = {kernels.described(fused, k): kernels.numbers(fused, k, 8) for k in fused.kernels}
    assert found["contract [5,7]: matmul mul sub"] == 40 + 56 + 70 + 1


def test_bytes_that_training_needs() -> None:
    """2-3-1, 2 batches of 4 rows: 8 rows of 3 numbers, 3 · 13 for parameters, 4 · 4 activations."""
    assert needed(Case("x", (2, 3, 1), 4, 2)) == 4 * (24 + 39 + 16)


def test_times_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SETTLED", 1e9)
    seen: list[str] = []
    found = timing.alternate({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, 3)
    assert seen == ["a", "b"] * 4  # the first turn is not timed
    assert len(found["a"].seconds) == 3
    monkeypatch.setattr(timing, "SETTLED", -1.0)
    found = timing.alternate({"a": lambda: None}, 3)
    assert len(found["a"].seconds) == 3 * timing.MOST


def test_medians_that_have_settled() -> None:
    assert timing.Times((3.0, 2.0, 2.0, 2.0, 2.0, 2.0)).settled
    assert not timing.Times((1.0, 1.0, 1.0, 2.0, 2.0, 2.0)).settled


def test_a_watch_says_what_else_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """One processor of ours, of whose 100 ticks the host took 5; another, busy for 80 of 100."""
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: {0}, raising=False)
    times = iter(
        [
            {"cpu0": [0] * 8, "cpu1": [0] * 8},
            {"cpu0": [95, 0, 0, 0, 0, 0, 0, 5], "cpu1": [80, 0, 0, 20, 0, 0, 0, 0]},
        ]
    )
    monkeypatch.setattr(machine, "_times", lambda: next(times))
    with machine.Watch() as watch:
        pass
    assert watch.said == [
        "The host took 5% of cpu0 for others.",
        "Other cores were busy for 80% of the time.",
    ]
    times = timing.Times((4e-6, 1e-6, 3e-6))
    assert times.per(2) == {"min_us": 0.5, "median_us": 1.5, "turns": 3}


def test_free_order_gives_other_code_and_is_undone() -> None:
    """70 rows are two leaves; in free order they are one chain, and the last bits differ."""
    case = Case("check", (9, 33, 2), 70, 4)
    plain, model = ours.steps(case, data(case))
    with free_order():
        free, other = ours.steps(case, data(case))
    again, same = ours.steps(case, data(case))
    for turn in (plain, free, again):
        turn()
    assert not np.array_equal(model.W, other.W)
    assert np.allclose(model.W, other.W, rtol=1e-4, atol=1e-6)
    assert np.array_equal(model.W, same.W)


def test_the_peak_is_that_of_a_processor() -> None:
    assert 1e9 < peak(0.02) < 1e13


ROWS: list[dict[str, Any]] = [
    {"network": "n", "contender": name, "min_us": us, "median_us": us, "share_of_peak": 0.5}
    for name, us in (("glassnet", 2.0), ("glassnet train", 4.0), ("NumPy", 3.0))
]


def test_a_loss_is_said() -> None:
    found = all_of_them.losses(report.Result("training-sgd", {}, ROWS))
    assert found == ["*glassnet train* on n, by 33% (NumPy)"]


def test_the_page_names_the_machine_once_and_every_loss() -> None:
    machine = {
        "processor": "P", "instructions": "avx2", "system": "S", "cores": 1,
        "cores of the machine": 2, "python": "3", "versions": {"numpy": "2"},
    }  # fmt: skip
    results = [report.Result(f"training-{task}", machine, ROWS) for task in ("sgd", "adam")]
    shown = all_of_them.page(results)
    assert shown.count("P (avx2), S, 1 of 2 cores, Python 3, numpy 2") == 1
    assert shown.count("| n | 2.00 (2.00) | 4.00 (4.00) | 3.00 (3.00) | 1.50 | 50% |") == 2
    assert shown.count("*glassnet train* on n, by 33%") == 2


def test_numbers_of_three_digits() -> None:
    shown = [report.microseconds(x) for x in (0.05123, 8.049, 159.4, 17234.0, None)]
    assert shown == ["0.0512", "8.05", "159", "17 200", "–"]


def test_the_table_of_the_command() -> None:
    assert lines(ROWS) == [
        "network, batch           n",
        "glassnet              2.00",
        "glassnet train        4.00",
        "NumPy                 3.00",
        "glassnet, speed-up  1.50 x",
        "glassnet, of peak      50%",
    ]
    alone = [row for row in ROWS if row["contender"] == "glassnet"]
    assert lines(alone) == [
        "network, batch        n",
        "glassnet           2.00",
        "glassnet, of peak   50%",
    ]
    assert [digits(x) for x in (0.05123, 8.049, 159.4, 17234.0)] == [
        "0.0512", "8.05", "159", "17 200",
    ]  # fmt: skip


def test_what_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "jax" else name)
    assert peers.missing() == ["JAX jit", "JAX scan"]
    assert list(peers.available("JAX jit,NumPy,nn-engine-core", "adam")) == [
        "nn-engine-core", "NumPy",
    ]  # fmt: skip
    assert list(peers.available("JAX jit,NumPy,nn-engine-core", "sgd")) == ["NumPy"]
    assert peers.unfit("adam") == []
    assert "nn-engine-core has no sigmoid" in peers.unfit("sgd")[0]
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert peers.unfit("sgd") == []  # not installed, which is said already


ASSEMBLY = """
first:
\tcmp x7, #1
\tb.lt\t.LBB0_4
.LBB0_1:
\tmov\tx9, xzr
.LBB0_2:
\tldp\tq9, q11, [x3]
\tldr\ts12, [x8]
\tfmla\tv0.4s, v9.4s, v12.s[0]
\tfmla\tv1.2d, v11.2d, v12.d[0]
\tfmadd\ts1, s2, s3, s1
\tstr\tq1, [x6]
\tb.lt\t.LBB0_2
\tcbnz\tx9, .LBB0_1
.LBB0_4:
\tbl\tsecond
\tret
second:
\tret
"""


def test_instructions_of_an_inner_loop() -> None:
    """Of the two loops the outer one holds the other, and the branch at the start goes forward."""
    found = neon.functions(ASSEMBLY)
    assert found["first"].calls() == ["second"]
    (loop,) = found["first"].inner_loops()
    expected = {"multiply_adds": 4 + 2 + 1, "fused": 3, "loads": 2, "stores": 1, "others": 1}
    assert neon.counts(loop) == expected
    assert not list(found["second"].inner_loops())


def test_a_tile_for_neon_does_nothing_but_what_it_has_to() -> None:
    """A turn of the 6 by 16 tile, by hand: 24 multiply-adds of 4 numbers; 16 numbers of one factor
    in 4 registers, two of which one instruction can load, and 6 of the other; nothing spilled."""
    (_, hidden, *_) = neon.measure(cases("sgd")[1])
    assert hidden["kernel"] == "contract [n,64]: matmul add sigmoid"
    assert (hidden["multiply_adds"], hidden["fused"], hidden["stores"]) == (96, 24, 0)
    assert 2 + 3 <= hidden["loads"] <= 4 + 6
    assert hidden["others"] <= 5


OLD = """# Page

Head.

## A

Old text.

<!-- by hand, above -->
above A
<!-- by hand, end -->

| 1 |

<!-- by hand -->
below A

| 2 |
<!-- by hand, end -->

## B

<!-- by hand -->
all of B
<!-- by hand, end -->

## The machine

Old.
"""
NEW = "# Page\n\nHead.\n\n## A\n\nNew text.\n\n| 3 |\n\n## C\n\n| 4 |\n\n## The machine\n\nNew.\n"
KEPT = """# Page

Head.

## A

New text.

<!-- by hand, above -->
above A
<!-- by hand, end -->

| 3 |

<!-- by hand -->
below A

| 2 |
<!-- by hand, end -->

## C

| 4 |

## B

<!-- by hand -->
all of B
<!-- by hand, end -->

## The machine

New.
"""


def test_what_people_wrote_on_the_page_stays() -> None:
    assert by_hand.keep(OLD, NEW) == KEPT
    assert by_hand.keep(KEPT, NEW) == KEPT
    assert by_hand.keep("", NEW) == NEW


def test_the_page_of_the_project_keeps_all_that_was_written_by_hand() -> None:
    """Made anew without any figure, it has every such text; and there is nothing else that the
    program would not write, but for figures."""
    now = (ROOT / all_of_them.PAGE).read_text(encoding="utf-8")
    texts = [block[0] for block in by_hand.BLOCK.finditer(now)]
    bare = f"{all_of_them.HEAD}\n## The machine\n\nsome\n"
    assert len(texts) >= 4
    assert [block[0] for block in by_hand.BLOCK.finditer(by_hand.keep(now, bare))] == texts
    rest = by_hand.BLOCK.sub("", now).removeprefix(all_of_them.HEAD)
    known = [text for _, _, _, text in all_of_them.QUESTIONS.values()] + [all_of_them.REACHED]
    for text in known:
        rest = rest.replace(fill(text, all_of_them.WIDTH), "")
    made = r"\||#|Slower than|Medians had|The other core|nn-engine-core has|AMD|$"
    prose = [p for p in rest.split("\n\n") if not re.match(made, p.strip())]
    assert not prose


@pytest.mark.parametrize(
    "broken", [OLD.replace("above A\n<!-- by hand, end -->", ""), "<!-- by hand, end -->\n"]
)
def test_a_marker_without_its_end_is_told(broken: str) -> None:
    with pytest.raises(ValueError, match="by hand"):
        by_hand.keep(broken, NEW)
