"""A step operation by operation, and several optimisers on one landscape."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.page.built_in import table
from glassnet.page.replay_page import replay
from tests.page.visit import Visit, needs_chromium

pytestmark = needs_chromium


def formula(visit: Visit) -> str:
    return visit.text(".operation .formula")


def values(visit: Visit) -> np.ndarray:
    """The result of the present operation, as it is shown."""
    rows = visit.js(
        "[...document.querySelector('.operation .values table:last-child').rows].map(r => "
        "[...r.cells].map(c => c.textContent))"
    )
    cells = [[c for c in row if c not in ("…", "⋮")] for row in rows]
    return np.array([[float(c.replace("−", "-")) for c in row] for row in cells if row])


def test_a_step_is_taken_operation_by_operation(visit: Visit) -> None:
    """The products, the sum with the bias, the loss and the new weight, worked out in NumPy."""
    run: dict[str, Any] = dict(visit.js("glassnet.state"))
    model, own = replay(run, 0), table("moons")
    formulas: dict[str, np.ndarray] = {}
    for _ in range(200):
        visit.tab.click("#operation-next")
        visit.tab.wait_for_timeout(15)
        if "take the step" in visit.text("#operation-next"):
            break
        formulas.setdefault(formula(visit), values(visit))
    x = formulas["x = the rows of X with the numbers batch"]
    assert all(np.isclose(own.x, row, atol=6e-4).all(1).any() for row in x)
    parts = model.parameters()
    product = x @ parts["linear1.weight"]
    np.testing.assert_allclose(formulas["t₁ = x · W₁"], product, rtol=2e-3, atol=2e-4)
    z = product + parts["linear1.bias"]
    np.testing.assert_allclose(formulas["z₁ = t₁ + b₁"], z, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(formulas["h = tanh(z₁)"], np.tanh(z), rtol=2e-3, atol=2e-4)
    after = replay(run, 1).parameters()["linear1.weight"]
    (new,) = [v for text, v in formulas.items() if text.startswith("new W₁ =")]
    np.testing.assert_allclose(new, after, rtol=2e-3, atol=2e-4)


def test_values_go_along_the_network(visit: Visit) -> None:
    """The chosen row's values beside the neurons; back again with every undo."""
    shown = "[...document.querySelectorAll('.carried')].filter(e => !e.hidden).length"
    for _ in range(5):  # the rows of the batch, y, a product, z and then h of four neurons
        visit.tab.click("#operation-next")
    visit.wait(f"{shown} === 6")
    visit.tab.click("#operation-phase")
    visit.wait(f"{shown} === 10")
    before = visit.text("#panel .operation")
    visit.tab.click("#operation-phase")
    visit.tab.click("#operation-phase")
    visit.wait("document.querySelectorAll('.carried.back').length === 8")
    visit.tab.click("#operation-undo")
    assert visit.text("#panel .operation") != before
    visit.tab.click("#operation-leave")
    visit.wait(f"{shown} === 0")


def test_after_the_last_operation_the_step_is_taken_and_undone(visit: Visit) -> None:
    start = visit.weights()
    for _ in range(5):
        visit.tab.click("#operation-phase")
        visit.tab.wait_for_timeout(50)
    assert "take the step" in visit.text("#operation-next")
    assert visit.step() == 0
    visit.tab.click("#operation-next")
    visit.wait("glassnet.state.step === 1")
    assert visit.weights() != start
    visit.tab.click("#operation-undo")
    visit.wait("glassnet.state.step === 0")
    assert visit.weights() == start
    visit.wait("document.querySelector('#operation-next').textContent.includes('take the step')")


def test_three_optimisers_side_by_side(visit: Visit) -> None:
    """Each has the loss that it has alone after as many steps from the same first weights."""
    visit.js("glassnet.train(30)")
    visit.open_panel("landscape")
    visit.tab.click("#panel >> text=SGD, momentum and Adam")
    visit.wait("document.querySelectorAll('.square circle').length === 3")
    rows = visit.js(
        "[...document.querySelectorAll('#panel tbody tr')].map(r => [...r.cells].map("
        "c => c.textContent))"
    )
    assert visit.step() == 30
    for _, name, rate, steps, loss in rows:
        visit.js(f"glassnet.open({{optimizer: {name!r}, lr: {rate}}})")
        visit.js(f"glassnet.train({steps})")
        assert visit.text("#loss").split(" ")[0] == loss


def test_directions_by_filter_stay_the_same(visit: Visit) -> None:
    visit.js("glassnet.train(20)")
    visit.open_panel("landscape")
    visit.tab.click("#panel >> text=two random directions")
    visit.wait("document.querySelector('#panel').textContent.includes('the length of its weights')")
    path = "document.querySelector('.square path')?.getAttribute('d')"
    first = visit.js(path)
    visit.tab.click("#panel >> text=other directions")
    visit.wait(f"{path} !== {first!r}")
    second = visit.js(path)
    visit.open_panel("hand")
    visit.open_panel("landscape")
    visit.wait(f"{path} === {second!r}")
