"""What files say is shown, and steers no terminal, no markup and no spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import traceback
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet import errors
from glassnet.cli.output import console, safe
from glassnet.cli.terminal import guarded
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.inspect.render import text as block_text
from glassnet.inspect.render.elements import Lines, TableBlock
from glassnet.tables.csv_safe import escape_formula, is_formula, unescape_formula
from glassnet.tables.read_table import read_table
from glassnet.visible import make_json_visible, make_lines_visible, make_visible
from tests.security.canary import Canary, tried
from tests.security.hostile import begun, table

RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

SIGNS = {  # by ECMA-48 and Unicode's bidirectional algorithm
    "\x1b[2J": r"\x1b[2J",
    "\x1b]0;owned\x07": r"\x1b]0;owned\x07",
    "\x1b]8;;https://example.org\x1b\\": "\\x1b]8;;https://example.org\\x1b\\",
    "\x9b31m": r"\x9b31m",
    "\x07": r"\x07",
    "a\rb": r"a\rb",
    "a\nb": r"a\nb",
    "a\tb": r"a\tb",
    "\x08\x08": r"\x08\x08",
    "\x7f": r"\x7f",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2066\u2069": r"\u2066\u2069",
    "\u2028": r"\u2028",
    "\u200b": r"\u200b",
    "\ufeff": r"\ufeff",
    "\U000e0041": r"\U000e0041",
    "\udcff": r"\xff",
    "Größe, ℃ 温度 \u00a0 é 👩\u200d🔬": "Größe, ℃ 温度 \u00a0 é 👩\u200d🔬",
}


@pytest.mark.parametrize("text", SIGNS)
def test_a_sign_is_shown(text: str) -> None:
    assert make_visible(text) == SIGNS[text]
    assert make_lines_visible(text) == SIGNS[text].replace(r"a\nb", "a\nb").replace(r"a\tb", "a\tb")


@given(st.text())
def test_nothing_steers(text: str) -> None:
    assert not RAW.search(make_visible(text))
    assert "\n" not in make_visible(text)
    assert json.loads(make_json_visible(json.dumps(text, ensure_ascii=False))) == text
    assert make_visible(make_visible(text)) == make_visible(text)
    make_visible(text).encode()


MARKUP = (
    "[red]x[/]",
    "[link=https://example.org]x[/link]",
    "[/]",
    "\\",
    "x\\",
    "\\[bold]",
    ":smile:",
)


@pytest.mark.parametrize("text", [*MARKUP, "\x1b[31m", "a\nb"])
def test_markup_is_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console().print(f"[bold]{safe(text)}[/] after")
    assert capsys.readouterr().out == f"{make_visible(text)} after\n"


def test_a_forgotten_text_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever prints without `safe`: by the console, by print, and as a warning."""
    console().print("a\x1b]0;t\x07b")
    with warnings.catch_warnings(), guarded():
        print("c\x1b[2Jd\u202e")
        print("e\x9bf", file=sys.stderr)
        warnings.simplefilter("always")
        warnings.warn("g\x1bh\ni", UserWarning, stacklevel=1)
    found = capsys.readouterr()
    assert found.out == "a\\x1b]0;tb\nc\\x1b[2Jd\\u202e\n"
    assert found.err == "e\\x9bf\nglassnet: g\\x1bh i\n"


def test_a_name_fakes_no_row_of_a_table() -> None:
    block = TableBlock("", ("name\nname",), (("x\ny",),))
    shown = block_text.as_text([block, Lines("", ("a\x1bb",))])
    assert shown == "name\\nname\nx\\ny\n\na\\x1bb"


NAMES = ("\x1b[2J", "\u202e", "[red]", "\x9b", ":warning:")


@pytest.fixture
def odd(canary: Canary) -> Path:
    """A table whose names, classes and cells steer, each in its own way."""
    place = canary.here / "odd.csv"
    classes = ("=cmd|' /C calc'!A0", "@sum\x1b[31m")
    rows = [[str(i), str(i % 7), "v\x1b]0;t\x07", *NAMES[2:], classes[i % 2]] for i in range(60)]
    with place.open("w", newline="") as file:
        csv.writer(file).writerows([[*NAMES, "c", "+t\u202e"], *rows])
    return place


def test_every_command_about_a_table(odd: Path, canary: Canary) -> None:
    model, run = canary.here / "m.safetensors", canary.here / "r.glass"
    runs = [run, *(f"r.phase{n}.glass" for n in (2, 3))]
    fit = ("fit", odd, "-t", "+t\u202e", "--epochs", "1", "-o", model)
    for command, named in (
        (("look", odd), []),
        ((*fit, "--record", run), [model, *runs]),
        ((*fit, "--json"), [model]),
        (("predict", model, odd), []),
        (("evaluate", model, odd), []),
        (("check", model, odd), []),
        (("runs", "."), []),
        (("step", run), []),
        (("show", model), []),
        (("evaluate", model, odd, "--json"), []),
    ):
        found = tried(*command, canary=canary, named=named)
        assert found.status in (0, 1), found.err
        text = found.out + found.err
        if command[0] == "predict":
            assert "like a formula" in found.err
            text = found.err  # the cells themselves go into a file as they are
        assert not RAW.search(text), (command, RAW.search(text))
        assert "\u26a0" not in text
        assert "internal error" not in text


