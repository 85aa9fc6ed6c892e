"""What lies at the path of a run file, and what the disk says to it.

In: paths, and SQLite's errors. Out: whether there is a run file, the address to open it by, a
folder as it was before, and errors that say what to do.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from glassnet.errors import ModelFileError, OutputError

APPLICATION = 0x676C6173  # "glas"
MARKED_AT = 68  # where SQLite keeps the application of a database
ROOM = "make room, or record to another folder; what the file held before is whole"
COPY = "restore it from a copy, or train again"
LEAST = 1 << 16  # bytes: with fewer left a disk is as good as full


def is_run(place: Path) -> bool:
    """Whether this begins as a run file does, damaged or of a later format as it may be. Of one
    that is being written, or was when its writer died, the mark may still be in the log.

    Not for a file that this process may be writing: to close it would drop SQLite's locks on it."""
    if not place.is_file():  # to open a pipe would wait for a writer
        return False
    try:
        with place.open("rb") as file:
            head = file.read(MARKED_AT + 4)
    except OSError:
        return False
    marked = head[MARKED_AT:] == APPLICATION.to_bytes(4, "big")
    return marked or (head.startswith(b"SQLite format 3") and log_of(place).exists())


def empty(place: Path) -> bool:
    """Whether this is a database without a table: what a writer leaves that dies at once."""
    try:
        with closing(sqlite3.connect(address(place, "rw"), uri=True)) as database:
            return not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error:
        return False


def log_of(place: Path) -> Path:
    """SQLite's log of what is not in the file yet."""
    return place.with_name(place.name + "-wal")


def lock_of(place: Path) -> Path:
    """The lock of the one who writes the file; whoever is killed leaves it behind."""
    return place.with_name(place.name + "-lock")


def address(place: Path, mode: str) -> str:
    """For SQLite. To read, it makes files beside the file: where it may not, or could not remove
    them, and nothing is in the log, the file is all that there is."""
    may = os.access(place.absolute().parent, os.W_OK) and os.access(place, os.W_OK)
    alone = mode == "ro" and not may and not _size(log_of(place))
    return f"file:{quote(str(place.absolute()))}?mode={mode}{'&immutable=1' if alone else ''}"


def tidy(place: Path) -> None:
    """Let SQLite remove the files that it made beside a run file to read it: it does for the last
    who leaves, if that one may write. A run that has a writer, or had one that died, stays as it
    is."""
    if not log_of(place).exists() or lock_of(place).exists():
        return
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(address(place, "rw"), uri=True)) as database,
    ):
        database.execute("PRAGMA schema_version").fetchone()


def check_file(place: Path) -> None:
    """OutputError where a folder is in the place of a file."""
    if place.is_dir():
        raise OutputError(
            f"record={str(place)!r} is a folder; name a file in it: "
            f"record={str(place / 'run.glass')!r}"
        )


def missing(place: Path) -> ModelFileError:
    """There is no file to read."""
    if place.is_dir():
        return ModelFileError(
            f"{place} is a folder; name a run file in it (`glassnet runs {place}` lists them)"
        )
    return ModelFileError(f"{place} does not exist; record one with train(…, record=…)")


def unreadable(place: Path, error: sqlite3.Error) -> ModelFileError:
    """What a file is that SQLite does not open: another one, or one that the disk does not give."""
    if error.sqlite_errorname == "SQLITE_NOTADB":
        return ModelFileError(f"{place} is no run file; name one that training has recorded")
    if error.sqlite_errorname == "SQLITE_CORRUPT":
        return ModelFileError(f"{place} is damaged: {error}; {COPY}")
    if error.sqlite_errorname == "SQLITE_CANTOPEN" and _size(log_of(place)):
        if not os.access(log_of(place), os.R_OK):
            return ModelFileError(
                f"{place} cannot be read without {log_of(place).name}, which has a part of it and "
                "which you may not read; have its owner allow it: chmod a+r"
            )
        return ModelFileError(
            f"{place} cannot be read where it is, since a part of it is in {log_of(place).name}, "
            "which SQLite reads only in a folder that it may write; copy both files to one"
        )
    return ModelFileError(f"{place} cannot be read: {error}; check the disk, then try again")


def unwritable(place: Path, error: BaseException) -> str:
    """Why the disk does not take a run file. SQLite calls a full disk an I/O error where it is not
    a plain write that found no room, as a quota and a limit on the size of files always are."""
    name, folder = str(getattr(error, "sqlite_errorname", "")), place.absolute().parent
    refused, free = name.startswith("SQLITE_IOERR"), LEAST
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
    if name == "SQLITE_FULL" or (refused and free < LEAST):
        reason = "the disk is full"
    elif refused:
        reason = (
            f"the disk refused ({error}), as it does at a quota, at a limit on the size of files "
            "(ulimit -f), or when it is failing"
        )
    else:
        reason = str(error)
    left = f" ({free:,} bytes are free in {folder})" if free < LEAST else ""
    return f"{place} cannot be written: {reason}{left}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
