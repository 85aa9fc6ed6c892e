"""A person's own data in the browser, and what leaves the page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.page.fragments import Built
from glassnet.page.point_sets import PageTable
from glassnet.page.replay_page import replay
from glassnet.page.user_table import read_user_table
from glassnet.tables.read_table import read_table
from tests.page.visit import Visit, needs_chromium, saved, write

pytestmark = needs_chromium

RNG = np.random.default_rng(4)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ROWS = [
    f"{a:.3f},{b:.3f},{c},{HOSTILE if a * b > 0 else 'no'}"
    for (a, b), c in zip(RNG.normal(size=(80, 2)), ["red", "green", "", "blue"] * 20, strict=True)
]
TEXT = "\n".join(["width,height,colour,kind", *ROWS])


def paste(visit: Visit, text: str) -> None:
    visit.open_panel("table")
    visit.tab.fill("#paste", text)
    visit.tab.click("#read")


def test_a_pasted_table_has_the_weights_of_glassnet_play(
    browser: Any, built: Built, file: Path, tmp_path: Path
) -> None:
    """Both routes end with the same weights after 200 steps; names are text."""
    (tmp_path / "own.csv").write_text(TEXT)
    own = read_user_table(read_table(tmp_path / "own.csv"), "kind").table
    written = Visit(browser, write(tmp_path, built, tables=[own], start=own.name))
    pasted = Visit(browser, file)
    paste(pasted, TEXT)
    pasted.tab.wait_for_selector("#use")
    assert "category" in pasted.text("#panel .columns")
    pasted.tab.click("#use")
    pasted.wait("glassnet.state.table === 'pasted table'")
    assert HOSTILE in pasted.text("#classes")
    for opened in (written, pasted):
        opened.js("glassnet.train(200)")
    assert written.weights() == pasted.weights()
    program = pasted.program()
    assert program["model"].W.tobytes() == pasted.weights()
    for opened in (written, pasted):
        opened.done()


def test_a_file_is_dropped(visit: Visit) -> None:
    visit.tab.evaluate(
        """text => {
        const data = new DataTransfer();
        data.items.add(new File([text], "beans.csv", { type: "text/csv" }));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }""",
        TEXT,
    )
    visit.tab.wait_for_selector("#use")
    assert "beans: 80 rows, 4 columns" in visit.text("#panel")
    visit.tab.select_option("#target", "width")
    visit.wait("document.querySelector('#panel .columns').textContent.includes('kind')")
    visit.tab.uncheck("[aria-label='Use height']")
    visit.tab.wait_for_timeout(300)
    visit.tab.click("#use")
    visit.wait("glassnet.state.table === 'beans'")
    names = visit.js("[...document.querySelectorAll('.name')].map(e => e.textContent)")
    assert "kind=no" in names
    assert "height" not in names
    visit.js("glassnet.train(5)")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("a,b\n1,2\n3\n", "line 3 has 1 fields"),
        ("a,b\n" + "1,NaN\n2,NaN\n" * 8, "has no value in any row"),
        ("a,b\n" + "1,x\n" * 30, "the same in every row"),
        (f"{HOSTILE},{HOSTILE}\n1", "line 2 has 1 fields"),
        ("<html><body>no table</body></html>", "web page"),
    ],
)
def test_what_is_no_table_is_said_and_nothing_is_lost(visit: Visit, text: str, told: str) -> None:
    visit.js("glassnet.train(9)")
    before = visit.weights()
    paste(visit, text)
    visit.wait(f"document.body.textContent.includes({told!r})")
    assert visit.weights() == before


def test_a_huge_cell_and_a_thousand_columns(visit: Visit) -> None:
    """The page stays as it is, says what it left out, and answers."""
    head = ",".join(f"c{i}" for i in range(1000))
    lines = [",".join(f"{v:.2f}" for v in row) for row in RNG.normal(size=(20, 1000))]
    cells = ["q" * 10_000_000, *"ab" * 9, "a"]
    visit.tab.evaluate(
        """([text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], "wide.csv"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }""",
        ["\n".join([f"{head},big", *(f"{row},{c}" for row, c in zip(lines, cells, strict=True))])],
    )
    visit.wait("document.body.textContent.includes('1001 columns')")
    visit.tab.select_option("#target", "c0")
    visit.wait("document.body.textContent.includes('8 of 999 inputs are used')")
    assert "big (long texts)" in visit.text("#panel")
    visit.tab.click("#use")
    visit.js("glassnet.train(3)")
    assert visit.step() == 3


def click(visit: Visit, share: float) -> None:
    """At a share of the plane's width, in the middle of its height."""
    place = visit.tab.locator("#points")
    box = place.bounding_box()
    place.click(position={"x": box["width"] * share, "y": box["height"] / 2})
    visit.tab.wait_for_timeout(100)


