"""The run file: one SQLite database, which others can read while it is written.

In: JSON values, rows of history, checkpoints. Out: the same again. What belongs together is
written in one transaction, so that the file stays consistent whenever the writer is killed.

    run(key, value)                        configuration, as JSON texts
    history(epoch, loss, validation_loss)  one row per epoch, counted from 1
    checkpoint(epoch, arrays, content)     the state after `epoch` epochs: names, dtypes and shapes
                                           as JSON, and the bytes in this order, little-endian
    data(name, arrays, content)            the data, if they are small
    result(one, sha256, content)           W at the end of training
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import warnings
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import ModelFileError, OutputError, RecordingWarning
from glassnet.outputs import check_no_part
from glassnet.runs.checked_values import describe_arrays, pack_arrays
from glassnet.runs.disk import (
    FileGoneError,
    check_alone,
    check_file,
    check_sides,
    missing_error,
    unwritable_reason,
    way_out,
)
from glassnet.runs.lock import WriterLock
from glassnet.runs.moved import Spot, free_name
from glassnet.runs.run_reader import Checkpoint, RunReader
from glassnet.runs.run_schema import (
    WAIT,
    check_schema,
    connect,
    is_blank,
    make_tables,
    remove,
    remove_reader_files,
)
from glassnet.words import plural

__all__ = ["Checkpoint", "RunFile", "extent_json"]

EXISTS = (
    "{} holds a run already ({}), which stays as it is\n"
    "  right: another name for the new run\n"
    "  right: {}, which replaces what the file holds{}"
)
GO_ON = "\n  right: `glassnet resume {}`, or gn.resume in Python, which finishes that run"
GO_ON_FIT = "\n  right: {1}(record='{0}', …).resume(X, y), which finishes that fit"


def extent_json(file: RunReader) -> tuple[str, str] | None:
    """Return how many epochs of its run a file holds, and how to train the rest ("" if finished);
    None if it holds no run."""
    values = file.values()
    if not values:
        return None
    done = len(file.history()[0])
    ended: dict[str, Any] = values.get("ended") or {}
    if ended.get("stopped") in ("epochs", "early", "converged", "diverged"):
        return f"{plural(done, 'epoch')}, finished", ""
    far = f"{done} of {plural(values.get('epochs', 0), 'epoch')}, unfinished"
    kind = values.get("estimator")
    return far, (GO_ON_FIT if kind else GO_ON).format(file.path, kind)


class RunFile(RunReader):
    """An open run file.

    `path` may change while the file is written: a renamed file is followed, a removed one is
    written again. Each such event adds a message to `notes`."""

    def __init__(self, path: Path, mode: str) -> None:
        self.notes: list[str] = []
        self._lock: WriterLock | None = None
        self._owns = False  # whether `close` releases the lock
        self._made = mode == "rwc" and not path.exists()
        self._schema: int | None = None  # SQLite's `schema_version`, which counts changes
        self._spot: Spot | None = None
        self._loose = False  # the file was renamed, and its new path is unknown
        self._lost: FileGoneError | None = None
        self._other: Path | None = None  # the path where another program writes it now
        super().__init__(path, mode)

    @classmethod
    def create(
        cls,
        path: str | Path,
        lock: WriterLock | None = None,
        overwrite: bool = False,
        way: str = "overwrite=True",
    ) -> RunFile:
        """Open a file for a new run.

        OutputError if the file holds a run already; the message names `way`, the option that
        replaces it. With `overwrite`, `begin` replaces the old run in the transaction that writes
        the beginning of the new one. A `lock` that covers the file is used and not released."""
        file = cls._locked(Path(path), "rwc", lock)
        try:
            blank = is_blank(file._database)
            if not (overwrite or blank) and (kept := extent_json(file)):
                raise OutputError(EXISTS.format(path, kept[0], way, kept[1]))
        except BaseException:
            file.close()
            raise
        return file

    @classmethod
    def append(cls, path: str | Path, lock: WriterLock | None = None) -> RunFile:
        """Open an existing file to write more."""
        return cls._locked(Path(path), "rw", lock)

    @classmethod
    def read(cls, path: str | Path, mode: str = "ro") -> RunFile:
        """Open an existing file to read it; ModelFileError if it is not a run file.

        Mode "rw" is for a caller that will write: it also rolls back what a killed writer left."""
        return cls(Path(path), mode)

    @classmethod
    def _locked(cls, place: Path, mode: str, lock: WriterLock | None) -> RunFile:
        if mode == "rw" and not place.is_file():
            raise missing_error(place)
        check_file(place)
        check_alone(place)
        if mode == "rwc":
            check_no_part(place)
        owns = lock is None or not lock.covers(place)
        lock_held = WriterLock(place) if owns or lock is None else lock
        try:
            file = cls(place, mode)
        except BaseException:
            if owns:
                lock_held.release()
            raise
        file._lock, file._owns = lock_held, owns
        try:
            file._configure_writer(place)
        except BaseException:
            file.close()
            raise
        return file

    def _configure_writer(self, place: Path) -> None:
        """Set SQLite's options for writing."""
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._remember_state(place)
        except (sqlite3.Error, OSError) as error:
            raise _refused_error(self.path, error) from error

    def _remember_state(self, place: Path) -> None:
        """Remember the file's identity and schema, to recognise it later."""
        self._spot = Spot.of(place)
        self._schema = self._database.execute("PRAGMA schema_version").fetchone()[0]

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._disconnect()
        finally:
            if self._lock is not None and self._owns:
                self._lock.release()
            self._lock = self._spot = None
            remove_reader_files(self._other or self.path)
        for note in self.notes:
            warnings.warn(note, RecordingWarning, stacklevel=2)

    def _disconnect(self) -> None:
        nothing = False
        with suppress(OutputError, sqlite3.Error):
            self.follow()
            if self._loose:
                self._checkpoint_log()
            nothing = self._made and is_blank(self._database)
        self._database.close()
        if nothing:  # this process created the file, and wrote nothing to it
            with suppress(OSError):
                remove(self.path)
        if self._spot is not None and (self._loose or self._lost is not None):
            self._spot.clear()  # SQLite does not remove the log of a renamed file

    @contextmanager
    def begin(self) -> Generator[sqlite3.Connection]:
        """Open one transaction that replaces the file's content by the tables of a new run, with
        what the caller writes into them."""
        if self._tables:
            with self._replacement() as database:
                yield database
        else:
            with self.change() as database:
                make_tables(database)
                yield database
        self._tables = check_schema(self.path, self._database)
        with suppress(sqlite3.Error):  # so that a file renamed later already has the beginning
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._mark()

    @contextmanager
    def _replacement(self) -> Generator[sqlite3.Connection]:
        """Yield a database in memory that then replaces the file's content, page by page. Dropping
        the old tables instead would have to read the old file."""
        try:
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
                size = self._database.execute("PRAGMA page_size").fetchone()[0]
                fresh.execute(f"PRAGMA page_size = {int(size)}")
                make_tables(fresh)
                yield fresh
                self.follow()
                _copy(fresh, self._database, self.path)
        except sqlite3.Error as error:
            raise _refused_error(self.path, error) from error

    @contextmanager
    def change(self) -> Generator[sqlite3.Connection]:
        """Open one transaction, which is written completely or not at all; OutputError if the disk
        refuses."""
        self.follow()
        database = self._database
        self._work.begin()
        try:
            database.execute("BEGIN IMMEDIATE")
            self._check_same()
            yield database
            database.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            self._work.refused(self.path, error)
            raise _refused_error(self.path, error) from error
        except BaseException:
            self._roll_back()
            raise
        if self._loose:
            self._checkpoint_log()
        self._mark()

    def _check_same(self) -> None:
        """Check the schema again if it changed, so that nothing of another program is run."""
        found = self._database.execute("PRAGMA schema_version").fetchone()[0]
        if self._tables and found != self._schema:
            check_schema(self.path, self._database)
            self._schema = found

    def _mark(self) -> None:
        """Remember the file as this process left it."""
        with suppress(OSError, sqlite3.Error):
            if self._spot is None:
                return
            if self._spot.is_there():
                self._remember_state(self._spot.path)
                return
            found = self._spot.now()[1]
            if found is not None:
                self._spot = replace(self._spot, found=found)

    def _roll_back(self) -> None:
        # a disk that refused to write may refuse this too; then the next opening rolls back
        with suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def follow(self) -> None:
        """Follow the file to its new path if it was moved, or write it again if it was removed;
        FileGoneError if neither is possible."""
        if self._lost is not None:
            raise self._lost
        if self._spot is None or self._spot.is_there():
            return
        place, found = self._spot.now()
        if found is None or found.st_nlink == 0:
            self._write_again(self._spot)
        elif not self._spot.is_untouched(place, found):
            self._lost = FileGoneError(
                f"{self.path} was renamed while it was recorded, and another program has written "
                "to it since; its recording ended there"
            )
            self._other = place
            raise self._lost
        elif place is not None:
            self._reopen_at(place, self._spot)
        elif not self._loose:
            self._loose = True
            self.notes.append(
                f"{self.path} was moved while it was recorded, to where is not known; the "
                "recording goes on in it"
            )

    def _reopen_at(self, place: Path, spot: Spot) -> None:
        assert self._lock is not None
        reason = f"{self.path} was renamed to {place} while it was recorded"
        try:
            self._lock.take(place)
            check_sides(place)
        except (OutputError, ModelFileError) as error:
            self._lost = FileGoneError(f"{reason}, where it is not recorded on: {error}")
            raise self._lost from None
        if not self._checkpoint_log():
            return  # another program reads the log under the old name; try again next time
        self._database.close()
        spot.clear()
        try:
            self._database = connect(place, "rw", self._work)
            self._loose = False
            self._configure_writer(place)
        except (sqlite3.Error, ModelFileError, OutputError) as error:
            self._lost = FileGoneError(f"{reason}, and cannot be written there: {error}")
            raise self._lost from None
        self.notes.append(f"{reason}; the recording goes on there")
        self.path = self.path.with_name(place.name) if place.parent == spot.path.parent else place

    def _write_again(self, spot: Spot) -> None:
        """Copy the removed file from this process's open handle to a new file."""
        assert self._lock is not None
        place: Path | None = spot.path
        if not spot.path.parent.is_dir():
            raise FileGoneError(f"{self.path} was removed while it was recorded, with its folder")
        if os.path.lexists(spot.path):
            place = free_name(spot.path)
        if place is None:
            raise FileGoneError(f"{self.path} was replaced by another file while it was recorded")
        self._lock.take(place)
        spot.clear()
        old, self._database = self._database, self._copy_of_run(place)
        old.close()
        self._configure_writer(place)
        what = "removed" if place == spot.path else "replaced by another file"
        new = self.path.with_name(place.name)
        self.notes.append(f"{self.path} was {what} while it was recorded; it was written to {new}")
        self.path = new

    def _copy_of_run(self, place: Path) -> sqlite3.Connection:
        """Copy the run to a new file and return its connection; if that fails, remove the file."""
        made = None
        try:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            made = connect(place, "rw", self._work)
            _copy(self._database, made, place)
        except BaseException as error:
            if made is not None:
                made.close()
            with suppress(OSError):
                place.unlink()
            if isinstance(error, (OSError, sqlite3.Error, ModelFileError)):
                raise _refused_error(place, error) from error
            raise
        return made

    def _checkpoint_log(self) -> bool:
        """Write the whole log into the database file; False if a reader of the log prevents it."""
        try:
            self._database.execute("PRAGMA busy_timeout = 200")
            busy = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._database.execute(f"PRAGMA busy_timeout = {int(WAIT * 1000)}")
        except sqlite3.Error as error:
            raise _refused_error(self.path, error) from error
        self._mark()
        return not busy


