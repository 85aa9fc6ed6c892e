"""A table that is given to the page itself has the numbers that `glassnet play TABLE` gives it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.errors import TableError
from glassnet.page.user_table import read_user_table
from glassnet.tables.read_table import read_table
from tests.page.node import WEB
from tests.wasm.node import NODE, needs_node

pytestmark = needs_node


def read(folder: Path, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    assert NODE is not None
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [NODE, Path(__file__).with_name("columns.mjs"), WEB, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "results.json").read_text())


def python(folder: Path, text: str, target: str) -> dict[str, Any]:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        own = read_user_table(read_table(path), target).table
    except TableError as error:
        return {"error": str(error)}
    return {
        "columns": list(own.columns), "classes": list(own.classes), "rows": len(own.x),
        "x": own.x.tobytes().hex(), "y": own.y.tobytes().hex(),
    }  # fmt: skip


def assert_same(page: dict[str, Any], own: dict[str, Any]) -> None:
    assert "error" not in own, own["error"]
    assert "error" not in page, page["error"]
    assert {name: page[name] for name in own} == own


RNG = np.random.default_rng(7)


def rows(*columns: Sequence[Any], sep: str = ",") -> str:
    return "".join(sep.join(map(str, cells)) + "\n" for cells in zip(*columns, strict=True))


def some(values: Sequence[Any], count: int = 60) -> list[Any]:
    return [values[i] for i in RNG.integers(0, len(values), count)]


N = [f"{v:.4g}" for v in RNG.normal(size=60)]
YES = some(["yes", "no"])

FRUIT = ["p", "q", "r"]
RARE = [*["one"] * 30, *["two"] * 26, "three", "four", "five", "six"]
NAMED = [f"n{i}x" for i in range(60)]

REMARKS = [f"a remark about thing n{i}x" for i in range(60)]


def normal(count: int, digits: int = 3) -> list[str]:
    return [f"{v:.{digits}g}" for v in RNG.normal(size=count)]


def table(head: str, *columns: Sequence[Any], sep: str = ",") -> str:
    return head + "\n" + rows(*columns, sep=sep)


TABLES = {
    "numbers and two classes": table("a,b,kind", N, N[::-1], some(["x", "y"])),
    "semicolons": table("a;b;kind", N, N[::-1], YES, sep=";"),
    "tabs": table("a\tb\tkind", N, N[::-1], YES, sep="\t"),
    "gaps": table("a,b,kind", some(["", *N[:30]]), some(["NA", *N[:30]]), YES),
    "gaps among words": table("a,c,kind", N, some(["red", "green", "", "n/a"]), YES),
    "rare levels": table("a,c,kind", N, RARE, YES),
    "booleans": table("a,b,kind", N, some(["True", "false", "?"]), some(["0", "1", "2"])),
    "a number": table("a,b,y", N, some(["u", "v", "w"]), normal(60, 7)),
    "a number with gaps": table("a,y", N, some(["", *normal(40)])),
    "spellings": table(
        "a,c,kind", N, some(["Red", "red", " RED", "Blue"]), some(["y!", "Y!", "n"])
    ),
    "names twice": table("a,a,,kind", N, N[::-1], N[5:] + N[:5], YES),
    "quoted": table('a,"b, c",kind', N, [f'"{v}"' for v in N], some(['"x ""y"""', '"two\nlines"'])),
    "ids": table("id,a,c,name,kind", RNG.permutation(60), N, ["same"] * 60, NAMED, YES),
    "counters": table("row number,a,kind", range(1, 61), N, YES),
    "many inputs": table(
        ",".join(map(str, range(20))) + ",kind", *[normal(60) for _ in range(20)], YES
    ),
    "many levels": table("c,d,kind", some("abcdefghijk"), some(["zu", "zv"]), some(FRUIT)),
    "no header": rows(N, normal(60), some(["x", "y"])),
    "free text": table("a,remark,kind", N, REMARKS, YES),
    "codes": table("zip,a,kind", some(["00501", "10001", "02134"]), N, YES),
    "places": table("room,a,kind", some(["Room 1", "Room 2", "Hall 12"]), N, YES),
    "few strange words": table("a,b,kind", [*N[:55], *["broken"] * 5], N[::-1], YES),
    "exponents": table("a,b,kind", N, some(["1e3", "2E5", ".5", "5.", "+7", "-0"]), YES),
    "mostly zero": table("a,kind", [*["0"] * 55, "1", "2", "3", "900", "-4"], YES),
    "CR LF": table("a,b,kind", N, N[::-1], YES).replace("\n", "\r\n"),
    "blank lines": table("a,b,kind", N, N[::-1], YES).replace("\n", "\n\n", 3) + "\n\n",
    "umlauts": table("größe,ß,kind", N, some(["Straße", "STRASSE", "é", "É"]), some(["ja ", "n"])),
    "beyond the basic plane": table("c,a,kind", some(["\U0001d7d8z", "\uff5ez", "az"]), N, YES),
    "country codes": table("c,a,kind", some(["NA", "DE", "FR", "US"]), N, YES),
    "a byte order mark": table("\ufeffa,b,kind", N, N[::-1], YES),
    "1200 rows": table("a,b,kind", normal(1200), some("abcde", 1200), some(["x", "y"], 1200)),
}


