"""The streams that a run was trained on, found again.

In: a run file. Out: what `resume` and `open_step` take as its data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from glassnet.tables.stream import stream
from glassnet.training.record_file import RunFile
from glassnet.training.record_settings import settings_of
from glassnet.training.resume import Given


def or_streamed(run: str | Path, given: Given) -> Given:
    """What the caller brought, or the streams of the run where no rows were brought."""
    if given.x is not None:
        return given
    found = streams_of(run)
    return replace(given, **found) if given.validation is None else given


def streams_of(run: str | Path, moved: str | None = None) -> dict[str, Any]:
    """x, and validation where it was a stream too; the files of x may have `moved`. Empty where
    the run file holds its data, or no stream was recorded."""
    with RunFile.read(run) as file:
        source: dict[str, Any] = settings_of(file).get("source") or {}
        held = bool(file.rows("SELECT name FROM data LIMIT 1"))
    told: dict[str, Any] = source.get("streams") or {}
    if "training" not in told or (held and moved is None):
        return {}
    first = told["training"] if moved is None else {**told["training"], "path": moved}
    found = {"x": stream(**first)}
    return found | ({"validation": stream(**told["validation"])} if "validation" in told else {})
