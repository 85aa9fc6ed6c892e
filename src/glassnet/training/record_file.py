"""The run file: one SQLite database, readable by anyone while it is written.

In: JSON values, rows of history, checkpoints. Out: the same again. Everything that belongs
together is written in one transaction, so that a file is whole whenever the writer dies.

    run(key, value)                        configuration, as JSON texts
    history(epoch, loss, validation_loss)  one row an epoch, counted from 1
    checkpoint(epoch, arrays, content)     after so many epochs: names, dtypes and shapes as JSON,
                                           and the bytes one after the other, little-endian
    data(name, arrays, content)            the data, where they are small
    result(one, sha256, content)           W as training left it
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import ModelFileError, OutputError
from glassnet.serialize import parse
from glassnet.training.record_disk import (
    APPLICATION,
    COPY,
    ROOM,
    address,
    check_file,
    empty,
    missing,
    tidy,
    unreadable,
    unwritable,
)
from glassnet.training.record_lock import WriterLock

FORMAT = 1
TABLES = """
CREATE TABLE run(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE history(epoch INTEGER PRIMARY KEY, loss REAL, validation_loss REAL);
CREATE TABLE checkpoint(
  epoch INTEGER PRIMARY KEY, arrays TEXT NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE data(name TEXT PRIMARY KEY, arrays TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE result(
  one INTEGER PRIMARY KEY CHECK (one = 1), sha256 TEXT NOT NULL, content BLOB NOT NULL);
"""


@dataclass(frozen=True)
class Checkpoint:
    """The state after so many epochs: "W", the optimiser's memory, what callbacks remember."""

    epoch: int
    arrays: dict[str, np.ndarray]
    notes: dict[str, Any]


class RunFile:
    """An open run file."""

    def __init__(self, path: Path, database: sqlite3.Connection, lock: WriterLock | None) -> None:
        self.path, self._database, self._lock = path, database, lock

    @classmethod
    def create(cls, path: str | Path) -> RunFile:
        """A file for a new run. What was there, if that was a run file too, is replaced by
        `put_tables`, in the transaction that writes the beginning of the new one."""
        place = Path(path)
        check_file(place)
        if place.exists() and place.stat().st_size and not empty(place):
            cls.read(place, "rw").close()  # never replaces anything but a run file
        return cls._opened(place)

    @classmethod
    def append(cls, path: str | Path) -> RunFile:
        """An existing file, to write more."""
        cls.read(path, "rw").close()
        return cls._opened(Path(path))

    @classmethod
    def _opened(cls, place: Path) -> RunFile:
        lock = WriterLock(place)
        try:
            database = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            lock.release()
            raise OutputError(f"{unwritable(place, error)}; {ROOM}") from error
        return cls(place, database, lock)

    @classmethod
    def read(cls, path: str | Path, mode: str = "ro") -> RunFile:
        """An existing file, to read only; ModelFileError where it is none. Who is about to write
        asks for "rw": that also undoes what a writer left that died while it made the file."""
        place = Path(path)
        if not place.is_file():
            raise missing(place)
        try:
            database = sqlite3.connect(address(place, mode), uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise unreadable(place, error) from None
        file = cls(place, database, None)
        try:
            file._check_kind()
        except BaseException:
            file.close()
            raise
        return file

    def _check_kind(self) -> None:
        if self.rows("PRAGMA application_id")[0][0] != APPLICATION:
            raise ModelFileError(f"{self.path} is no run file; name one that training has recorded")
        version = self.rows("PRAGMA user_version")[0][0]
        if version > FORMAT:
            raise ModelFileError(
                f"{self.path} has format {version}, this program reads up to {FORMAT}; "
                "update glassnet"
            )

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._database.close()
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None
            tidy(self.path)

    @contextmanager
    def change(self) -> Generator[sqlite3.Connection]:
        """One transaction: all of it or nothing; OutputError where the disk refuses."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise OutputError(f"{unwritable(self.path, error)}; {ROOM}") from error
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        # a disk that refused to write may refuse this too; the next to open the file does it then
        with suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        """What a query finds; ModelFileError where the file is damaged."""
        try:
            return self._database.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise unreadable(self.path, error) from None

    def values(self) -> dict[str, Any]:
        """The configuration."""
        found = self.rows("SELECT key, value FROM run")
        try:
            return {str(key): parse(value) for key, value in found}
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"{self.path} is damaged: {error}; {COPY}") from None

    def history(self) -> tuple[list[float], list[float]]:
        """Losses and validation losses, an epoch each. SQLite has no NaN: it keeps nothing, which
        is no validation only where no epoch had one."""
        rows = self.rows("SELECT loss, validation_loss FROM history ORDER BY epoch")
        found = [[math.nan if own is None else own for own in row] for row in rows]
        judged = any(row[1] is not None for row in rows)
        return [row[0] for row in found], [row[1] for row in found] if judged else []

    def epochs(self) -> list[int]:
        """After how many epochs there are checkpoints."""
        return [row[0] for row in self.rows("SELECT epoch FROM checkpoint ORDER BY epoch")]

    def checkpoint(self, upto: int) -> Checkpoint:
        """The last checkpoint that is not after so many epochs."""
        rows = self.rows(
            "SELECT epoch, arrays, sha256, content FROM checkpoint WHERE epoch <= ? "
            "ORDER BY epoch DESC LIMIT 1",
            upto,
        )
        if not rows:
            known = self.epochs()
            if known:
                raise ModelFileError(
                    f"{self.path} was recorded from the end of epoch {known[0]} on (after=…); what "
                    "came before is in the run file of that training, if it was recorded"
                )
            raise ModelFileError(f"{self.path} was ended before its first checkpoint; train again")
        epoch, text, digest, content = rows[0]
        self._check(content, digest, f"the checkpoint after epoch {epoch}")
        head = json.loads(text)
        return Checkpoint(epoch, unpacked(head["arrays"], content), head["notes"])

    def data(self) -> dict[str, dict[str, np.ndarray]]:
        """Training and validation data, where the file holds them."""
        rows = self.rows("SELECT name, arrays, content FROM data")
        return {name: unpacked(json.loads(arrays), content) for name, arrays, content in rows}

    def result(self) -> np.ndarray | None:
        """W as training left it, as bytes; None where training has not ended."""
        rows = self.rows("SELECT sha256, content FROM result")
        if not rows:
            return None
        self._check(rows[0][1], rows[0][0], "the result")
        return np.frombuffer(rows[0][1], np.uint8)

    def _check(self, content: bytes, digest: str, what: str) -> None:
        if hashlib.sha256(content).hexdigest() != digest:
            fault = f"{what} does not match its SHA-256"
            raise ModelFileError(f"{self.path} is damaged: {fault}; {COPY}")


def put_tables(database: sqlite3.Connection) -> None:
    """The tables of a new run in place of all that there were."""
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in found:
        database.execute(f'DROP TABLE "{name}"')
    for statement in TABLES.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {FORMAT}")


def put_values(database: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    texts = [(key, json.dumps(value)) for key, value in values.items()]
    database.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", texts)


def put_more(database: sqlite3.Connection, epoch: int, values: Mapping[str, Any]) -> None:
    """The run goes on after an epoch: with other values, without what came later and the end."""
    put_values(database, {**values, "ended": None})
    database.execute("DELETE FROM history WHERE epoch > ?", (epoch,))
    database.execute("DELETE FROM result")


def put_checkpoint(database: sqlite3.Connection, state: Checkpoint) -> None:
    content = packed(state.arrays)
    head = json.dumps({"arrays": described(state.arrays), "notes": state.notes})
    row = (state.epoch, head, hashlib.sha256(content).hexdigest(), content)
    database.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)", row)


def put_data(database: sqlite3.Connection, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    row = (name, json.dumps(described(arrays)), packed(arrays))
    database.execute("INSERT INTO data VALUES (?, ?, ?)", row)


def put_result(database: sqlite3.Connection, weights: np.ndarray) -> None:
    content = packed({"W": weights})
    row = (hashlib.sha256(content).hexdigest(), content)
    database.execute("INSERT OR REPLACE INTO result VALUES (1, ?, ?)", row)


def described(arrays: Mapping[str, np.ndarray]) -> list[list[Any]]:
    return [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of arrays one after the other."""
    return b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays.values())


def unpacked(heads: Sequence[Sequence[Any]], content: bytes) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    start = 0
    for name, dtype, shape in heads:
        stored = np.dtype(dtype).newbyteorder("<")
        count = int(np.prod(shape, dtype=int))
        part = np.frombuffer(content, stored, count, start)
        arrays[name] = part.astype(dtype).reshape(shape)
        start += count * stored.itemsize
    return arrays