def target_of(name: str) -> str:
    return "y" if name.startswith("a number") else "column 3" if name == "no header" else "kind"


def test_the_page_reads_what_python_reads(tmp_path: Path) -> None:
    jobs = [{"text": text, "target": target_of(name)} for name, text in TABLES.items()]
    found = read(tmp_path, jobs)
    for name, page in zip(TABLES, found, strict=True):
        assert page.get("exact"), (name, page.get("error"), page.get("notes"))
        assert_same(page, python(tmp_path, TABLES[name], target_of(name)))


@pytest.mark.parametrize("name", ["penguins", "titanic"])
def test_tables_of_the_field(tmp_path: Path, name: str) -> None:
    import gzip
    import os

    path = Path(os.environ.get("GLASSNET_DATA", "")) / f"{name}.csv.gz"
    if not path.is_file():
        pytest.skip("the tables are not there")
    text = gzip.decompress(path.read_bytes()).decode()
    target = {"penguins": "species", "titanic": "Survived"}[name]
    (page,) = read(tmp_path, [{"text": text, "target": target}])
    assert page.get("exact"), page
    assert_same(page, python(tmp_path, text, target))


def test_free_text_is_an_input_where_it_is_named(tmp_path: Path) -> None:
    """By itself it is left out with a note, and a table of nothing else is refused."""
    path = tmp_path / "t.csv"
    path.write_text(TABLES["free text"], encoding="utf-8")
    found = read_user_table(read_table(path), "kind")
    assert found.table.columns == ("a",)
    assert found.notes == ("'remark' is free text and left out; name it with --columns",)
    found = read_user_table(read_table(path), "kind", ["remark"])
    assert found.table.columns
    assert all(name.startswith("remark: n-gram ") for name in found.table.columns)
    path.write_text(table("remark,kind", REMARKS, YES), encoding="utf-8")
    with pytest.raises(TableError, match="the only inputs are free text"):
        read_user_table(read_table(path), "kind")


DOUBTFUL = {
    "dates": some(["2024-01-31", "2023-12-24", "2020-02-02"]),
    "words for dates": some(["3 Mar 2021", "24 Dec 2020", "1 May 2019"]),
    "compact dates": some(["20240131", "20231224", "20200202"]),
    "units": some(["5 kg", "7 kg", "12 kg"]),
    "money": some(["$5", "$12.50", "$1,200"]),
    "commas": some(["1,5", "2,25", "3,125"]),
    "ranges": some(["10-20", "20-30", "30+"]),
    "clocks": some(["12:30", "9:05", "23:59"]),
    "percent": some(["5%", "17%", "3.5%"]),
    "infinite": some(["inf", "1", "2.5"]),
    "huge": some(["90071992547409931", "90071992547409933", "1"]),
    "long": some(["a" * 300, "b" * 300, "c"]),
}


