"""Where a run's data came from, so that whoever opens the run finds them again.

In: a path for a run file, and what is known of the data: a table and how it was read. Out: a
`Recording`, which `train(…, record=…)` takes in place of a path; and from a run file what it says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from glassnet.errors import TrainingError
from glassnet.runs.file import RunFile
from glassnet.runs.lock import WriterLock


@dataclass(frozen=True)
class Recording:
    """A run file to be written, and the source of its data.

    `source` is JSON values under names of the caller's choosing; "table", where it has one, is the
    path of a file and is kept as an absolute one. It tells where the data are, never whether they
    are still the same: for that there is their fingerprint. A run that the file holds already is
    replaced only to `overwrite` it. A caller that writes several run files holds one `lock` on all
    of them.
    """

    path: str | Path
    source: Mapping[str, Any] | None = None
    lock: WriterLock | None = field(default=None, compare=False, repr=False)
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.source is not None:
            try:
                json.dumps(dict(self.source), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise TrainingError(
                    f"Recording: source={self.source!r} cannot be written as JSON ({error}); "
                    "give texts, numbers, lists and mappings of them"
                ) from None

    def found(self, streams: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The source as a run file keeps it; with what the streams that the data came from say,
        by the name of the data ("training", "validation")."""
        if self.source is None and not streams:
            return None
        kept = dict(self.source or {})
        if streams:
            kept["streams"] = dict(streams)
        if isinstance(kept.get("table"), str):
            kept["table"] = str(Path(kept["table"]).absolute())
        return kept


def as_recording(
    record: str | Path | Recording | None, overwrite: bool = False
) -> Recording | None:
    """What `record=` was given, in one form."""
    if record is None:
        if overwrite:
            raise TrainingError("overwrite=True without record=: there is no run file to replace")
        return None
    if isinstance(record, Recording):
        return replace(record, overwrite=record.overwrite or overwrite)
    if not isinstance(record, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TrainingError(
            f"record={record!r}: wanted the path of a run file, record='run.glass', or a Recording"
        )
    return Recording(Path(record), overwrite=overwrite)


def source_of(run: str | Path) -> dict[str, Any] | None:
    """What a run file says about where its data came from; None where nobody knew."""
    with RunFile.read(run) as file:
        source: dict[str, Any] | None = file.values().get("source")
    return source
