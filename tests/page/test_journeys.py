"""What a person sees of one neuron, one weight, one step; and how quick the page is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.page.built_in import table
from glassnet.page.replay_page import network, replay
from glassnet.training.batch_order import SHUFFLE
from tests.page.visit import Visit, needs_chromium

pytestmark = needs_chromium


def panel(visit: Visit) -> str:
    return visit.text("#panel").replace("−", "-")


def test_one_weight(visit: Visit) -> None:
    """Its gradient by Python beside the central difference, its update filled in, its life, and the
    rows that pull at it: their shares add up to the gradient."""
    visit.js("glassnet.train(30).then(() => glassnet.change({optimizer: 'Adam', lr: 0.02}))")
    visit.js("glassnet.train(3)")
    visit.open_panel("weight")
    visit.wait("document.querySelector('#panel').textContent.includes('they agree')")
    text = panel(visit)
    run = dict(visit.js("glassnet.state"))
    run["entries"] = [{"step": 30, "settings": {"optimizer": "Adam", "lr": 0.02}}]
    run |= {"optimizer": "SGD", "lr": 0.5}
    before, after = replay(run, 33).W[0], replay(run, 34).W[0]
    for value in (before, after, gradient(run, 33)):
        assert f"{float(value):.4g}".replace("e-0", "e-") in text
    assert "(1 - 0.9^4)" in text
    assert visit.tab.locator("#panel svg.chart").count() == 1
    assert visit.tab.locator("#panel td.bars").count() == 5


def gradient(run: dict[str, Any], step: int) -> float:
    """∂L/∂w of the first weight for the batch of the step after this one."""
    rows = table("moons")
    x, y = rows.x[~rows.held_out], rows.y[~rows.held_out]
    each, size = 14, run["batch"]
    numbers = gn.ops.philox.permutation(len(x), run["seed"], SHUFFLE, step // each)
    batch = numbers[step % each * size : (step % each + 1) * size]
    model = network(run, 2)
    model.W = replay(run, step).W
    half = gn.losses.HalfMSE()
    h = 2.0**-10
    losses = []
    for sign in (1, -1):
        moved = model.astype("float64")
        moved.W[0] += sign * h
        losses.append(float(half(moved(x[batch].astype(float)), y[batch, None].astype(float))))
    return (losses[0] - losses[1]) / (2 * h)


def test_numbers_at_edges_and_neurons(visit: Visit) -> None:
    visit.js("glassnet.train(20)")
    visit.tab.keyboard.press("n")
    visit.wait("document.querySelector('#network').classList.contains('zoomed')")
    told = visit.js("[...document.querySelectorAll('#network .number')].map(e => e.textContent)")
    weights = np.frombuffer(visit.weights(), np.float32)
    first = weights[:8].reshape(2, 4).T.ravel()  # neuron by neuron
    shown = [float(own.replace("−", "-")) for own in told[:8]]
    np.testing.assert_allclose(shown, first, rtol=6e-3)
    visit.wait("document.querySelector('#network .name').textContent.includes('x₁ = ')")
    visit.tab.click("#zoom")
    visit.wait("document.querySelectorAll('#network .number').length === 0")


def test_a_step_is_animated(visit: Visit) -> None:
    visit.tab.keyboard.press("a")
    visit.wait("document.querySelector('.operation')?.textContent.includes('operation 2 of')")
    visit.wait("document.querySelectorAll('#network .carried:not([hidden])').length > 0")
    visit.tab.click("#operation-animate")
    visit.wait("document.querySelector('#operation-animate').textContent.includes('animate')")
    before = visit.text(".operation")
    visit.tab.wait_for_timeout(700)
    assert visit.text(".operation") == before
    assert visit.step() == 0


def test_slope_and_shift_are_sliders(visit: Visit) -> None:
    """Set by hand they are part of the run; while it trains the curve moves with them."""
    layers = "[{activation: 'ParametricSigmoid', width: 3}, {activation: 'Sigmoid', width: 1}]"
    visit.js(f"glassnet.open({{layers: {layers}}})")
    visit.open_panel("activation")
    visit.tab.fill("[aria-label=slope]", "3")
    visit.tab.keyboard.press("Enter")
    visit.wait("glassnet.weights().then(w => w[9] === 3)")
    visit.js("glassnet.train(12)")
    program = visit.program()
    assert visit.weights() == program["model"].W.tobytes()
    curve = "document.querySelector('#panel path:nth-of-type(3)').getAttribute('d')"
    before = visit.js(curve)
    visit.tab.click("#play")
    visit.wait(f"{curve} !== {before!r}")
    visit.tab.click("#play")
    visit.wait("!glassnet.state.playing")


def test_softmax_twice(visit: Visit) -> None:
    visit.open_panel("wrong")
    visit.tab.click("#panel >> text=Softmax twice")
    visit.wait("document.querySelector('#panel').textContent.includes('cannot fall below')")
    assert "0.3133" in visit.text("#panel")
    assert float(visit.text("#loss").split()[0]) > 0.3133


def test_a_divergence_names_its_weight_and_goes_back(visit: Visit) -> None:
    visit.open_panel("wrong")
    visit.tab.click("#panel >> text=η too large")
    visit.wait("document.querySelector('#message button') !== null")
    told = visit.text("#message")
    step = visit.step()
    assert f"in step {step} the weight linear" in told
    assert "η = 40" in told
    visit.tab.click("#message button")
    visit.wait(f"glassnet.state.step === {step - 1}")
    assert np.isfinite(np.frombuffer(visit.weights(), np.float32)).all()


def test_a_race_of_equal_passes(visit: Visit) -> None:
    visit.js("glassnet.train(5)")
    visit.open_panel("hand")
    visit.tab.fill(".slider input[type=number] >> nth=0", "1.5")
    visit.tab.keyboard.press("Enter")
    visit.wait("glassnet.weights().then(w => w[0] === 1.5)")
    visit.open_panel("race")
    visit.tab.click("text=run 100 passes")
    visit.wait("glassnet.state.step === 105")
    visit.wait("document.querySelector('#panel').textContent.includes('of the cube')")
    visit.tab.wait_for_timeout(300)
    rows = visit.js(
        "[...document.querySelectorAll('#panel tbody tr')].map(r => r.innerText.split(/\\s*\\t/))"
    )
    assert [row[1] for row in rows] == ["100", "100", "1"]
    assert all(float(row[2]) > 0 for row in rows)


def test_changes_are_marked(visit: Visit) -> None:
    visit.js("glassnet.train(12).then(() => glassnet.change({lr: 0.25}))")
    visit.js("glassnet.train(4)")
    assert visit.text("#changes") == "▲ 12: η 0.25"


def test_every_row_has_its_loss(visit: Visit) -> None:
    """Lᵢ of every row of the batch; their mean is the loss that is told below."""
    visit.js("glassnet.train(9)")
    visit.wait("document.querySelector('#panel').textContent.includes('1/(2n) Σ')")
    cells = visit.js(
        "[...document.querySelectorAll('.five > section:nth-child(3) tr td:last-child')]"
        ".map(e => Number(e.textContent.replace('−', '-')))"
    )
    assert len(cells) == 10
    told = float(visit.text(".five > section:nth-child(3) pre").split("=")[-1])
    assert told == pytest.approx(np.mean(cells), rel=1e-3)


def test_how_quick_it_is(browser: Any, file: Path, record_property: Any) -> None:
    """Steps and frames a second while a network of 2-8-8-1 trains on batches of 10, and the first
    paint. The bounds are far below what an idle machine does, since this one may be busy."""
    widths = (("Tanh", 8), ("Tanh", 8), ("Sigmoid", 1))
    layers = json.dumps([{"activation": name, "width": width} for name, width in widths])
    count = (
        "new Promise(done => { let frames = 0; const [start, first] = [performance.now(), "
        "glassnet.state.step]; const next = () => { frames += 1; const gone = (performance.now() - "
        "start) / 1000; if (gone < 1) requestAnimationFrame(next); else done([frames / gone, "
        "(glassnet.state.step - first) / gone]); }; requestAnimationFrame(next); })"
    )
    for address, least in (("", 300), ("?fma=exact", 30)):
        opened = Visit(browser, file, address)
        paint = opened.js("performance.getEntriesByType('paint')[0].startTime")
        opened.js(f"glassnet.open({{layers: {layers}}})")
        opened.tab.click("#play")
        opened.tab.wait_for_timeout(400)
        frames, steps = opened.js(count)
        opened.tab.click("#play")
        told = f"{steps:.0f} steps/s, {frames:.0f} frames/s, first paint {paint:.0f} ms"
        record_property(address or "relaxed", told)
        assert steps > least, told
        assert frames > 0.5, told
        assert paint < 20_000, told
        opened.done()
