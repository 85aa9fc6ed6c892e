"""The network of an opened step as a drawing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import glassnet as gn
from glassnet.inspect.render import html, text
from glassnet.inspect.render.network_drawing import network
from glassnet.inspect.render.overview import overview

X = np.random.default_rng(3).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, :1] > 0).astype(np.float32)
SETTINGS: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "optimizer": gn.optim.SGD(0.1)}


def model(*hidden: gn.nn.Module) -> gn.nn.Sequential:
    return gn.nn.Sequential(gn.nn.Linear(3, 4), *hidden, gn.nn.Linear(4, 1), seed=1)


def texts(svg: str) -> list[str]:
    return [own.text or "" for own in ElementTree.fromstring(svg).iter("text")]


def test_values_gradients_weights_and_the_loss() -> None:
    step = gn.open_step(model(gn.nn.Tanh()), X, Y, **SETTINGS)
    found = texts(network(step, 2))
    tanh, last = step.layers[1], step.layers[-1]
    for unit in range(4):
        assert f"a{unit} {tanh.result[2, unit]:.4g}" in found
        assert f"∂L {tanh.slope[2, unit]:.3g}" in found
    assert f"ŷ[0] {last.result[2, 0]:.4g}" in found
    assert f"{step.L:.6g}" in found
    assert "linear1, tanh1" in found
    weights = re.findall(r"<title>w = (.*?)</title>", network(step, 2))
    own = [step.parameters[f"linear{i}.weight"].before.ravel() for i in (1, 2)]
    assert weights == [f"{w:.4g}" for w in np.concatenate(own)]


def test_html_begins_with_the_drawing_and_text_does_not() -> None:
    step = gn.open_step(model(), X, Y, **SETTINGS)
    shown = step._repr_html_()
    assert shown.index("<svg") < shown.index("epoch 1, batch 1")
    assert "<svg" not in text.as_text(overview(step))
    assert "step after" not in shown  # of no run


@pytest.mark.parametrize(
    "hidden",
    [
        [gn.nn.Residual(gn.nn.Linear(4, 4), gn.nn.ReLU())],
        [gn.nn.Dropout(0.2)],
        [gn.nn.LayerNorm(4), gn.nn.PReLU(width=4)],
        [own for _ in range(8) for own in (gn.nn.Linear(4, 4), gn.nn.Tanh())],
        [gn.nn.Linear(4, 30), gn.nn.ReLU(), gn.nn.Linear(30, 4)],
    ],
)
def test_any_network_is_drawn(hidden: list[gn.nn.Module]) -> None:
    step = gn.open_step(model(*hidden), X, Y, **SETTINGS)
    assert ElementTree.fromstring(network(step)).tag == "svg"


def test_hostile_names_are_text(tmp_path: Path) -> None:
    import pandas as pd

    rows = pd.DataFrame(X, columns=["<script>alert(1)</script>", "b&c", "d"])
    gn.train(model(), rows, Y, epochs=1, record=tmp_path / "run", **SETTINGS)
    svg = network(gn.open_step(tmp_path / "run"))
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def test_the_steps_before_and_after(tmp_path: Path) -> None:
    gn.train(model(), X, Y, epochs=2, batch_size=5, record=tmp_path / "run", **SETTINGS)
    shown = {
        (epoch, batch): text.as_text(
            overview(gn.open_step(tmp_path / "run", epoch=epoch, batch=batch))
        )
        for epoch, batch in ((1, 1), (1, 3), (2, 1))
    }
    assert "step before" not in shown[1, 1]
    assert "--epoch 1 --batch 2" in shown[1, 1]
    assert "--epoch 1 --batch 2" in shown[1, 3]
    assert "gn.open_step(run, epoch=2, batch=1)" in shown[1, 3]
    assert "--epoch 1 --batch 3" in shown[2, 1]


def test_a_ledger_begins_with_a_curve(tmp_path: Path) -> None:
    gn.train(model(), X, Y, epochs=2, batch_size=5, record=tmp_path / "run", **SETTINGS)
    found = gn.open_ledger(tmp_path / "run", "linear1.weight[0,0]")
    shown = found._repr_html_()
    assert "update 7" in shown[shown.index("<svg") : shown.index("</svg>")]
    assert "<svg" not in str(found)
    assert "http" not in html.page([], "x") + shown
