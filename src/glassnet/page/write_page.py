"""`gn.play`: write the page as a file and open it in a browser.

In: nothing, or a table and its target. Out: the path of the page.
"""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from glassnet.errors import TableError
from glassnet.outputs import check_writable, replacing
from glassnet.page.built_in import TABLES
from glassnet.page.built_in import table as built_in
from glassnet.page.document import page
from glassnet.page.notebook import in_notebook
from glassnet.page.notebook import widget as page_widget
from glassnet.page.opened import opened_model, opened_run
from glassnet.page.point_sets import PageTable
from glassnet.page.user_table import UserTable, read_user_table
from glassnet.runs.disk import is_run
from glassnet.tables.frames import frame_columns, is_frame, mapping_columns
from glassnet.tables.from_memory import table_of
from glassnet.tables.read_table import read_table


def play(
    table: Any = None,
    *,
    target: str | None = None,
    columns: Sequence[str] = (),
    rows: str | Path | None = None,
    member: int | None = None,
    output: str | Path | None = None,
    lecture: bool = False,
    show: bool = True,
    widget: bool = False,
) -> Path | Any:
    """Write a page on which a network trains, and open it in the browser.

    Parameters
    ----------
    table : str, Path, data frame, mapping or None
        None for the built-in tables; the name of one of them to start with; the path of a table
        that `glassnet fit` reads; a data frame or a mapping from column names to values; a run
        file, which is opened at its last checkpoint; or the model file of a table or a network.
    target, columns : str, sequence of str
        The column to predict, of a table or of a model of several targets; the feature columns.
    rows, member : path, int
        With a model file: the table whose rows are shown (for a plain network, the name of a
        built-in one), and the network (from 1) of an ensemble such as `glassnet fit` trains.
    output : path
        Where the page is written; by default in a new temporary folder.
    lecture, show, widget : bool
        Start with the lecture; open a browser; return a notebook widget (extra `[notebook]`).

    Returns the path of the page, one HTML file that works without a network, or the widget.
    TableError if no model can be trained on the table, GlassnetError if the page cannot show a run.
    """
    path, _ = write_page(table, target, columns, output, lecture, rows, member)
    if widget:
        return page_widget(path.read_text(encoding="utf-8"))
    if show and not in_notebook(path):
        webbrowser.open(path.resolve().as_uri())
    return path


def write_page(
    given: Any,
    target: str | None,
    columns: Sequence[str],
    output: str | Path | None,
    lecture: bool = False,
    rows: str | Path | None = None,
    member: int | None = None,
) -> tuple[Path, tuple[str, ...]]:
    """Write the page; return its path, and notes on the decisions made about the table."""
    if output is not None:
        sources = [
            source
            for source in (given, rows)
            if isinstance(source, str | Path) and Path(source).exists()
        ]
        check_writable(output, *sources, example="page.html")
    begin = _begin(given, target, columns, rows, member)
    text = page(begin.tables, begin.start, lecture, begin.state)
    path = Path(tempfile.mkdtemp(prefix="glassnet-")) / "page.html" if output is None else output
    with replacing(path, "-o") as file:
        file.write(text.encode())
    return Path(path), begin.notes


@dataclass(frozen=True)
class _Begin:
    """The tables of a page and the state from which it starts."""

    tables: list[PageTable]
    start: str
    notes: tuple[str, ...] = ()
    state: Mapping[str, Any] | None = None


def _begin(
    given: Any,
    target: str | None,
    columns: Sequence[str],
    rows: str | Path | None,
    member: int | None,
) -> _Begin:
    tables = [make() for make in TABLES.values()]
    if isinstance(given, str | Path):
        run, model = is_run(Path(given)), Path(given).suffix == ".safetensors"
        if run or model:
            if columns or (run and (rows is not None or target is not None)):
                what = "run" if run else "model"
                raise TableError(f"{given} is a {what}, which knows its columns; name it alone")
            opened = opened_run(given, member) if run else opened_model(given, rows, member, target)
            others = [table for table in tables if table.name != opened.table.name]
            return _Begin([opened.table, *others], opened.table.name, opened.notes, opened.state)
    if rows is not None:
        raise TableError("rows are shown with a model file; name one, such as model.safetensors")
    if member is not None:
        raise TableError("a member is one of an ensemble of networks; name its model or its run")
    if given is None:
        if target is not None:
            raise TableError(f"target={target!r} is a column of a table; name the table, too")
        return _Begin(tables, "moons")
    if isinstance(given, str) and given.lower() in TABLES and target is None:
        return _Begin(tables, built_in(given).name)
    if target is None:
        raise TableError(
            f"which column of {_name(given)} is to be predicted? name it as the target"
        )
    seen = _read_table(given, target, columns)
    return _Begin([seen.table, *tables], seen.table.name, seen.notes)


def _name(given: Any) -> str:
    return Path(given).name if isinstance(given, str | Path) else "the table"


def _read_table(given: Any, target: str, columns: Sequence[str]) -> UserTable:
    if isinstance(given, str | Path):
        opened = read_table(str(given))
        name = Path(given).name.split(".")[0]
    else:
        opened, name = _in_memory(given), "your table"
    seen = read_user_table(opened, target, columns)
    return UserTable(replace(seen.table, name=name), seen.notes)


def _in_memory(given: Any) -> Any:
    if is_frame(given):
        return table_of(frame_columns(given), "the table")
    if isinstance(given, Mapping):
        named = cast("Mapping[Any, Any]", given)
        return table_of(mapping_columns(named), "the table")
    kind = "an array" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"
    raise TableError(
        f"the table is {kind}; wanted a path, a data frame, or a mapping from names to columns"
    )