def test_points_by_hand(visit: Visit) -> None:
    """Eight clicks make a table; a click in erasing mode takes a point away; so does the keyboard
    add one."""
    visit.open_panel("table")
    visit.tab.click("text=class 0")
    for i in range(8):
        if i == 4:
            visit.tab.click("text=class 1")
        click(visit, 0.1 + 0.1 * i)
    visit.wait("glassnet.state.table === 'drawn'")
    visit.open_panel("table")
    visit.tab.fill("#point-x", "0.5")
    visit.tab.fill("#point-y", "-1.25")
    visit.tab.click("#point-add")
    visit.wait("document.querySelector('#points').ariaLabel?.startsWith('9 rows')")
    visit.js("glassnet.train(30)")
    program = visit.program()
    assert program["model"].W.tobytes() == visit.weights()
    np.testing.assert_allclose(program["run"]["table"]["x"][-1], [0.5, -1.25])
    visit.tab.click("text=erase")
    click(visit, 0.1)
    visit.wait("document.querySelector('#points').ariaLabel?.startsWith('8 rows')")


def test_the_page_with_its_data_is_saved_and_opened(
    browser: Any, visit: Visit, tmp_path: Path
) -> None:
    """Its own table, a change of the optimiser and a weight by hand, at the same step; it can be
    saved once more."""
    paste(visit, TEXT)
    visit.tab.click("#use")
    visit.wait("glassnet.state.table === 'pasted table'")
    visit.js("glassnet.train(20).then(() => glassnet.change({optimizer: 'Adam', lr: 0.02}))")
    visit.open_panel("hand")
    visit.tab.fill(".slider input[type=number] >> nth=0", "1.5")
    visit.tab.keyboard.press("Enter")
    visit.wait("glassnet.weights().then(w => w[0] === 1.5)")
    visit.js("glassnet.train(15)")
    path = saved(visit, "this page with its data", tmp_path)
    again = Visit(browser, path)
    assert again.step() == 35
    assert again.weights() == visit.weights()
    assert "another version" not in again.text("body")
    again.js("glassnet.train(4)")
    (tmp_path / "twice").mkdir()
    twice = Visit(browser, saved(again, "this page with its data", tmp_path / "twice"))
    assert twice.step() == 39
    assert twice.weights() == again.weights()
    again.done()
    twice.done()


def test_a_link_carries_a_small_table(browser: Any, file: Path, visit: Visit) -> None:
    visit.open_panel("table")
    paste(visit, "\n".join(TEXT.splitlines()[:30]))
    visit.tab.click("#use")
    visit.wait("glassnet.state.table === 'pasted table'")
    visit.js("glassnet.train(12)")
    other = Visit(browser, file, visit.js("glassnet.link()"))
    assert other.weights() == visit.weights()
    assert HOSTILE in other.text("#classes")
    other.done()


DAMAGED = [
    {"data": {"columns": ["a"], "target": "y", "classes": [], "x": "AAAA", "y": "AAAA"}},
    {"data": {"columns": [], "target": "y", "classes": [], "x": "", "y": ""}},
    {"data": 5},
    {"entries": [{"step": 0, "weights": "AAAA"}]},
    {"entries": [{"step": -1}]},
    {"entries": [{"step": 1, "settings": {"optimizer": "Evil"}}]},
    {"step": 1e9},
    {"of": "0123"},
]


@pytest.mark.parametrize("changed", DAMAGED)
def test_a_damaged_link_is_said(browser: Any, file: Path, changed: dict[str, Any]) -> None:
    state = {
        "table": "moons", "layers": [{"activation": "Tanh", "width": 2}], "loss": "HalfMSE",
        "optimizer": "SGD", "lr": 0.1, "batch": 5, "seed": 0, "initializer": "he_uniform",
    }  # fmt: skip
    opened = Visit(browser, file, "#" + json.dumps(state | changed))
    assert "does not describe a network" in opened.text("#message")
    opened.js("glassnet.train(3)")
    assert opened.step() == 3
    opened.done()


def test_the_steps_as_a_table(visit: Visit, tmp_path: Path) -> None:
    """A line a step: the weights that it began with, and the loss of its batch."""
    visit.js("glassnet.train(10)")
    text = saved(visit, "steps as CSV", tmp_path).read_text()
    lines = list(csv.DictReader(io.StringIO(text)))
    run = dict(visit.js("glassnet.state"))
    assert [int(line["step"]) for line in lines] == list(range(11))
    for step in (0, 7, 10):
        weights = [np.float32(v) for k, v in lines[step].items() if "[" in k]
        np.testing.assert_array_equal(weights, replay(run, step).W)
    assert visit.step() == 10
    table = saved(visit, "table as CSV", tmp_path).read_text().splitlines()
    assert table[0] == "x₁,x₂,y"
    assert len(table) == 201


def test_a_table_without_held_rows_of_its_own(tmp_path: Path, browser: Any, built: Built) -> None:
    """The rows that a table names are held out, and the program says so."""
    x = RNG.normal(size=(20, 2)).astype(np.float32)
    own = PageTable("own", x, (x[:, 0] > 0).astype(np.float32), classes=("n", "y"), held=(0, 19))
    opened = Visit(browser, write(tmp_path, built, tables=[own], start="own"))
    opened.js("glassnet.train(25)")
    program = opened.program()
    assert program["run"]["table"]["held"] == [0, 19]
    assert program["model"].W.tobytes() == opened.weights()
    opened.done()
