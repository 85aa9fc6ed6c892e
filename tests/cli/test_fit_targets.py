"""Several targets on the command line: fitted, predicted, scored, explained, compared, shown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.cli.fit_order import FitOrder
from glassnet.cli.options import AS_IT_IS, EffortOptions
from glassnet.estimators.tabular import fit_table
from glassnet.estimators.tabular.target_models import TargetModels
from glassnet.ops import philox
from glassnet.page.opened import opened_model
from tests.cli.command import glassnet, here, refused
from tests.report.test_report_page import Elements, is_harmless

ROWS = 80
FIT = ("fit", "t.csv", "-t", "a,b", "--target", "word", "--epochs", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with three targets, of which a lacks every eighth; a model and its report."""
    place = tmp_path_factory.mktemp("targets")
    lines = ["p,q,a,b,word"]
    for row, (p, q) in enumerate(philox.normal(ROWS * 2, 5).reshape(ROWS, 2)):
        a = "" if row % 8 == 0 else f"{3 * p + q:.3f}"
        lines.append(f"{p:.3f},{q:.3f},{a},{10 - p:.3f},{'<b>up</b>' if p > q else 'down'}")
    (place / "t.csv").write_text("\n".join(lines) + "\n")
    asked = ("--interval", "0.8", "--report", "fit.html", "-o", "m.safetensors")
    result = glassnet(*FIT, *asked, folder=place)
    assert result.returncode == 0, result.stderr
    (place / "fit.txt").write_text(result.stdout)
    return place


