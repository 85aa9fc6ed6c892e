"""`glassnet step` in each of its forms."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli import main
from glassnet.inspect.render.json_values import plain
from tests.record.common import train


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code


class Tags(HTMLParser):
    """Opened and closed tags, and the text under `body`."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not data.strip() or self.open
        self.text += data


def test_json_with_a_neuron_and_a_weight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=1, optimizer=gn.optim.SGD(0.1), batch_size=16)
    named = ("--neuron", "linear1[3]", "--weight", "linear1.weight[2,3]")
    assert run("step", str(path), "--row", "7", "--json", *named) == 0
    told = json.loads(capsys.readouterr().out)
    step = gn.open_step(path, row=7)
    at = step.rows.tolist().index(7)
    assert told["neuron"]["row"] == 7
    sum_of_parts = np.dot(told["neuron"]["given"], told["neuron"]["weight"])
    assert told["neuron"]["result"] == pytest.approx(sum_of_parts + told["neuron"]["bias"], 1e-5)
    assert told["neuron"]["slope"] == step.layer("linear1").slope[at, 3]
    weight = told["weight"]
    assert weight["name"] == "linear1.weight[2,3]"
    assert weight["after"] == np.float32(weight["before"]) - np.float32(0.1) * np.float32(
        weight["slope"]
    )
    own = told["parameters"]["linear1.weight"]
    assert own["update"][2][3] == weight["update"]
    assert weight["update"] == np.float32(weight["after"]) - np.float32(weight["before"])


def test_the_memory_of_a_weight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Adam's m after its first step is (1 − 0.9)·∂L/∂w."""
    path = tmp_path / "run.glass"
    train(path, epochs=1, optimizer=gn.optim.Adam(0.1))
    assert run("step", str(path), "--json", "--weight", "linear1.weight[2,3]") == 0
    own = json.loads(capsys.readouterr().out)["weight"]
    assert own["memory"]["m"]["before"] == 0.0
    assert own["memory"]["m"]["after"] == pytest.approx(0.1 * own["slope"], 1e-6)
    assert run("step", str(path), "--weight", "linear1.weight[2,3]") == 0
    slope, after = np.float32(own["slope"]), np.float32(own["memory"]["m"]["after"])
    told = capsys.readouterr().out
    assert f"m ← 0.9·m + (1 − 0.9)·∂L/∂w = 0.9·0.0 + (1 − 0.9)·({slope!s})" in told
    assert f") = {after!s}\n" in told


def test_html_with_a_weight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.glass"
    train(path, epochs=1)
    named = ("--neuron", "linear1[3]", "--weight", "linear1.weight[2,3]")
    assert run("step", str(path), "--html", *named) == 0
    told = capsys.readouterr().out
    assert told.startswith("<!doctype html>")
    assert told.rstrip().endswith("</html>")
    tags = Tags()
    tags.feed(told)
    assert tags.open == []
    assert all(sign in tags.text for sign in ("‖∂L/∂W‖", "linear1[3] for row", "w after"))
    assert run("step", str(path), "--html", "--json") == 2


@pytest.mark.parametrize("place", ["[2,]", "[1 2]", "[2]", "[9,9]", ""])
def test_a_wrong_weight_is_told(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run.glass", epochs=1)
    assert run("step", str(tmp_path / "run.glass"), "--weight", f"linear1.weight{place}") == 2
    told = capsys.readouterr().err
    assert "internal error" not in told
    assert f"linear1.weight{place}" in told


def test_what_json_has_no_numbers_for() -> None:
    array = np.array([[1.5, np.nan], [np.inf, -np.inf]])
    assert plain({"a": array, "b": (np.float32(2), None)}) == {
        "a": [[1.5, "nan"], ["inf", "-inf"]],
        "b": [2.0, None],
    }


WRONG = [
    (("--epoch", "0"), "epoch=0: epochs 1 to 2"),
    (("--epoch", "3"), "epoch=3: epochs 1 to 2"),
    (("--batch", "0"), "batches 1 to 5"),
    (("--batch", "6"), "batches 1 to 5"),
    (("--row", "-1"), "rows 0 to 69"),
    (("--row", "70"), "rows 0 to 69"),
    (("--row", "3", "--batch", "2"), "both name a batch"),
    (("--neuron", "linear1[5]"), "units 0 to 4"),
    (("--neuron", "linaer1[0]"), "there are linear1, tanh1, dropout1, linear2"),
    (("--neuron", "linear2"), "linear2[0]"),
    (("--neuron", "4"), "there are linear1"),
    (("--weight", "linear1.wieght[0,0]"), "linear1.weight[0,0]"),
    (("--weight", "linear1.weight[3,0]"), "shape (3, 5)"),
    (("--ledger", "linear2.bais[0]"), "linear2.bias[0]"),
    (("--ledger", "linear2.bias[0]", "--epoch", "3"), "epochs 1 to 2"),
    (("--ledger", "linear2.bias[0]", "--neuron", "linear1[0]"), "--epoch, --html and --json"),
]


def test_what_is_not_there_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names what there is, and exit status 2."""
    path = tmp_path / "run.glass"
    train(path, epochs=2, batch_size=16)
    for options, part in WRONG:
        assert run("step", str(path), *options) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.count("\n") == 1
        assert part in told.err


def test_of_many_names_the_near_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [part for _ in range(8) for part in (gn.nn.Linear(3, 3), gn.nn.Tanh())]
    model, x = gn.nn.Sequential(*layers, seed=1), np.ones((4, 3))
    path, loss = tmp_path / "run.glass", gn.losses.HalfMSE()
    gn.train(model, x, x, loss=loss, optimizer=gn.optim.SGD(0.1), epochs=1, record=path)
    assert run("step", str(path), "--neuron", "linaer7[0]") == 2
    assert "near it: linear7, " in capsys.readouterr().err
    assert run("step", str(path), "--weight", "linear7.wieght[0,0]") == 2
    told = capsys.readouterr().err
    assert "near it: linear7.weight, " in told
    assert "of 16" in told


def test_an_epoch_that_was_broken_off_opens(tmp_path: Path) -> None:
    """A run that was meant to have more epochs: the one after the last recorded one can be done
    again from there; those after it cannot."""
    path = tmp_path / "run.glass"
    stop = gn.callbacks.EarlyStopping(1, score=lambda model: 1.0)
    train(path, epochs=9, batch_size=16, callbacks=[stop])
    assert gn.open_step(path, epoch=2, batch=5).step == 10
    assert gn.open_step(path, epoch=3).step == 11
    with pytest.raises(gn.errors.GlassnetError, match="epochs 1 to 3"):
        gn.open_step(path, epoch=4)
