"""For the lecture hall and for everybody: contrast, keyboard, large type, small screens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data import ROOT
from tests.page.visit import Visit, needs_chromium

pytestmark = needs_chromium

AXE = ROOT / "build" / "node" / "node_modules" / "axe-core" / "axe.min.js"
PANELS = [
    "lines", "weight", "hand", "activation", "landscape", "race", "wrong", "proof", "table", "take",
    "lecture",
]  # fmt: skip
FOUND = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes[0].html))"


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed; make check installs it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("hall", [False, True])
def test_axe_finds_nothing(browser: Any, file: Path, scheme: str, hall: bool) -> None:
    opened = Visit(browser, file, color_scheme=scheme)
    opened.js("glassnet.train(12)")
    if hall:
        opened.tab.click("#hall")
    opened.js(AXE.read_text(encoding="utf-8") + ";0")
    for panel in PANELS:
        opened.open_panel(panel)
        opened.tab.wait_for_timeout(300)
        if panel == "lines":
            for _ in range(3):
                opened.tab.click("#operation-next")
        assert opened.js(FOUND) == [], panel
    opened.done()


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed; make check installs it")
def test_axe_finds_a_planted_fault(visit: Visit) -> None:
    visit.js(AXE.read_text(encoding="utf-8") + ";0")
    visit.js("document.querySelector('#points').removeAttribute('aria-label')")
    assert any("points" in found for found in visit.js(FOUND))


def press(opened: Visit, *keys: str) -> None:
    for key in keys:
        opened.tab.keyboard.press(key)
        opened.tab.wait_for_timeout(80)


def test_keys_alone(visit: Visit) -> None:
    """Without a mouse: operations, rows, weights, projector, help, a neuron, a tab, a table."""
    press(visit, "o", "o", "o")
    visit.wait("document.querySelector('.operation')?.textContent.includes('operation 3 of')")
    press(visit, "u")
    visit.wait("document.querySelector('.operation').textContent.includes('operation 2 of')")
    first = visit.text("#panel tr.on")
    press(visit, "j")
    visit.wait(f"document.querySelector('#panel tr.on').innerText !== {first!r}")
    press(visit, "k")
    visit.wait(f"document.querySelector('#panel tr.on').innerText === {first!r}")
    press(visit, "]")
    visit.wait("document.querySelector('#panel').textContent.includes('for the weight w₂')")
    press(visit, "p")
    visit.wait("document.querySelector('#hall').ariaPressed === 'true'")
    press(visit, "?")
    visit.wait("document.querySelector('#help').open")
    press(visit, "Escape")
    visit.wait("!document.querySelector('#help').open")
    visit.tab.focus("[aria-label='neuron g₂, Tanh']")
    press(visit, "Enter")
    visit.wait("document.querySelector('#panel').textContent.includes('forward: neuron g₂')")
    visit.tab.focus("#tab-lines")
    press(visit, "ArrowRight")
    visit.wait("document.querySelector('#tab-weight').ariaSelected === 'true'")
    visit.tab.focus("[data-table=XOR]")
    press(visit, "Enter")
    visit.wait("glassnet.state.table === 'XOR'")


def test_everything_can_be_reached_by_tab(visit: Visit) -> None:
    """Every control that is on the page gets the focus, and shows that it has it."""
    wanted = visit.js(
        "[...document.querySelectorAll('button, select, input, [tabindex=\"0\"]')].filter(e => "
        "!e.disabled && e.offsetParent && e.tabIndex >= 0).length"
    )
    reached = 0
    for _ in range(wanted + 5):
        visit.tab.keyboard.press("Tab")
        if visit.js("document.activeElement === document.body"):
            break
        visit.js("document.activeElement.dataset.seen = 1")
        reached = visit.js("document.querySelectorAll('[data-seen]').length")
        style = "getComputedStyle(document.activeElement).outlineStyle"
        assert visit.js(style) != "none"
    assert reached >= wanted


def test_large_type(visit: Visit) -> None:
    size = "parseFloat(getComputedStyle(document.querySelector('#loss')).fontSize)"
    small = visit.js(size)
    visit.tab.click("#hall")
    assert visit.js(size) > 1.3 * small
    visit.tab.click("#hall")
    assert visit.js(size) == small


@pytest.mark.parametrize("width", [360, 1280, 1920])
@pytest.mark.parametrize("hall", [False, True])
def test_nothing_is_wider_than_the_screen(browser: Any, file: Path, width: int, hall: bool) -> None:
    opened = Visit(browser, file, viewport={"width": width, "height": 900})
    if hall:
        opened.tab.click("#hall")
    for panel in PANELS:
        opened.open_panel(panel)
        opened.tab.wait_for_timeout(150)
        assert opened.js("document.documentElement.scrollWidth") <= width, panel
    opened.done()