def told(folder: Path, *arguments: str) -> Any:
    result = here(*arguments, "--json", folder=folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_each_model_is_that_of_a_fit_of_its_target(folder: Path) -> None:
    found = TargetModels.load(folder / "m.safetensors")
    assert found.targets == ("a", "b", "word")
    more = ("--kind", "a=drop", "--kind", "word=drop", "--interval", "0.8", "-o", "b.safetensors")
    assert here("fit", "t.csv", "-t", "b", "--epochs", "2", *more, folder=folder).returncode == 0
    tensors, texts = TargetModels.load(folder / "b.safetensors").models[0].contents()
    own, described = found.models[1].contents()
    assert described == texts
    assert {name: one.tobytes() for name, one in own.items()} == {
        name: one.tobytes() for name, one in tensors.items()
    }
    assert found.models[0].training["rows"]["train"] == 70  # 10 of 80 rows lack a
    assert found.models[2].training["rows"]["train"] == 80


def test_what_is_printed(folder: Path) -> None:
    lines = (folder / "fit.txt").read_text().splitlines()
    assert lines[0] == "t.csv: 80 rows, 5 columns"
    words = [" ".join(line.split()) for line in lines]
    assert "b target left out predicted as well" in words
    assert sum(line.startswith("column ") for line in words) == 1  # the table is shown once
    assert "left out 10 rows without a target" in words
    assert any(line.startswith("target b: a number, ") for line in words)
    assert any(line.startswith("target word: 2 classes: ") for line in words)
    assert sum(line.startswith("RMSE ") for line in words) == 2
    assert sum(line.startswith("accuracy ") for line in words) == 1
    assert words[-1] == "report fit.html"


def test_predictions_stand_side_by_side(folder: Path) -> None:
    result = here("predict", "m.safetensors", "t.csv", "--keep", "p", folder=folder)
    assert result.returncode == 0, result.stderr
    head, *rows = csv.reader(io.StringIO(result.stdout))
    assert head == [
        "p", "a", "a_lower", "a_upper", "b", "b_lower", "b_upper", "word",
        "word_probability_<b>up</b>", "word_probability_down",
    ]  # fmt: skip
    assert len(rows) == ROWS
    alone = here("predict", "m.safetensors", "t.csv", "--target", "b", folder=folder)
    first, *others = csv.reader(io.StringIO(alone.stdout))
    assert first == ["b", "b_lower", "b_upper"]
    assert [row[4:7] for row in rows] == others
    found = told(folder, "predict", "m.safetensors", "t.csv")["targets"]
    assert [one["target"] for one in found] == ["a", "b", "word"]
    np.testing.assert_allclose(found[1]["predictions"], [float(row[4]) for row in rows], rtol=1e-5)


def test_scores_of_each_target(folder: Path) -> None:
    found = told(folder, "evaluate", "m.safetensors", "t.csv")["targets"]
    assert [(one["target"], one["score"]["metric"], one["score"]["rows"]) for one in found] == [
        ("a", "rmse", 70), ("b", "rmse", 80), ("word", "accuracy", 80)
    ]  # fmt: skip
    predicted = np.array(
        told(folder, "predict", "m.safetensors", "t.csv", "-t", "b")["predictions"]
    )
    with (folder / "t.csv").open() as file:
        b = np.array([float(row["b"]) for row in csv.DictReader(file)])
    rmse = float(np.sqrt(np.mean((predicted - b) ** 2)))
    assert found[1]["score"]["value"] == pytest.approx(rmse, rel=1e-6)
    one = told(folder, "evaluate", "m.safetensors", "t.csv", "-t", "b")
    assert one["score"] == found[1]["score"]
    text = here("evaluate", "m.safetensors", "t.csv", "--report", "e.html", folder=folder).stdout
    assert [line for line in text.splitlines() if line.startswith("target ")] == [
        "target a", "target b", "target word"
    ]  # fmt: skip


@pytest.mark.parametrize("page", ["fit.html", "e.html"])
def test_a_report_has_a_part_for_each_target(folder: Path, page: str) -> None:
    if not (folder / page).exists():
        here("evaluate", "m.safetensors", "t.csv", "--report", page, folder=folder)
    text = (folder / page).read_text(encoding="utf-8")
    assert is_harmless(text) == []
    assert "<b>up</b>" not in text
    assert "a, b, word: t.csv" in "".join(Elements(text).words)
    assert text.count('<h1 class="part">') == 3
    assert text.count("Reproduce") == 3


def test_the_same_networks_again(folder: Path) -> None:
    more = ("fit", "t.csv", "-t", "a", "-t", "b", "-t", "word", "--interval", "0.8")
    result = here(*more, "--like", "m.safetensors", "-o", "again", folder=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / "again").read_bytes() == (folder / "m.safetensors").read_bytes()


def test_commands_of_one_target_ask_for_it(folder: Path) -> None:
    known = "each of the targets a, b, word; name one as the target"
    refused(here("explain", "m.safetensors", "t.csv", folder=folder), known)
    refused(here("show", "m.safetensors", folder=folder), known)
    refused(here("check", "m.safetensors", "t.csv", folder=folder), known)
    page = ("play", "m.safetensors", "--rows", "t.csv", "-o", "p.html", "--no-open")
    refused(here(*page, folder=folder), known)
    refused(here("predict", "m.safetensors", "t.csv", "-t", "c", folder=folder), "not 'c'; name")
    assert told(folder, "explain", "m.safetensors", "t.csv", "-t", "b")["target"] == "b"
    assert here("show", "m.safetensors", "-t", "word", folder=folder).stdout.startswith("graph(")
    opened = opened_model(folder / "m.safetensors", folder / "t.csv", wanted="b")
    assert opened.table.target == "b"
    refused(
        here("show", "net.py", "-t", "b", folder=folder), "--target is for a model file, and net.py"
    )


def test_models_are_compared_target_by_target(folder: Path) -> None:
    both = ("compare", "m.safetensors", "m.safetensors", "t.csv")
    found = told(folder, *both)["targets"]
    assert [(one["target"], one["rows"]) for one in found] == [("a", 70), ("b", 80), ("word", 80)]
    assert told(folder, *both, "-t", "b")["target"] == "b"
    model = TargetModels.load(folder / "m.safetensors").of("b", "m")
    model.save(folder / "one")
    assert told(folder, "compare", "m.safetensors", "one", "t.csv")["target"] == "b"
    TargetModels.load(folder / "m.safetensors").of("a", "m").save(folder / "other")
    refused(
        here("compare", "one", "other", "t.csv", folder=folder),
        "the first model predicts numbers of 'b', the second numbers of 'a'",
    )


def test_a_fit_of_several_targets_is_not_recorded(folder: Path) -> None:
    refused(here(*FIT, "--record", "r.glass", folder=folder), "--record can record one target only")
    assert not (folder / "r.glass").exists()


def test_ctrl_c_keeps_the_targets_that_are_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = fit_table.fit, list[str]()

    def fit(examined: Any, *rest: Any, **how: Any) -> Any:
        calls.append(examined.target.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(examined, *rest, **how)

    monkeypatch.setattr(fit_table, "fit", fit)
    result = here(*FIT, "-o", "part", "--json", folder=folder)
    assert result.returncode == 130
    assert "interrupted; part has no model of word" in result.stderr
    assert json.loads(result.stdout)["not_trained"] == ["word"]
    assert TargetModels.load(folder / "part").targets == ("a", "b")
    calls[:] = ["", ""]
    result = here(*FIT, "-o", "none", folder=folder)
    assert result.returncode == 130
    assert not (folder / "none").exists()


def test_time_is_shared_among_targets_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassnet.cli.fit_order.monotonic", lambda: 100.0)
    order = FitOrder(
        "t", "m", None, AS_IT_IS, EffortOptions(), 0, None, None, False, None, False, 160.4
    )
    assert [order.seconds(left) for left in (3, 2, 1)] == pytest.approx([20.0, 30.0, 60.0])
