"""The drawing of a network in notebooks: well-formed, and it shows what is there."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import glassnet as gn
from glassnet.nn.picture import COLOURS, RADIUS

nn = gn.nn
SVG = "{http://www.w3.org/2000/svg}"


def drawn(model: gn.nn.Module) -> tuple[ET.Element, str]:
    root = ET.fromstring(model._repr_html_())
    return root[0][0], root[1].text or ""


def test_small_networks_show_every_neuron_and_weight() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    model.W = 0
    model.parameters()["linear1.weight"][0, 0] = -2
    svg, text = drawn(model)
    assert text == model.summary()
    assert len(svg.findall(f"{SVG}circle")) == 2 + 3 + 1
    lines = svg.findall(f"{SVG}line")
    assert len(lines) == 2 * 3 + 3 * 1
    negative = [line for line in lines if line.get("stroke") == COLOURS[0]]
    assert [line[0].text for line in negative] == ["-2"]
    assert negative[0].get("stroke-width") == "3.00"
    captions = [text.text for text in svg.findall(f"{SVG}text")]
    assert captions == ["2", "x", "3", "Linear", "Sigmoid", "1", "Linear"]


def test_a_narrow_window_makes_it_smaller_and_then_scrolls() -> None:
    root = ET.fromstring(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))._repr_html_())
    svg = root[0][0]
    assert root[0].get("style") == "overflow-x:auto"
    assert svg.get("width") == "390"  # three columns of 130
    assert svg.get("style") == "max-width:100%;height:auto;min-width:234px"
    assert "pre-wrap" in (root[1].get("style") or "")


def test_wide_networks_show_the_first_neurons() -> None:
    svg, _ = drawn(nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)))
    assert len(svg.findall(f"{SVG}circle")) == 30
    assert "10 of 784" in [text.text for text in svg.findall(f"{SVG}text")]


def test_every_module_has_a_picture() -> None:
    def f(z: object) -> object:
        return z

    layers = nn.Sequential(nn.Repeat(2), nn.BatchEnsemble(3, 4, 2), f, nn.Average(2))
    for model in (layers, nn.Linear(2, 3), nn.Residual(nn.Linear(2, 2)), nn.ReLU(), nn.Neuron(4)):
        svg, text = drawn(model)
        assert svg.tag == f"{SVG}svg"
        assert text == model.summary()


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_it_reads_on_light_and_on_dark_pages() -> None:
    """WCAG asks for 3 to 1 between lines and the page; the dark one is that of JupyterLab."""
    assert round(contrast("#ffffff", "#000000"), 9) == 21
    for page in ("#ffffff", "#111111"):
        assert all(contrast(colour, page) >= 3 for colour in COLOURS)
    svg, _ = drawn(nn.Sequential(nn.Linear(2, 3), nn.Sigmoid()))
    own = {element.get(kind) for element in svg.iter() for kind in ("fill", "stroke")}
    assert own <= {None, "none", "currentColor", *COLOURS}
    assert svg.get("fill") == "currentColor"


def test_lines_end_at_the_circles() -> None:
    svg, _ = drawn(nn.Sequential(nn.Linear(3, 2)))
    circles = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in svg.iter(f"{SVG}circle")]
    for line in svg.iter(f"{SVG}line"):
        for end in ("1", "2"):
            place = float(line.get(f"x{end}", "")), float(line.get(f"y{end}", ""))
            assert abs(min(math.dist(place, circle) for circle in circles) - RADIUS) < 0.2