def _refused_error(place: Path, error: Exception) -> OutputError:
    return OutputError(f"{unwritable_reason(place, error)}; {way_out(place, error)}")


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, place: Path) -> None:
    """Replace the database `target` by `source` in one transaction."""

    def heard(status: int, _left: int, _all: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise OutputError(
                f"{place} cannot be written: another program holds it; close that, or record to "
                "another file"
            )

    try:
        source.backup(target, progress=heard)
    except sqlite3.Error as error:
        raise _refused_error(place, error) from error


def put_values(database: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    texts = [(key, json.dumps(value)) for key, value in values.items()]
    database.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", texts)


def put_continuation(database: sqlite3.Connection, epoch: int, values: Mapping[str, Any]) -> None:
    """Let the run continue after `epoch`: set `values`; delete later epochs and the result."""
    put_values(database, {**values, "ended": None})
    database.execute("DELETE FROM history WHERE epoch > ?", (epoch,))
    database.execute("DELETE FROM result WHERE one = 1")  # the only row; found without a full scan


def put_checkpoint(database: sqlite3.Connection, state: Checkpoint) -> None:
    content = pack_arrays(state.arrays)
    head = json.dumps({"arrays": describe_arrays(state.arrays), "notes": state.notes})
    row = (state.epoch, head, hashlib.sha256(content).hexdigest(), content)
    database.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)", row)


def put_data(database: sqlite3.Connection, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    row = (name, json.dumps(describe_arrays(arrays)), pack_arrays(arrays))
    database.execute("INSERT INTO data VALUES (?, ?, ?)", row)


def put_result(database: sqlite3.Connection, weights: np.ndarray) -> None:
    content = pack_arrays({"W": weights})
    row = (hashlib.sha256(content).hexdigest(), content)
    database.execute("INSERT OR REPLACE INTO result VALUES (1, ?, ?)", row)
