"""Two runs beside each other: what differs first, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from tests.cli.command import here

X = np.random.default_rng(5).normal(size=(20, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5]).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def train(name: str, width: int = 4, change: Any = None, **settings: Any) -> Path:
        model = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1))
        if change:
            change(model)
        how: dict[str, Any] = {
            "loss": gn.losses.HalfMSE(), "optimizer": gn.optim.SGD(0.05), "epochs": 2,
            "batch_size": 5, "record": tmp_path / name,
        }  # fmt: skip
        gn.train(model, X, Y, **{**how, **settings})
        return tmp_path / name

    return train


def test_equal_runs(run: Any) -> None:
    found = gn.compare(run("a"), run("b"))
    assert (found.settings, found.first, found.steps, found.same_data) == ([], None, 8, True)
    assert found.a.loss == found.b.loss
    assert "the same weights after each of 8 steps, to the last bit" in str(found)


def test_one_weight_in_its_last_place_is_found(run: Any) -> None:
    def nudge(model: Any) -> None:
        weight = model.parameters()["linear2.weight"]
        weight[2, 0] = np.nextafter(weight[2, 0], np.float32(9))

    found = gn.compare(run("a"), run("b", change=nudge))
    first = found.first
    assert first is not None
    assert (first.step, first.weight, first.count) == (0, "linear2.weight[2,0]", 1)
    assert first.b == np.nextafter(np.float32(first.a), np.float32(9))
    assert "the first weights differ, before any step" in str(found)


def test_another_momentum_shows_in_the_second_step(run: Any) -> None:
    """v = g in the first step, whatever the momentum; in the second v = μ·v + g."""
    found = gn.compare(run("a"), run("b", optimizer=gn.optim.SGD(0.05, 0.5)))
    assert found.settings == [("optimizer.momentum", "0.0", "0.5")]
    first = found.first
    assert first is not None
    assert (first.step, first.epoch, first.batch, first.rows) == (2, 1, 2, True)
    steps = [list(gn.replay(own.path))[1].parameters for own in (found.a, found.b)]
    assert [float(own[first.parameter][first.index]) for own in steps] == [first.a, first.b]


def test_another_seed_has_other_rows(run: Any) -> None:
    found = gn.compare(run("a"), run("b", seed=1))
    assert found.settings == [("seed", "0", "1")]
    assert found.first is not None
    assert (found.first.step, found.first.rows) == (1, False)
    assert "the rows of that step are others" in str(found)


def test_a_schedule_in_place_of_a_number(run: Any) -> None:
    found = gn.compare(run("a"), run("b", optimizer=gn.optim.SGD(gn.optim.Cosine(0.05))))
    assert ("optimizer.lr", "0.05", "Cosine") in found.settings
    assert ("optimizer.lr.lr", "-", "0.05") in found.settings


def test_other_networks_are_compared_as_far_as_they_can_be(run: Any) -> None:
    found = gn.compare(run("a"), run("b", width=5))
    assert found.settings == [("model[0].fan_out", "4", "5"), ("model[2].fan_in", "4", "5")]
    assert found.first is None
    assert "the networks have other parameters" in str(found)
    lbfgs = gn.compare(run("c"), run("d", optimizer=gn.optim.LBFGS()))
    assert "has no steps" in str(lbfgs)


def test_a_run_that_is_longer(run: Any) -> None:
    found = gn.compare(run("a"), run("b", epochs=3))
    assert (found.settings, found.steps, found.first) == ([("epochs", "2", "3")], 8, None)
    assert (found.a.epochs, found.b.epochs) == (2, 3)


def test_what_is_printed_fits_into_80_columns(run: Any) -> None:
    a, b = run("a"), run("b", optimizer=gn.optim.Adam(0.01), seed=4, validation=0.25)
    done = here("compare", a.name, b.name, folder=a.parent)
    text = done.stdout
    assert done.returncode == 0
    assert max(map(len, text.splitlines())) <= 80
    assert "optimizer" in text
    found = json.loads(here("compare", a.name, b.name, "--json", folder=a.parent).stdout)
    assert found["first_difference"]["step"] == 1
    assert {"name": "seed", "a": "0", "b": "4"} in found["settings"]


def test_a_rerun_shows_what_was_changed_and_where_it_shows_first(run: Any, tmp_path: Path) -> None:
    a, b, c = run("a"), tmp_path / "b", tmp_path / "c"
    gn.rerun(a, from_step=6, lr=0.5, record=b)
    found = gn.compare(a, b)
    assert found.settings == [("optimizer.lr", "0.05", "0.05, 0.5 from step 6")]
    assert found.first is not None
    assert (found.first.step, found.steps) == (6, 5)
    lines = str(found).splitlines()
    assert lines[2] == "B goes on from A at step 6"
    assert lines[4].startswith("the same weights up to step 5; after step 6 (epoch 2, batch 2)")
    assert gn.compare(b, a).settings == [("optimizer.lr", "0.05, 0.5 from step 6", "0.05")]
    gn.rerun(b, from_step=8, lr=0.1, record=c)
    assert gn.compare(b, c).settings == [
        ("optimizer.lr", "0.05, 0.5 from step 6", "0.05, 0.5 from step 6, 0.1 from step 8")
    ]
    assert "A goes on from …" in str(gn.compare(b, c))


def test_reruns_from_an_epoch_on_are_compared_from_there(run: Any, tmp_path: Path) -> None:
    a = run("a", epochs=3)
    for name, change in (
        ("batches", {"batch_size": 10}),
        ("rule", {"optimizer": gn.optim.Adam(0.01, beta1=0.5)}),
        ("longer", {"epochs": 4}),
    ):
        gn.rerun(a, from_step=5, record=tmp_path / name, **change)
    found = gn.compare(a, tmp_path / "batches")
    assert found.settings == [("batch_size", "5", "10")]
    assert found.first is not None
    assert (found.first.step, found.first.epoch, found.first.rows) == (5, 2, False)
    found = gn.compare(a, tmp_path / "rule")
    assert found.settings == [  # what only one of both knows is told where it is not the usual
        ("optimizer", "SGD", "Adam"), ("optimizer.lr", "0.05", "0.01"),
        ("optimizer.beta1", "-", "0.5"),
    ]  # fmt: skip
    assert found.first is not None
    assert (found.first.step, found.first.rows, found.steps) == (5, True, 4)
    found = gn.compare(a, tmp_path / "longer")
    assert (found.settings, found.first, found.steps) == ([("epochs", "3", "4")], None, 12)
    both = gn.compare(tmp_path / "rule", tmp_path / "batches")
    assert both.first is not None
    assert both.first.step == 5


def test_what_is_no_run_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    done = here("compare", run("a").name, "t.csv", folder=tmp_path)
    assert done.returncode == 2
    assert "is not a run file" in done.stderr
