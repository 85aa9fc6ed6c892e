"""Random graphs and programs with arguments for them, as strategies of hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from glassnet.graph.types import FLOATS
from glassnet.run.program import Plan
from glassnet.simplify import simplify
from tests.fuzz.maker import SIZES, Case, Maker
from tests.fuzz.steps import gradient, step, update

__all__ = ["Case", "cases", "programs"]

SEEDS = st.integers(0, 1 << 32)


@st.composite
def cases(
    draw: Any, steps: int = 10, special: bool = False, extras: int = 2, raw: bool = False
) -> Case:
    """A random graph; `special` puts infinities, NaN, −0 and tiny numbers into its arguments, `raw`
    leaves it as it was built, not simplified.

    Every step has a seed of its own: all graphs are equally likely, as they would not be if
    hypothesis chose every argument, and yet a failing graph shrinks, step by step.
    """
    maker = Maker(draw(st.sampled_from(FLOATS)), special)
    maker.reseed(draw(SEEDS))
    maker.inputs(draw(st.sampled_from((2, 7, len(SIZES), len(SIZES)))))
    for seed in draw(st.lists(SEEDS, min_size=1, max_size=2 * steps)):
        maker.reseed(seed)
        step(maker)
    for seed in draw(st.lists(SEEDS, max_size=extras)):
        maker.reseed(seed)
        maker.pick((gradient, update))(maker)
    case = maker.finish()
    plan = case.plan if raw else Plan(simplify(case.graph))
    return Case(plan, case.args, case.exact)


@st.composite
def programs(draw: Any) -> Case:
    """A random plan for a few steps: inputs updated in place, stepped inputs, collected outputs."""
    case = draw(cases(extras=4))
    graph, steps = case.graph, draw(st.integers(1, 3))
    donate: dict[str, int] = {}
    for name, type in graph.input_types.items():
        free = [i for i, t in enumerate(graph.output_types) if t == type]
        free = [i for i in free if i not in donate.values()]
        if free and name[0] == "x" and draw(st.booleans()):
            donate[name] = free[draw(st.integers(0, len(free) - 1))]
    others = [name for name in graph.inputs if name not in donate]
    stepped = frozenset(name for name in others if draw(st.integers(0, 3)) == 0)
    rest = [i for i in range(len(graph.outputs)) if i not in donate.values()]
    collect = frozenset(i for i in rest if draw(st.booleans()))
    args = {
        name: np.stack([np.roll(a, s) for s in range(steps)]) if name in stepped else a
        for name, a in case.args.items()
    }
    return Case(Plan(graph, donate, stepped, collect), args, (), steps)
