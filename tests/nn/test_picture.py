"""The drawing of a network in notebooks: well-formed, and it shows what is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import glassnet as gn

nn = gn.nn
SVG = "{http://www.w3.org/2000/svg}"


def drawn(model: gn.nn.Module) -> tuple[ET.Element, str]:
    root = ET.fromstring(model._repr_html_())
    return root[0], root[1].text or ""


def test_small_networks_show_every_neuron_and_weight() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    model.W = 0
    model.parameters()["linear1.weight"][0, 0] = -2
    svg, text = drawn(model)
    assert text == model.summary()
    assert len(svg.findall(f"{SVG}circle")) == 2 + 3 + 1
    lines = svg.findall(f"{SVG}line")
    assert len(lines) == 2 * 3 + 3 * 1
    negative = [line for line in lines if line.get("stroke") == "#d9822b"]
    assert [line[0].text for line in negative] == ["-2"]
    assert negative[0].get("stroke-width") == "3.00"
    captions = [text.text for text in svg.findall(f"{SVG}text")]
    assert captions == ["2", "x", "3", "Linear", "Sigmoid", "1", "Linear"]


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
