"""Networks that draw random numbers share their compiled code over all seeds; orders of rows are
those of the seed and the epoch alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.ops.philox import permutation
from glassnet.pipeline import compile_graph
from glassnet.run import cache
from glassnet.training.batch_order import SHUFFLE, TOGETHER, Order
from glassnet.training.programs import BoundProgram, step_program
from glassnet.training.step_graph import step_graph

SEEDS = (1, 2, 1 << 40, (1 << 64) - 1)
LOSS, RULE = gn.losses.HalfMSE(), gn.optim.Adam(0.01)


def network(p: float = 0.3) -> gn.nn.Sequential:
    """Widths of 2 and 1 among others, as the words of a seed are two numbers."""
    layers = gn.nn.Linear(3, 2), gn.nn.Tanh(), gn.nn.Dropout(p), gn.nn.Linear(2, 1)
    return gn.nn.Sequential(*layers)


def trained(model: gn.nn.Sequential, seed: int) -> bytes:
    x = np.sin(np.arange(60.0)).reshape(20, 3).astype("float32")
    gn.train(
        model, x, x[:, 0], loss=LOSS, optimizer=RULE, epochs=2, batch_size=8, seed=seed,
        shuffle=False,
    )  # fmt: skip
    return model.W.tobytes()


def test_seeds_share_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    found = {SEEDS[0]: trained(network(), SEEDS[0])}
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    found |= {seed: trained(network(), seed) for seed in SEEDS[1:]}
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == kept
    assert len(set(found.values())) == len(SEEDS)
    trained(network(0.4), SEEDS[0])  # another network has code of its own
    assert len(list((tmp_path / "kept").iterdir())) > len(kept)


def test_one_model_has_one_program_for_all_seeds() -> None:
    model = network()
    first = {seed: trained(network(), seed) for seed in SEEDS}
    start = model.W.copy()
    for seed in (*SEEDS, *SEEDS):
        model.W = start
        assert trained(model, seed) == first[seed]
    assert len([key for key, _ in model.programs if key[0] == "step"]) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_within_the_graph_draws_the_same(seed: int) -> None:
    """The graph that inspection compiles holds the seed as a constant."""
    model = network()
    program = step_program(model, LOSS, RULE, 3, False, seed)
    assert isinstance(program, BoundProgram)
    fixed = step_graph(model, LOSS, RULE, 3, False, seed)
    assert fixed.random
    assert "key0" not in fixed.graph.inputs
    arrays = {
        "x": np.ones((9, 3), "float32"), "y": np.zeros((9, 1), "float32"),
        "rows": np.arange(9, dtype=np.int32)[None], "lr": np.full(1, 0.01, "float32"),
        "step": np.full(1, 5),
    }  # fmt: skip
    state = {
        name: np.full(type.shape, 0.25, "float32")
        for name, type in fixed.graph.input_types.items()
        if name not in arrays
    }
    one = {name: array.copy() for name, array in state.items()}
    program.run({**arrays, **one})
    other = {name: array.copy() for name, array in state.items()}
    plan = {"donate": fixed.donate, "stepped": ("rows", "lr", "step"), "collect": (0,)}
    compile_graph(fixed.graph, **plan).run({**arrays, **other})
    for name in state:
        np.testing.assert_array_equal(one[name], other[name])
    assert any((one[name] != state[name]).any() for name in state)


@pytest.mark.parametrize("count", [3, 100, TOGETHER, TOGETHER + 1])
def test_an_epochs_order_does_not_depend_on_the_epochs_asked_for_before(count: int) -> None:
    """Orders are worked out for several epochs at once, as they come or as a run is resumed."""
    epochs = [*range(40), 7, 0, 33, 500, 501, 3, 2]
    order = Order(count, 2, 5)
    for epoch in epochs:
        found = np.concatenate([part.ravel() for part in order.parts(epoch)])
        assert found.tolist() == permutation(count, 5, SHUFFLE, epoch).tolist(), epoch


def test_without_random_numbers_there_is_no_key() -> None:
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), gn.nn.Linear(2, 1))
    program = step_program(model, LOSS, RULE, 3, False, 1)
    assert not isinstance(program, BoundProgram)
    assert not {"key0", "key1"} & set(program.plan.graph.inputs)
