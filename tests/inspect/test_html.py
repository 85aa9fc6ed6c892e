"""HTML of an opened step: all that the text says and every array, with nothing from elsewhere."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.inspect import ledger_view
from glassnet.inspect.render import detail, heat, html, text
from glassnet.inspect.render.elements import ArrayGroup, Lines, Matrix, TableBlock
from glassnet.inspect.render.json_values import as_json
from glassnet.inspect.render.overview import overview
from tests.record.common import data, train

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Which tags there are, their attributes, whether they are closed, and the texts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1:] != ["style"]:
            self.texts.append(data.strip())

    @property
    def words(self) -> set[str]:
        return set(" ".join(self.texts).split())


def small(path: Path) -> Any:
    train(path, epochs=1, optimizer=gn.optim.SGD(0.1), batch_size=4)
    return gn.open_step(path)


def large(path: Path) -> Any:
    x, y = np.tile(data(64)[0], 20), np.arange(64) % 3
    model = gn.nn.Sequential(gn.nn.Linear(60, 200), gn.nn.ReLU(), gn.nn.Linear(200, 3), seed=1)
    loss, sgd = gn.losses.CrossEntropy(), gn.optim.SGD(0.1)
    gn.train(model, x, y, loss=loss, optimizer=sgd, epochs=1, batch_size=64, record=path)
    return gn.open_step(path)


@pytest.mark.parametrize("make", [small, large])
def test_it_says_what_the_text_says(make: Any, tmp_path: Path) -> None:
    step = make(tmp_path / "run.glass")
    reader = Reader(step._repr_html_())
    assert reader.open == []
    summary = [own for own in overview(step) if not isinstance(own, ArrayGroup)]
    assert set(text.as_text(summary).split()) - reader.words == set()
    for blocks in (
        detail.neuron(step, "linear1[3]", 2),
        detail.weight(step, "linear1.weight[2,3]"),
    ):
        assert set(text.as_text(blocks).split()) - Reader(html.fragment(blocks)).words == set()


def test_at_a_prompt_it_is_one_line_and_printed_all_of_it(tmp_path: Path) -> None:
    step = small(tmp_path / "run.glass")
    shown = f"<step 1 of the run: epoch 1, batch 1, 4 rows, L = {step.L:.6g}>"
    assert (repr(step), str(step)) == (shown, text.overview(step))
    ledger = gn.open_ledger(tmp_path / "run.glass", "linear1.weight[2,3]")
    assert repr(ledger) == "<linear1.weight[2,3]: 18 updates, epoch 1>"
    assert str(ledger) == text.as_text(ledger_view.blocks(ledger))


def test_every_array_of_a_small_step_is_there(tmp_path: Path) -> None:
    step = small(tmp_path / "run.glass")
    reader = Reader(step._repr_html_())
    arrays = [step.x, step.y, *(own.result for own in step.layers)]
    arrays += [own.slope for own in step.layers]
    arrays += [a for w in step.parameters.values() for a in (w.before, w.slope, w.update)]
    arrays += [own.derivative for own in step.layers if own.derivative is not None]
    for array in arrays:
        assert {f"{x:.4g}" for x in array.ravel().tolist()} <= reader.words
    titles = " ".join(reader.texts)
    for title in (
        "z 4×5",
        "a 4×5",
        "∂a/∂z 4×5",
        "∂L/∂z 4×5",
        "∂L/∂a 4×5",
        "∂L/∂linear1.weight 3×5",
    ):
        assert title in titles
    assert all(attrs == {"open": None} for tag, attrs in reader.seen if tag == "details")
    told = text.overview(step)
    assert "── linear1: Linear(3, 5) of x" in told
    assert f"{step.layers[0].result[3, 4]:.6g}" in told


def test_a_large_step_is_summed_up_first(tmp_path: Path) -> None:
    step = large(tmp_path / "run.glass")
    told = step._repr_html_()
    reader = Reader(told)
    details = [attrs for tag, attrs in reader.seen if tag == "details"]
    assert len(details) == 1 + len(step.layers)
    assert all("open" not in attrs for attrs in details)
    assert len(told) < 100_000
    assert sum(tag == "img" for tag, _ in reader.seen) > 5
    assert "──" not in text.overview(step)


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    page = html.page(overview(large(tmp_path / "run.glass")), "a title")
    reader = Reader(page)
    tags = {tag for tag, _ in reader.seen}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "base"})
    for _, attrs in reader.seen:
        assert not {name for name in attrs if name.startswith("on")} - {"open"}
        for value in (attrs.get("src"), attrs.get("href")):
            assert value is None or value.startswith("data:image/png;base64,")
    assert not re.search(r"url\(|@import|https?:", page)
    assert "color-scheme:light dark" in page


def test_names_are_escaped() -> None:
    evil = '<b onclick="x">&'
    blocks = [
        Lines(evil, [evil]),
        TableBlock(evil, (evil,), ((evil,),), evil),
        ArrayGroup(evil, [Matrix(evil, np.eye(2), [evil, evil], [evil, evil])]),
    ]
    page = html.page(blocks, evil)
    reader = Reader(page)
    assert all(tag != "b" for tag, _ in reader.seen)
    assert sum(own.startswith(evil) for own in reader.texts) == 1 + 2 + 4 + 2 + 4


def test_cells_are_coloured_by_sign_and_size() -> None:
    """Of 8 shades: 4 is the strongest, 0.5 an eighth of it; 0 and nearly 0 have none."""
    table = np.array([[4.0, -4.0, 2.0], [0.5, 0.0, -0.1], [np.nan, np.inf, -1.0]])
    told = html.fragment([Matrix("m", table)])
    cells = re.findall(r'<td(?: class="(\w+)")?>([^<]*)', told)
    assert cells == [
        ("p8", "4"), ("n8", "-4"), ("p4", "2"),
        ("p1", "0.5"), ("", "0"), ("", "-0.1"),
        ("", "nan"), ("", "inf"), ("n2", "-1"),
    ]  # fmt: skip


def test_colours_leave_numbers_legible() -> None:
    """Black on the strongest shade over white, white on it over the dark page: WCAG's 4.5 to 1."""
    told = html.fragment([])
    for page, ink in ((255.0, 0.0), (17.0, 255.0)):
        for letter in "np":
            match = re.search(rf"\.{letter}8{{background:rgba\((\d+),(\d+),(\d+),([\d.]+)\)", told)
            assert match is not None
            *colour, alpha = map(float, match.groups())
            mixed = [alpha * c + (1 - alpha) * page for c in colour]
            high, low = sorted((luminance(mixed), luminance([ink] * 3)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5


def luminance(colour: list[float]) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_picture_of_a_large_array() -> None:
    """Read by hand from its bytes: a dot is the largest of its block, 15 is 0, 30 the largest."""
    table = np.zeros((128, 3))
    table[3, 0], table[127, 2], table[64, 1], table[65, 1] = 2.0, -2.0, 0.8, -0.5
    told = heat.picture(table, (1, 2, 3), (4, 5, 6))
    match = re.search(r"base64,([^\"]+)", told)
    assert match is not None
    content = base64.b64decode(match[1])
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    parts, place = {}, 8
    while place < len(content):
        size, name = struct.unpack(">I4s", content[place : place + 8])
        body = content[place + 8 : place + 8 + size]
        (check,) = struct.unpack(">I", content[place + 8 + size : place + 12 + size])
        assert check == zlib.crc32(name + body)
        parts[name], place = body, place + 12 + size
    assert struct.unpack(">II", parts[b"IHDR"][:8]) == (3, 64)
    dots = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(64, 4)
    assert (dots[:, 0] == 0).all()
    wanted = np.full((64, 3), 15)
    wanted[1, 0], wanted[63, 2], wanted[32, 1] = 30, 0, 21
    np.testing.assert_array_equal(dots[:, 1:], wanted)
    palette = np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3).tolist()
    assert (palette[0], palette[30]) == ([4, 5, 6], [1, 2, 3])
    assert (parts[b"tRNS"][0], parts[b"tRNS"][15], parts[b"tRNS"][30]) == (255, 0, 255)


def test_json_has_the_figures_of_the_summary(tmp_path: Path) -> None:
    step = small(tmp_path / "run.glass")
    told = json.loads(json.dumps(as_json(step)))["summary"]
    norms = [np.linalg.norm(own.result.astype(float)) for own in step.layers]
    np.testing.assert_allclose([own["result"] for own in told["layers"]], norms, rtol=1e-12)
    assert sorted(told["pushed"]["rows"]) == sorted(step.rows.tolist())


def test_layers_of_any_shape_are_shown(tmp_path: Path) -> None:
    def folded(z: Any) -> Any:
        return gn.ops.reshape(z, (z.shape[0], 2, 2))

    def flat(z: Any) -> Any:
        return gn.ops.reshape(z, (z.shape[0], 4))

    x, y = data(4)
    model = gn.nn.Sequential(gn.nn.Linear(3, 4), folded, flat, gn.nn.Linear(4, 2), seed=1)
    path, loss = tmp_path / "run.glass", gn.losses.HalfMSE()
    gn.train(model, x, y, loss=loss, optimizer=gn.optim.SGD(0.1), epochs=1, record=path)
    step = gn.open_step(path, model=model)
    assert step.layer("function1").result.shape == (4, 2, 2)
    for told in (text.overview(step), step._repr_html_()):
        assert "function1: folded of linear1" in told
        assert "function2: flat of function1" in told
    assert "4×2×2" in step._repr_html_()


def test_every_line_is_a_block_of_its_own_and_a_wide_table_scrolls_by_itself() -> None:
    told = html.fragment([Lines("", ("z = Σ x·w", "  = 1.5")), TableBlock("", ("w",), [("0.25",)])])
    assert "<pre><span>z = Σ x·w\n</span><span>  = 1.5\n</span></pre>" in told
    rule = re.search(r"\.gn table\{(.*?)\}", told)
    assert rule is not None
    assert {"display:block", "overflow-x:auto", "max-width:100%"} <= set(rule[1].split(";"))
