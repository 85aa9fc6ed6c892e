"""Record where a run's data came from, so that they are found when the run is opened.

In: a path for a run file, and the source of the data: a table and how it was read. Out: a
`Recording`, which `train(…, record=…)` takes instead of a path; and the source that a run file has.
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

    Parameters
    ----------
    path : str or Path
        The run file.
    source : mapping of str to JSON values, optional
        Where the data are, under names that the caller chooses. "table", if present, is the path of
        a file and is stored as an absolute path. Whether the data are unchanged is checked by their
        fingerprint, not by this.
    lock : WriterLock, optional
        The lock of a caller that writes several run files.
    overwrite : bool
        Replace a run that the file holds already.

    Raises
    ------
    TrainingError
        `source` cannot be written as JSON.
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
        """Return the source as a run file stores it, with the settings of each stream by the name
        of its data ("training", "validation"); None if nothing is known."""
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
    """Convert the argument `record=` to a Recording; TrainingError if it is not a path."""
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
    """Return the source of its data that a run file has (see `Recording`); None if it has none."""
    with RunFile.read(run) as file:
        source: dict[str, Any] | None = file.values().get("source")
    return source
