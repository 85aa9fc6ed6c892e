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
    """How much of its run a file holds, and the way to the rest if there is any; None where it
    holds none."""
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
    """An open run file. `path` is where it is, which may change while it is written: a file that is
    renamed is followed, one that is removed is written again; `notes` tells of it."""

    def __init__(self, path: Path, mode: str) -> None:
        self.notes: list[str] = []
        self._lock: WriterLock | None = None
        self._owns = False  # whether the lock is released with the file
        self._made = mode == "rwc" and not path.exists()
        self._schema: int | None = None  # by what SQLite counts changes of the schema
        self._spot: Spot | None = None
        self._loose = False  # it was renamed, to where is not known
        self._lost: FileGoneError | None = None
        self._other: Path | None = None  # where another program writes it now
        super().__init__(path, mode)

    @classmethod
    def create(
        cls,
        path: str | Path,
        lock: WriterLock | None = None,
        overwrite: bool = False,
        way: str = "overwrite=True",
    ) -> RunFile:
        """A file for a new run; OutputError where it holds another one, with the `way` out. To
        `overwrite` that, if it is a run file, is left to `begin`, in the transaction that writes
        the beginning of the new one. The `lock` of a caller is used where it covers the file, and
        not released."""
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
        """An existing file, to write more."""
        return cls._locked(Path(path), "rw", lock)

    @classmethod
    def read(cls, path: str | Path, mode: str = "ro") -> RunFile:
        """An existing file, to read only; ModelFileError where it is none. Who is about to write
        asks for "rw": that also undoes what a writer left that died while it made the file."""
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
        """What a file is set to that is to be written."""
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._remember_state(place)
        except (sqlite3.Error, OSError) as error:
            raise _refused_error(self.path, error) from error

    def _remember_state(self, place: Path) -> None:
        """Remember the file as it is, so that it is known again."""
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
        if nothing:  # it was made in vain
            with suppress(OSError):
                remove(self.path)
        if self._spot is not None and (self._loose or self._lost is not None):
            self._spot.clear()  # of a file that was renamed SQLite leaves the log

    @contextmanager
    def begin(self) -> Generator[sqlite3.Connection]:
        """One transaction that puts the tables of a new run, and what the caller puts into them,
        in place of all that there is."""
        if self._tables:
            with self._replacement() as database:
                yield database
        else:
            with self.change() as database:
                make_tables(database)
                yield database
        self._tables = check_schema(self.path, self._database)
        with suppress(sqlite3.Error):  # a file that is renamed has the beginning in it by then
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._mark()

    @contextmanager
    def _replacement(self) -> Generator[sqlite3.Connection]:
        """A database in memory that takes the place of what the file holds, page by page: of an old
        file nothing is read, as it would be to drop its tables."""
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
        """One transaction: all of it or nothing; OutputError where the disk refuses."""
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
        """Whether the tables are those that were looked at: nothing of another program is run."""
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
        # a disk that refused to write may refuse this too; the next to open the file does it then
        with suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def follow(self) -> None:
        """Go where the file has been moved meanwhile, or write it again where it was removed; Gone
        where neither can be done."""
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
            return  # someone reads the log of the old name; the next time
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
        """The file was removed: what was recorded is copied from what this process has open."""
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
        """A new file with all that there is, open; none where the disk refuses."""
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
        """Put all that is in the log into the file, wherever that is; False where a reader of the
        log is in the way."""
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
    """All of a database in place of another, in one transaction."""

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
    """The run goes on after an epoch: with other values, without what came later and the end."""
    put_values(database, {**values, "ended": None})
    database.execute("DELETE FROM history WHERE epoch > ?", (epoch,))
    database.execute("DELETE FROM result WHERE one = 1")  # never more; and no walk of all pages


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