def test_what_only_python_reads_is_left_out_and_said(tmp_path: Path) -> None:
    jobs = [
        {"text": "a;what;kind\n" + rows(N, cells, YES, sep=";"), "target": "kind"}
        for cells in DOUBTFUL.values()
    ]
    for name, page in zip(DOUBTFUL, read(tmp_path, jobs), strict=True):
        assert page["columns"] == ["a"], name
        assert not page["exact"], name
        assert "what (" in page["notes"][0], name


WRONG = {
    "": "it is empty",
    "a,b\n": "no rows",
    "a,b\n1,2\n3\n": "line 3 has 1 fields",
    'a,b\n1,"2\n': "never closed",
    'a,b\n1,2"3\n': "quote inside",
    "a\0b,c\n1,2\n": "NUL",
    "<!doctype html><html>": "web page",
    "a,kind\n" + "1.5,x\n" * 3: "same in every row",
    "a,kind\n1.5,x\n2.5,y\n": "too few",
    "kind\nx\ny\n" * 8: "no column",
}


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, [{"text": text, "target": "kind"} for text in WRONG])
    for told, page in zip(WRONG.values(), found, strict=True):
        assert told in page.get("error", ""), (told, page)


def test_a_cell_of_ten_megabytes_and_a_thousand_columns(tmp_path: Path) -> None:
    huge = "a,b,kind\n" + rows(N, ["q" * 10_000_000, *["r"] * 59], YES)
    wide = ",".join(f"x{i}" for i in range(1000)) + ",kind\n" + rows(*[N] * 1000, YES)
    big, many = read(tmp_path, [{"text": t, "target": "kind"} for t in (huge, wide)])
    assert big["columns"] == ["a"]
    assert "b (long texts)" in big["notes"][0]
    assert len(many["columns"]) == 8


CELLS = st.sampled_from(
    ["", "1", "2", "3.5", "-7", "1e3", "1e-3", "0.5", "007", "NA", "none", "-", "yes", "no", "True",
     "false", "red", "Red", "blue", "Zone 1", "A12", "12.2024", "1.234", "1,5", "5 kg", "10-20",
     "2020-01-02", "19991231", "1500000000", "inf", "1_000", "x", "y", "t", "f", "+5", "\u22125",
     "3%", "12:30", "0", "00", ".5", "5.", "Jan 5", "Q1 2020", "€5", "n/a", "?", "DE", "FR"]
)  # fmt: skip


@st.composite
def columns(draw: Any) -> list[str]:
    few = draw(st.lists(CELLS, min_size=1, max_size=5))
    return [draw(st.sampled_from(few)) for _ in range(24)]


def test_random_tables(tmp_path: Path) -> None:
    """Where the page is sure, it has Python's numbers."""
    made: list[str] = []

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(st.lists(columns(), min_size=1, max_size=3))
    def collect(given_columns: list[list[str]]) -> None:
        names = ["id", "created_at", "size"][: len(given_columns)]
        text = "|".join([*names, "kind"]) + "\n" + rows(*given_columns, ["p", "q"] * 12, sep="|")
        made.append(text)

    collect()
    sure = 0
    found = read(tmp_path, [{"text": text, "target": "kind"} for text in made])
    for text, page in zip(made, found, strict=True):
        own = python(tmp_path, text, "kind")
        if page.get("exact"):
            sure += 1
            assert_same(page, own)
        elif "error" in page and "no column" not in page["error"]:
            assert "error" in own, (text, page)
    assert sure > 40


def test_the_built_in_penguins_are_the_published_ones(tmp_path: Path) -> None:
    """The same inputs as the published table gives when it is read."""
    import gzip
    import os

    from glassnet.page.penguins import penguins

    path = Path(os.environ.get("GLASSNET_DATA", "")) / "penguins.csv.gz"
    if not path.is_file():
        pytest.skip("the tables are not there")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    measured = [line for line in lines if ",NA,NA,NA,NA," not in line and ",,,,," not in line]
    (tmp_path / "p.csv").write_text("\n".join(measured))
    columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    read_again = read_user_table(read_table(tmp_path / "p.csv"), "species", columns).table
    np.testing.assert_array_equal(penguins().y, read_again.y)
    np.testing.assert_allclose(penguins().x, read_again.x, rtol=1e-6, atol=1e-6)