WRONG = (
    ("fit", "odd.csv", "-t", "no\x1b[2Jsuch"),
    ("fit", "no\x1b[2J\u202e.csv", "-t", "y"),
    ("predict", "no\x9b", "odd.csv"),
    ("resume", "no\x1b]0;t\x07"),
    ("runs", "no\nsuch\x1b"),
    ("data", "no\x1b"),
    ("no\x1b",),
    ("fit", "odd.csv", "--no\x1b"),
    ("fit", "odd.csv", "-t", "c", "--sql", "SELECT \x1b[2J"),
    ("fit", "odd.csv", "-t", "c", "--kind", "\x1b[2J=text"),
)


@pytest.mark.parametrize("arguments", WRONG)
def test_errors_are_harmless(arguments: tuple[str, ...], odd: Path, canary: Canary) -> None:
    assert odd.is_file()
    tried(*arguments, canary=canary).harmless()


def test_a_run_file_fakes_no_line(canary: Canary) -> None:
    own = table(canary.here / "t.csv")
    said = "t.csv\nfine.glass  9/9 epochs  all epochs done  loss 0.1\x1b]0;t\x07"
    run = begun(canary.here / "r.glass", own, canary.here / "m.safetensors", table=said)
    found = tried("runs", canary.here, canary=canary)
    found.harmless("\\nfine.glass", status=(0,))
    assert found.out.count("\n") == 1
    tried("resume", run, canary=canary).harmless("\\x1b]0;t\\x07")
    json.loads(tried("runs", canary.here, "--json", canary=canary).out)


def test_formulas() -> None:
    """By OWASP's list of signs that begin one."""
    for cell in ("=1+1", "+cmd|x", "-2+3", "@now", "\t=1", "\r=1", "\n=1", "=", "\uff1d1", "'=1"):
        assert is_formula(cell), cell
        assert escape_formula(cell) == f"'{cell}"
    for cell in ("-1", "+1.5e-3", "-.5", "a=1", "'tis", "", "O'=1", "-inf", " =1", 3, -2.5, None):
        assert not is_formula(cell), cell
        assert escape_formula(cell) == cell


@given(st.text("'=+-@\t\r\n1a", max_size=6))
def test_every_cell_comes_back(cell: str) -> None:
    assert unescape_formula(escape_formula(cell)) == cell
    if is_formula(cell):
        assert escape_formula(cell)[0] == "'"


def test_predictions_for_a_spreadsheet(odd: Path, canary: Canary) -> None:
    model = canary.here / "m.safetensors"
    fit_table(read_table(odd), "+t\u202e", epochs=1).model.save(model)
    plain = tried("predict", model, odd, canary=canary)
    quoted = tried("predict", model, odd, "--csv-safe", canary=canary)
    assert "like a formula" in plain.err
    assert "like a formula" not in quoted.err
    cells = [list(csv.reader(io.StringIO(own.out, newline=""))) for own in (plain, quoted)]
    assert cells[0][0][0] == "+t\u202e"
    assert {row[0][0] for row in cells[0][1:]} <= {"=", "@"}
    assert all(row[0].startswith("'") for row in cells[1])
    assert [[unescape_formula(cell) for cell in row] for row in cells[1]] == cells[0]
    named = ["p.csv"]
    found = tried("predict", model, odd, "--csv-safe", "-o", "p.csv", canary=canary, named=named)
    assert found.status == 0
    assert (canary.here / "p.csv").read_text() == quoted.out


class Window(io.TextIOWrapper):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_signs_of_a_prediction(
    odd: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes as they are to a pipe, their escapes to a terminal."""
    model = canary.here / "m.safetensors"
    fit_table(read_table(odd), "+t\u202e", epochs=1).model.save(model)
    assert "\u202e" in tried("predict", model, odd, canary=canary).out
    monkeypatch.setattr("tests.security.canary._stream", lambda: Window(io.BytesIO(), "utf-8"))
    found = tried("predict", model, odd, canary=canary)
    assert "+t\\u202e" in found.out
    assert not RAW.search(found.out)


def test_errors_and_warnings_of_python_steer_no_terminal(odd: Path, canary: Canary) -> None:
    """Tracebacks go to a terminal as they are."""
    name = "no\x1b[2J\u202e"
    kinds = [own for own in vars(errors).values() if isinstance(own, type)]
    for kind in kinds:
        if issubclass(kind, errors.GlassnetError):
            assert str(kind(f"{name}\n  right: x")) == "no\\x1b[2J\\u202e\n  right: x"
    with pytest.raises(errors.TableError) as caught:
        read_table(odd).require(name)
    assert not RAW.search("".join(traceback.format_exception(caught.value)).replace("\t", ""))
    with pytest.warns(errors.TableWarning) as found:
        errors.warn_user(name, errors.TableWarning)
    assert str(found[0].message) == "no\\x1b[2J\\u202e"
