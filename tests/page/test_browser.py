"""The page in a real browser, from disk: what a person does, and what comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

import glassnet as gn
from glassnet.page import document
from glassnet.page.built_in import table
from glassnet.page.fragments import Built
from glassnet.page.replay_page import replay
from glassnet.page.user_table import read_user_table
from glassnet.tables.read_table import read_table
from tests.page.visit import Visit, needs_chromium, write

pytestmark = needs_chromium

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def test_it_trains_and_shows_it(visit: Visit) -> None:
    first = visit.text("#loss")
    visit.tab.click("#play")
    visit.wait("glassnet.state.step > 300")
    visit.tab.click("#play")
    visit.wait("!glassnet.state.playing")
    assert visit.text("#loss") != first
    assert visit.text("#play") == "▶ train"
    visit.wait("document.querySelector('#seal').textContent.includes('same bits')")


def test_the_program_of_the_page_has_its_bits(visit: Visit) -> None:
    visit.js("glassnet.train(120).then(() => glassnet.change({lr: 0.2}))")
    visit.js(
        "glassnet.train(31).then(() => glassnet.change({optimizer: 'Adam', lr: 0.01, batch: 16}))"
    )
    visit.js("glassnet.train(50)")
    program = visit.program()
    assert visit.weights() == program["model"].W.tobytes()


def test_without_fused_instructions_the_bits_are_the_same(browser: Any, file: Path) -> None:
    digits = []
    for address in ("", "?fma=exact"):
        opened = Visit(browser, file, address)
        opened.js("glassnet.train(64)")
        digits.append(opened.weights())
        assert opened.js("glassnet.state.mode") == ("exact" if address else "relaxed")
        opened.done()
    assert digits[0] == digits[1]


def test_one_step_forward_and_back(visit: Visit) -> None:
    start = visit.weights()
    visit.tab.click("#next")
    visit.wait("glassnet.state.step === 1")
    assert visit.weights() != start
    visit.tab.click("#back")
    visit.wait("glassnet.state.step === 0")
    assert visit.weights() == start


def test_any_step_again(visit: Visit) -> None:
    visit.js("glassnet.train(100)")
    there = visit.weights()
    visit.js("glassnet.train(300)")
    visit.tab.fill("#time", "100")
    visit.wait("glassnet.state.step === 100")
    assert visit.weights() == there


def test_the_keyboard(visit: Visit) -> None:
    visit.tab.keyboard.press("ArrowRight")
    visit.wait("glassnet.state.step === 1")
    visit.tab.keyboard.press("ArrowRight")
    visit.wait("glassnet.state.step === 2")
    visit.tab.keyboard.press("ArrowLeft")
    visit.wait("glassnet.state.step === 1")
    visit.tab.keyboard.press("0")
    visit.wait("glassnet.state.step === 0")
    visit.tab.keyboard.press(" ")
    visit.wait("glassnet.state.playing")
    visit.tab.keyboard.press(" ")
    visit.wait("!glassnet.state.playing")


@pytest.mark.parametrize("name", ["XOR", "circles", "spirals", "gaussians", "sine", "penguins"])
def test_every_built_in_table(visit: Visit, name: str) -> None:
    visit.tab.click(f"#tables >> text={name}")
    visit.wait(f"glassnet.state.table === '{name}' && glassnet.state.step === 0")
    visit.js("glassnet.train(40)")
    own = table(name)
    assert visit.weights() == replay(dict(visit.js("glassnet.state")), 40).W.tobytes()
    assert own.classes or visit.js("glassnet.state.loss") == "HalfMSE"


def test_layers_and_neurons_come_and_go(visit: Visit) -> None:
    visit.tab.click("text=+ layer")
    visit.wait("glassnet.state.layers.length === 4")
    visit.tab.click("[aria-label='One neuron more in layer 3']")
    visit.wait("glassnet.state.layers[2].width === 4")
    visit.tab.click("[aria-label='Remove layer 1']")
    visit.wait("glassnet.state.layers.length === 3")
    visit.tab.select_option("[aria-label='Activation of layer 1']", "ReLU")
    visit.wait("glassnet.state.layers[0].activation === 'ReLU'")
    assert visit.tab.locator(".node").count() == 2 + 3 + 4 + 1
    visit.js("glassnet.train(20)")
    assert visit.weights() == replay(dict(visit.js("glassnet.state")), 20).W.tobytes()


def test_the_five_lines_have_the_numbers_of_python(visit: Visit) -> None:
    """The loss of the batch and the update of the first weight, worked out in Python."""
    visit.js("glassnet.train(28)")
    visit.wait("document.querySelector('#panel').textContent.includes('∂L/∂w')")
    run = dict(visit.js("glassnet.state"))
    before, after = replay(run, 28).W[0], replay(run, 29).W[0]
    text = visit.text("#panel").replace("−", "-")
    for value in (before, after):
        assert f"{float(value):.4g}" in text


def test_a_weight_by_hand(visit: Visit) -> None:
    visit.open_panel("hand")
    visit.tab.fill(".slider input[type=number] >> nth=0", "1.5")
    visit.tab.keyboard.press("Enter")
    visit.wait("glassnet.weights().then(w => w[0] === 1.5)")
    visit.js("glassnet.train(10)")
    program = visit.program()
    assert visit.weights() == program["model"].W.tobytes()


def test_all_gradients_are_proved(visit: Visit) -> None:
    visit.js("glassnet.train(15)")
    visit.open_panel("proof")
    visit.wait("document.querySelector('#panel').textContent.includes('central differences')")
    assert "All 31 gradients agree" in visit.text("#panel")


def test_random_search_against_descent(visit: Visit) -> None:
    visit.open_panel("race")
    visit.tab.click("text=run 100 passes")
    visit.wait("glassnet.state.step === 100")
    visit.wait("document.querySelector('#panel').textContent.includes('of the cube')")


def test_the_landscape(visit: Visit) -> None:
    visit.js("glassnet.train(50)")
    visit.open_panel("landscape")
    visit.tab.wait_for_selector("div.square svg")
    visit.tab.click("text=two random directions")
    visit.wait("document.querySelector('#panel').textContent.includes('over two random')")


@pytest.mark.parametrize(
    ("button", "told"),
    [
        ("Vanishing gradients", "it vanishes"),
        ("Dead ReLU", "are 0 for every row"),
        ("η too large", "Diverged"),
        ("Zero initial weights", "the same weights"),
    ],
)
def test_what_goes_wrong_is_said(visit: Visit, button: str, told: str) -> None:
    visit.open_panel("wrong")
    visit.tab.click(f"#panel >> text={button}")
    visit.wait(f"document.querySelector('#panel').textContent.includes('{told}')")


@pytest.mark.parametrize("number", range(11))
def test_a_station_of_the_lecture(visit: Visit, number: int) -> None:
    """It sets up what it speaks of, refuses a wrong answer and explains the right one."""
    station = json.loads((document.WEB / "lecture.en.json").read_text())["stations"][number]
    visit.open_panel("lecture")
    for _ in range(number):
        visit.tab.click("#panel >> text=next station")
    assert station["title"] in visit.text("#panel h3")
    wrong = (station["answer"] + 1) % len(station["options"])
    for choice, told in ((wrong, "Not yet"), (station["answer"], station["why"][:20])):
        visit.tab.check(f"#answer-{choice}")
        visit.tab.click("#panel form button")
        assert told in visit.text("#panel [role=status]")
    visit.tab.click("#panel >> text=set it up")
    setup = station["setup"]
    visit.wait(f"glassnet.state.step === {setup['train']}")
    visit.wait(f"document.querySelector('#tab-{setup['panel']}').ariaSelected === 'true'")
    assert visit.js("glassnet.state.table") == setup["table"]


def test_a_divergence_stops_at_its_step(visit: Visit) -> None:
    visit.open_panel("wrong")
    visit.tab.click("#panel >> text=η too large")
    visit.wait("document.querySelector('#message').textContent.includes('Stopped: in step')")
    visit.tab.click("#back")
    visit.wait("document.querySelector('#message').hidden")
    assert all(np.isfinite(np.frombuffer(visit.weights(), np.float32)))


def test_a_link_gives_the_same_network(browser: Any, file: Path) -> None:
    first = Visit(browser, file)
    first.js("glassnet.open({seed: 7, loss: 'MSE', lr: 0.05})")
    first.js("glassnet.train(33)")
    first.js("glassnet.change({optimizer: 'Adam', lr: 0.01})")
    first.js("glassnet.train(20)")
    first.wait("location.hash.includes('Adam') && location.hash.includes('53')")
    second = Visit(browser, file, first.js("location.hash"))
    assert second.step() == 53
    assert first.weights() == second.weights()
    for opened in (first, second):
        opened.js("glassnet.train(7)")
    assert first.weights() == second.weights()
    first.done()
    second.done()


def test_a_link_whose_digest_differs_is_said(browser: Any, file: Path) -> None:
    first = Visit(browser, file)
    first.js("glassnet.train(5)")
    link = first.js("glassnet.link()")
    first.done()
    digest = first_digest(link)
    second = Visit(browser, file, link.replace(digest, "00000000"))
    assert digest in second.text("#message")
    second.done()


def first_digest(link: str) -> str:
    return json.loads(unquote(link[1:]))["digest"]


@pytest.mark.parametrize(
    "state", ["nonsense", "%7B%7D", '{"table":"moons","layers":[{"activation":"Evil","width":2}]}']
)
def test_a_wrong_link_is_said(browser: Any, file: Path, state: str) -> None:
    opened = Visit(browser, file, f"#{state}")
    opened.js("glassnet.train(3)")
    assert opened.step() == 3
    opened.done()


def test_a_table_of_ones_own(browser: Any, built: Built, tmp_path: Path) -> None:
    """Hostile names are text; the network has the bits of Python on the same numbers."""
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.4f},{b:.4f},{HOSTILE if a + b > 0 else 'no'}" for a, b in rng.normal(size=(90, 2))
    ]
    path = tmp_path / "own.csv"
    path.write_text("\n".join([f'"{HOSTILE}",width,kind', *rows]))
    own = read_user_table(read_table(path), "kind").table
    opened = Visit(browser, write(tmp_path, built, tables=[own], start=own.name))
    opened.js("glassnet.train(40)")
    run = dict(opened.js("glassnet.state")) | {"table": {"x": own.x.tolist(), "y": own.y.tolist()}}
    assert opened.weights() == replay(run, 40).W.tobytes()
    assert "<script>" in opened.text("#classes")
    opened.done()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1920, "dark")])
def test_narrow_and_wide(browser: Any, file: Path, width: int, scheme: str) -> None:
    opened = Visit(
        browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme,
        reduced_motion="reduce",
    )  # fmt: skip
    opened.js("glassnet.train(5)")
    assert opened.js("document.documentElement.scrollWidth") <= width
    opened.done()


def test_the_file_is_small_and_its_policy_strict(file: Path) -> None:
    import gzip

    text = file.read_bytes()
    assert len(text) <= 300_000
    assert len(gzip.compress(text)) <= 150_000
    head = text[:1000].decode()
    assert "default-src 'none'" in head
    assert "unsafe-inline" not in head


def test_a_page_that_was_written_without_lzma(
    browser: Any, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a Python that was built without it: larger, and the same numbers."""
    first = Visit(browser, write(tmp_path, built))
    monkeypatch.setattr(document, "lzma", None)
    (tmp_path / "plain").mkdir()
    second = Visit(browser, write(tmp_path / "plain", built))
    for opened in (first, second):
        opened.js("glassnet.train(3)")
    assert first.weights() == second.weights()
    for opened in (first, second):
        opened.done()


def test_a_changed_kernel_is_refused(browser: Any, built: Built, tmp_path: Path) -> None:
    """A flipped byte in the module: the page does not start."""
    path = write(tmp_path, built)
    text = path.read_text()
    start = text.index('id="bytes-engine">') + len('id="bytes-engine">') + 4000
    letter = "A" if text[start] != "A" else "B"
    path.write_text(text[:start] + letter + text[start + 1 :])
    tab = browser.new_page()
    tab.goto(path.as_uri())
    found = tab.evaluate("glassnet.ready.then(() => 'started', error => 'refused')")
    assert found == "refused"
    tab.close()


def test_state_is_plain(visit: Visit) -> None:
    assert json.dumps(visit.js("glassnet.state"))
    assert gn.__version__ in visit.text("#version")
