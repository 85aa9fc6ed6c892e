"""Open the streams that a run was trained on again.

In: a run file. Out: the data of the run, as `resume` and `open_step` take them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from glassnet.runs.file import RunFile
from glassnet.runs.paths import as_path, check_beside, is_beside
from glassnet.runs.resume_run import RunData
from glassnet.runs.run_settings import settings_of
from glassnet.tables.stream import Stream, stream


def with_streams(run: str | Path, given: RunData) -> RunData:
    """Return `given`, with the streams of the run if the caller passed no rows."""
    if given.x is not None:
        return given
    found = streams_of(run)
    return replace(given, **found) if given.validation is None else given


def streams_of(run: str | Path, moved: str | None = None, trust: bool = False) -> dict[str, Any]:
    """Return the streams of a run as {"x": …, "validation": …}; empty if the run file holds its
    data or no stream was recorded. `moved` is a new path of the training files. Files outside the
    run's folder are read only with `trust`, else UntrustedError."""
    with RunFile.read(run) as file:
        source: dict[str, Any] = settings_of(file).get("source") or {}
        has_rows = bool(file.rows("SELECT name FROM data LIMIT 1"))
    streams: dict[str, Any] = source.get("streams") or {}
    if "training" not in streams or (has_rows and moved is None):
        return {}
    found = {"x": _stream(run, streams["training"], moved, trust)}
    apart = streams.get("validation")
    return found if apart is None else found | {"validation": _stream(run, apart, None, trust)}


def _stream(run: str | Path, described: dict[str, Any], moved: str | None, trust: bool) -> Stream:
    """Open a stream as the run file describes it, or the files at `moved` instead."""
    columns: dict[str, Any] = {name: described[name] for name in ("target", "features", "weight")}
    path: Any = described["path"]
    files = [as_path(run, name) for name in ([path] if isinstance(path, str) else path)]
    scratch = described["scratch"]
    if not trust and moved is None:
        advice = f"name them yourself: {run} FILES, or in Python x=gn.stream(FILES, target=…)"
        check_beside(run, files, advice)
    if scratch is not None and not (trust or is_beside(run, as_path(run, scratch))):
        scratch = None  # the folder for temporary files does not change the numbers
    return stream(files if moved is None else moved, scratch=scratch, **columns)
