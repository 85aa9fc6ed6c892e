"""Sheets of workbooks: which one, its cells by their types, and sizes that are made to do harm."""

from __future__ import annotations

import datetime
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from glassnet.errors import TableError
from glassnet.estimators.tabular.examine import TableColumns, understand
from glassnet.tables.limits import Limits
from glassnet.tables.read_table import read_table

ODS = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body>'
    '<office:spreadsheet><table:table table:name="One">{rows}</table:table></office:spreadsheet>'
    "</office:body></office:document-content>"
)
HEADER = ["a", "when", "at", "flag", "code", "n"]
ROWS: list[list[Any]] = [
    [1, datetime.date(2024, 1, 31), datetime.time(14, 30), True, "007", 2.5],
    [2, datetime.date(2024, 2, 29), datetime.time(0, 5), False, "013", 1e-7],
    [3, None, datetime.time(23, 59, 1), True, "101", 4],
]


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    found = openpyxl.Workbook()
    found.remove(found.active)
    for name, rows in sheets.items():
        sheet = found.create_sheet(name)
        for row in rows:
            sheet.append(row)
    found.save(path)
    return path


def looked_at(path: Path, **how: Any) -> TableColumns:
    return understand(read_table(path, **how))


def kinds(found: TableColumns) -> dict[str, str]:
    return {column.name: column.kind for column in found.columns}


def rules(found: TableColumns) -> list[str]:
    return [note.rule for note in found.notes]


def test_cells_by_their_types(tmp_path: Path) -> None:
    found = looked_at(book(tmp_path / "t.xlsx", Data=[HEADER, *ROWS * 3]))
    assert kinds(found) == {
        "a": "number", "when": "date", "at": "number", "flag": "boolean", "code": "category",
        "n": "number",
    }  # fmt: skip
    cells: dict[str, Any] = {column.name: column.cells for column in found.columns}
    assert cells["a"].values.tolist()[:3] == [1, 2, 3]
    assert cells["when"].missing.tolist()[:3] == [False, False, True]
    when = datetime.datetime(2024, 1, 31, tzinfo=datetime.UTC)
    assert cells["when"].values[0] == when.timestamp()
    assert cells["at"].values.tolist()[:3] == [52200, 300, 86341]
    assert cells["code"].tolist()[:3] == ["007", "013", "101"]
    assert cells["n"].values.tolist()[:3] == [2.5, 1e-7, 4]
    assert rules(found) == ["clock"]


def test_sheets(tmp_path: Path) -> None:
    first, second = [["x"], *[[i] for i in range(5)]], [["z"], *[[i] for i in range(3)]]
    path = book(tmp_path / "t.xlsx", Read=[["me"]], One=first, Two=second)
    found = looked_at(path)
    assert (kinds(found), rules(found)) == ({"x": "number"}, ["sheet"])
    assert "pass --sheet Two" not in str(found.notes[0])  # Python has no such parameter
    for name in ("Two", "two", "3"):
        assert kinds(looked_at(path, sheet=name)) == {"z": "number"}
    with pytest.raises(TableError, match=r"no sheet 'Three'; its sheets are 'Read', 'One', 'Two'"):
        read_table(path, sheet="Three")
    with pytest.raises(TableError, match="no sheet with a row of names"):
        read_table(book(tmp_path / "e.xlsx", One=[["x"]]))
    plain = tmp_path / "t.csv"
    plain.write_text("a\n1\n")
    with pytest.raises(TableError, match="not a workbook"):
        read_table(plain, sheet="One")


def test_hidden_sheets_are_not_chosen(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", One=[["x"], [1]], Two=[["y"], [1]])
    found = openpyxl.load_workbook(path)
    found["One"].sheet_state = "hidden"
    found.save(path)
    assert list(read_table(path).names) == ["y"]
    assert list(read_table(path, sheet="One").names) == ["x"]


def test_formulas_without_values_are_said(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", One=[["x", "y"], [1, "=A2*2"], [2, "=A3*2"]])
    found = looked_at(path)
    assert (kinds(found), rules(found)) == ({"x": "number", "y": "empty"}, ["formulas"])


def test_empty_rows_and_columns_are_left_out(tmp_path: Path) -> None:
    rows = [
        [],
        [None, None, "x", None, "y"],
        [],
        [None, None, 1, None, 2],
        [None, None, 3, None, 4],
    ]
    found = read_table(book(tmp_path / "t.xlsx", One=rows))
    assert (found.rows, list(found.names)) == (2, ["x", "y"])


def ods(path: Path, rows: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", ODS.format(rows=rows))
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    return path


def cell(text: str, kind: str = "string", value: str = "", more: str = "") -> str:
    said = f' office:{"date-" if kind == "date" else ""}value="{value}"' if value else ""
    return (
        f'<table:table-cell office:value-type="{kind}"{said}{more}><text:p>{text}</text:p>'
        "</table:table-cell>"
    )


def test_open_document(tmp_path: Path) -> None:
    rows = f"<table:table-row>{cell('a')}{cell('d')}</table:table-row>"
    for number in range(1, 4):
        when = cell("31.01.24", "date", f"2024-01-{number:02}")
        rows += f"<table:table-row>{cell('1,5', 'float', f'{number}.5')}{when}</table:table-row>"
    rows += (
        '<table:table-row table:number-rows-repeated="1048572"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>'
    )
    found = looked_at(ods(tmp_path / "t.ods", rows))
    assert kinds(found) == {"a": "number", "d": "date"}
    cells: Any = found.columns[0].cells
    assert cells.values.tolist() == [1.5, 2.5, 3.5]


def test_cells_that_would_fill_a_memory(tmp_path: Path) -> None:
    far = openpyxl.Workbook()
    far.active["A1"], far.active["XFD1048576"] = "a", 1
    far.save(tmp_path / "far.xlsx")
    again = (
        f'<table:table-row table:number-rows-repeated="1000000">'
        f"""{cell("a", more=' table:number-columns-repeated="1000"')}</table:table-row>"""
    )
    for path in (tmp_path / "far.xlsx", ods(tmp_path / "far.ods", again)):
        with pytest.raises(TableError, match="cells that take more than"):
            read_table(path)


def test_xml_that_would_fill_a_memory(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", One=[["x"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/x.xml", b" " * 3_000_000)
    with pytest.raises(TableError, match="unpacks to more than 2 MB"):
        read_table(path, limits=Limits(size=2_000_000))


@pytest.mark.parametrize("name", ["xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_damage_is_a_sentence(tmp_path: Path, name: str) -> None:
    path, content = book(tmp_path / "t.xlsx", One=[["x"], [1]]), io.BytesIO()
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(content, "w") as bad:
        for own in good.namelist():
            bad.writestr(own, good.read(own)[: 60 if own == name else None])
    path.write_bytes(content.getvalue())
    with pytest.raises(TableError, match="workbook"):
        read_table(path)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(TableError, match=r"pip install 'glassnet\[excel\]'"):
        read_table(book(tmp_path / "t.xlsx", One=[["x"], [1]]))
