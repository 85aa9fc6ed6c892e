"""The page of a report: by its own text, by hostile names, and by the policy that it states."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.estimators.tabular.column_curves import Curve
from glassnet.estimators.tabular.evaluation import Evaluation
from glassnet.estimators.tabular.importance import Importance
from glassnet.report import charts, page
from glassnet.report.svg import Scale, esc
from tests.cli.command import glassnet

HOSTILE = ("<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "a\u202eb\x1b[2J")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def is_harmless(text: str) -> list[str]:
    """What of a page could run, load or steer something."""
    found: list[str] = []
    for tag, attributes in Elements(text).found:
        if tag in ("script", "img", "iframe", "link", "object", "a", "form"):
            found.append(tag)
        for name, value in attributes.items():
            if name.startswith("on") or name in ("src", "href", "style"):
                found.append(f"{tag} {name}={value}")
    return found + [hex(ord(own)) for own in text if own in "\x1b\u202e\u2066\x00"]


def test_a_planted_script_would_be_seen() -> None:
    assert is_harmless("<p>a<script>1</script><b onclick='x'>\x1b") == [
        "script",
        "b onclick=x",
        "0x1b",
    ]
    assert is_harmless(esc("<script>alert(1)</script>")) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of hostile names, fits of a class and of a number, and their reports."""
    place = tmp_path_factory.mktemp("report")
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 2)).round(3)
    cells = [own.replace('"', '""') for own in HOSTILE]
    lines = [
        f'{a},{b},"{cells[i % 3]}",{"<b>yes</b>" if a > 0 else "no"},{round(3 * a + b, 3)}'
        for i, (a, b) in enumerate(x.tolist())
    ]
    head = ",".join(f'"{own}"' for own in (*cells, "kind", "number"))
    (place / "t.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    for target, *more in (("kind",), ("number", "--interval", "0.8")):
        result = glassnet(
            "fit", "t.csv", "-t", target, "--epochs", "3", "-o", f"{target}.safetensors",
            "--report", f"{target}.html", *more, folder=place,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    return place


@pytest.mark.parametrize("target", ["kind", "number"])
def test_a_report_says_what_was_found_and_runs_nothing(folder: Path, target: str) -> None:
    text = (folder / f"{target}.html").read_text(encoding="utf-8")
    assert is_harmless(text) == []
    words = "".join(Elements(text).words)
    for heading in ("Columns", "What matters", "All figures", "Reproduce", "Rows with the largest"):
        assert heading in words
    assert "glassnet fit t.csv -t" in words
    assert "<script>alert(1)</script>" in words  # as text
    assert len(text) < 300_000
    if target == "number":
        assert "intervals hold" in words
    else:
        assert "Calibration" in words
        assert "ROC curve" in words


def test_the_policy_allows_its_style_and_nothing_else(folder: Path) -> None:
    text = (folder / "kind.html").read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text
    assert "style=" not in text.replace(style[0], "")


def test_an_evaluation_has_a_report_as_well(folder: Path) -> None:
    asked = ("evaluate", "number.safetensors", "t.csv", "--report", "e.html")
    result = glassnet(*asked, "--json", folder=folder)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["score"]["figures"]["mae"]["value"] > 0
    assert is_harmless((folder / "e.html").read_text(encoding="utf-8")) == []
    own = glassnet("evaluate", "number.safetensors", "t.csv", "--report", "t.csv", folder=folder)
    assert own.returncode == 2
    assert "t.csv is read by this command; name another place with --report" in own.stderr


def test_explain_on_the_command_line(folder: Path) -> None:
    whole = glassnet("explain", "kind.safetensors", "t.csv", "--json", folder=folder)
    assert whole.returncode == 0, whole.stderr
    found = json.loads(whole.stdout)
    assert found["metric"] == "log_loss"
    assert len(found["importance"]) == 4
    row = glassnet("explain", "kind.safetensors", "t.csv", "--row", "4", "--json", folder=folder)
    told = json.loads(row.stdout)
    total = np.sum([own["values"] for own in told["contributions"]], axis=0) + told["base"]
    assert total == pytest.approx(told["answer"], abs=1e-9)
    text = glassnet("explain", "kind.safetensors", "t.csv", "--row", "4", folder=folder)
    assert "row 4: probability of" in text.stdout
    assert "\x1b" not in text.stdout + whole.stdout
    wrong = glassnet("explain", "kind.safetensors", "t.csv", "--class", "no", folder=folder)
    assert wrong.returncode == 2
    assert "--class needs --row" in wrong.stderr


# -- drawings --------------------------------------------------------------------------------------


def numbers(text: str, name: str) -> list[float]:
    return [float(own) for own in re.findall(rf' {name}="([-\d.]+)"', text)]


def test_bars_are_as_long_as_their_numbers() -> None:
    text = charts.importance_bars([Importance("a", 2.0, 0.0), Importance("b", 1.0, 0.5)])
    long, short = numbers(text, "width")
    assert long == pytest.approx(2 * short, abs=0.1)
    assert text.count('class="err"') == 2


def test_the_roc_curve_goes_through_its_points() -> None:
    """Scores .9 .8 .3 of classes 1 0 1: half is found without a false alarm, then all alarms."""
    high = np.array([0.9, 0.8, 0.3])
    answers = Evaluation(np.array([1, 0, 1]), np.column_stack([1 - high, high]), np.zeros(3, int))
    drawn = charts.roc_curve(answers, "AUC 0.500")
    line = re.findall(r'points="([^"]+)" class="curve"', drawn)[0]
    places = [tuple(map(float, own.split(","))) for own in line.split()]
    x0, x1 = places[0][0], places[-1][0]
    y0, y1 = places[0][1], places[-1][1]
    shares = [((x - x0) / (x1 - x0), (y - y0) / (y1 - y0)) for x, y in places]
    np.testing.assert_allclose(shares, [(0, 0), (0, 0.5), (1, 0.5), (1, 1)])


def test_curves_of_all_kinds_are_drawn() -> None:
    answers = np.array([[-0.1], [0.0], [0.3]])
    for kind, at in (
        ("number", (1.0, 2.0, 5.0)),
        ("category", HOSTILE),
        ("date", (0.0, 86400.0, 1e9)),
    ):
        own = Curve("<c>", kind, at, answers, (5, 0, 2))
        drawn: Any = charts.column_curve(own, 0, "change")
        assert is_harmless(drawn) == []
        assert drawn.count('class="dens"') == 3
    assert "1970-01-01" in drawn


def test_ticks_are_round() -> None:
    assert Scale(0.0, 1.0, 0, 1).ticks(4) == pytest.approx([0, 0.5, 1.0])
    assert Scale(-3.0, 17.0, 0, 1).ticks(5) == pytest.approx([0, 5, 10, 15])
    assert Scale(2.0, 2.0, 0, 1).ticks() == [2.0]
    assert all(len(Scale(0.0, 10.0**k, 0, 1).ticks()) >= 2 for k in range(-20, 20))


def test_empty_columns_are_left_out_of_a_table() -> None:
    text = page.table(("a", "b", "c"), [["1", "", "3"], ["4", "", "6"]], (2,))
    assert "<th>b</th>" not in text
    assert text.count('class="n"') == 3
