"""Read a run file.

In: the connection to a file whose tables were checked. Out: configuration, history, checkpoints,
data and the result, each value of the type and in the range that recording writes; ModelFileError
if one is not.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from glassnet.errors import ModelFileError
from glassnet.runs.checked_values import (
    described_sizes,
    parse_json,
    read_content,
    read_epoch,
    read_name,
    read_number,
    unpack_arrays,
)
from glassnet.runs.disk import COPY, missing_error, unreadable_error
from glassnet.runs.run_schema import (
    OF_DATA,
    StatementLimit,
    check_kind,
    check_schema,
    connect,
    is_blank,
    remove_reader_files,
)
from glassnet.words import plural

MANY = 100_000  # rows of a table, at most, except of the history
HISTORY = "the history"
T = TypeVar("T")


@dataclass(frozen=True)
class Checkpoint:
    """The state after `epoch` epochs: "W", the optimiser's state, the callbacks' states."""

    epoch: int
    arrays: dict[str, np.ndarray]
    notes: dict[str, Any]


class RunReader:
    """An open run file, to read it."""

    def __init__(self, path: Path, mode: str) -> None:
        """Open the file to read ("ro"), to write ("rw"), or to write and create it ("rwc")."""
        self.path, self._work = path, StatementLimit()
        self._tables: frozenset[str] = frozenset()
        if mode != "rwc" and not path.is_file():
            raise missing_error(path)
        try:
            self._database = connect(path, mode, self._work)
        except sqlite3.Error as error:
            raise unreadable_error(path, error) from None
        try:
            self._look(mode)
        except BaseException:
            self._database.close()
            remove_reader_files(path)
            raise

    def _look(self, mode: str) -> None:
        """Check that it is a run file, or a new one, before anything else is read."""
        try:
            if mode != "rwc" or not is_blank(self._database):
                check_kind(self.path, self._database)
                self._tables = check_schema(self.path, self._database)
        except sqlite3.Error as error:
            raise self._work.refused(self.path, error) or unreadable_error(
                self.path, error
            ) from None

    def _found(self, what: str, make: Callable[..., T], query: str, *arguments: Any) -> list[T]:
        """Return the rows of a query, each checked by `make`; ModelFileError if one is damaged."""
        self._work.begin()
        found: list[T] = []
        try:
            for row in self._database.execute(query, arguments):
                found.append(make(*row))
                if len(found) > MANY and what != HISTORY:
                    raise ValueError(f"it has more than {plural(MANY, 'row')}")
        except sqlite3.Error as error:
            raise self._work.refused(self.path, error) or unreadable_error(
                self.path, error
            ) from None
        except ValueError as error:
            raise ModelFileError(f"{self.path} is damaged: in {what} {error}; {COPY}") from None
        return found

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Return the rows of a query; ModelFileError if the file is damaged."""
        return self._found("a table", lambda *row: row, query, *arguments)

    def values(self) -> dict[str, Any]:
        """Return the configuration."""

        def setting(key: Any, text: Any) -> tuple[str, Any]:
            return read_name(key), parse_json(text)

        return dict(self._found("run", setting, "SELECT key, value FROM run"))

    def history(self) -> tuple[list[float], list[float]]:
        """Return losses and validation losses, one per epoch; no validation losses if no epoch has
        one. (SQLite stores NaN as NULL, so a single NULL is a NaN.)"""
        awaited = itertools.count(1)

        def row(epoch: Any, loss: Any, validation: Any) -> tuple[float, float, bool]:
            if epoch != next(awaited):
                raise ValueError(f"epoch {str(epoch)[:40]} is not in its place")
            judged = read_number(validation, "a validation loss")
            return read_number(loss, "a loss"), judged, validation is not None

        query = "SELECT epoch, loss, validation_loss FROM history ORDER BY epoch"
        rows = self._found(HISTORY, row, query)
        judged = any(known for _, _, known in rows)
        return [loss for loss, _, _ in rows], [value for _, value, _ in rows] if judged else []

    def last(self) -> tuple[int, float]:
        """Return the number of epochs done, and the loss of the last."""

        def row(epoch: Any, loss: Any) -> tuple[int, float]:
            return read_epoch(epoch), read_number(loss, "a loss")

        query = "SELECT epoch, loss FROM history ORDER BY epoch DESC LIMIT 1"
        return next(iter(self._found(HISTORY, row, query)), (0, math.nan))

    def epochs(self) -> list[int]:
        """Return the epochs after which there are checkpoints."""
        query = "SELECT epoch FROM checkpoint ORDER BY epoch"
        return self._found("checkpoint", read_epoch, query)

    def checkpoint(self, upto: int) -> Checkpoint:
        """Return the last checkpoint at or before epoch `upto`."""

        def row(epoch: Any, text: Any, digest: Any, length: Any) -> tuple[int, Any, Any, Any]:
            return read_epoch(epoch), text, digest, length

        heads = self._found(
            "checkpoint",
            row,
            "SELECT epoch, arrays, sha256, length(content) FROM checkpoint WHERE epoch <= ? "
            "ORDER BY epoch DESC LIMIT 1",
            upto,
        )
        if not heads:
            known = self.epochs()
            if known:
                raise ModelFileError(
                    f"{self.path} was recorded from the end of epoch {known[0]} on (after=…); what "
                    "came before is in the run file of that training, if it was recorded"
                )
            raise ModelFileError(f"{self.path} was ended before its first checkpoint; train again")
        epoch, text, digest, length = heads[0]

        def arrays(content: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            return unpack_arrays(head["arrays"], read_content(content, digest)), head["notes"]

        what = f"the checkpoint after epoch {epoch}"
        head = self._head(what, text, length)
        query = "SELECT content FROM checkpoint WHERE epoch = ?"
        return Checkpoint(epoch, *self._found(what, arrays, query, epoch)[0])

    def _head(self, what: str, text: Any, length: Any) -> dict[str, Any]:
        """Parse and check the description of a checkpoint, before its content is read."""
        try:
            head: Any = parse_json(text)
            if not isinstance(head, dict) or not isinstance(cast("Any", head).get("notes"), dict):
                raise ValueError("it says nothing of its arrays")
            if described_sizes(cast("Any", head).get("arrays"))[1] != length:
                raise ValueError(f"its arrays are not of {length} bytes")
        except ValueError as error:
            raise ModelFileError(f"{self.path} is damaged: in {what} {error}; {COPY}") from None
        return cast("dict[str, Any]", head)

    def data(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the training and validation data that the file holds, by name."""
        if not self.data_names():
            return {}

        def arrays(name: Any, text: Any, content: Any) -> tuple[str, dict[str, np.ndarray]]:
            return read_name(name), unpack_arrays(parse_json(text), read_content(content))

        return dict(self._found("data", arrays, "SELECT name, arrays, content FROM data LIMIT 20"))

    def data_names(self) -> set[str]:
        """Return the names of the stored data; the oldest files have no table for them."""
        if OF_DATA not in self._tables:
            return set()
        return set(self._found("data", read_name, "SELECT name FROM data LIMIT 20"))

    def result(self, like: np.ndarray | None = None) -> np.ndarray | None:
        """Return W at the end of training, as bytes; None if training has not ended. With `like`,
        ModelFileError unless W has as many bytes as `like`."""

        def content(digest: Any, content: Any) -> bytes:
            found = read_content(content, digest)
            if like is not None and len(found) != like.nbytes:
                raise ValueError(f"it has {len(found):,} bytes, and W {like.nbytes:,}")
            return found

        rows = self._found("the result", content, "SELECT sha256, content FROM result LIMIT 1")
        return np.frombuffer(rows[0], np.uint8) if rows else None
