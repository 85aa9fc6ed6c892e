"""File-system checks for run files, and translation of SQLite's errors.

In: paths, and SQLite's errors. Out: whether there is a run file, whether the files beside it are
SQLite's and ours, the URI to open it by, and errors that say what to do.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from glassnet.errors import ModelFileError, OutputError
from glassnet.version import RUN_MARK, RUN_MARK_AT

APPLICATION = int.from_bytes(RUN_MARK, "big")
ROOM = "make room, or record to another folder; what the file held before is whole"
COPY = "restore it from a copy, or train again"
ELSEWHERE = "name another file to record to"
NO_ROOM = "{} cannot be written: {}; it needs {:,} bytes: make room, or record to another folder"
LEAST = 1 << 16  # bytes: with fewer free bytes a disk counts as full
SIDES = ("-wal", "-shm", "-journal", "-lock")  # endings of the files beside a run file
JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"  # begins a journal, and ends one of several files
LOG = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # the first bytes of a write-ahead log
INDEX_PAGE = 32768  # bytes


def resolve_path(place: str | Path) -> Path:
    """Return the absolute path without symbolic links; SQLite puts its files beside that."""
    return Path(os.path.realpath(place))


def is_run(place: Path) -> bool:
    """Return whether a file starts like a run file; it may be damaged or have a later format.

    While a run file is being written, or if its writer was killed, the mark may still be in the
    log. Do not call this for a file that this process may be writing: closing it would drop
    SQLite's locks on it."""
    if not place.is_file():  # opening a pipe would wait for a writer
        return False
    try:
        with place.open("rb") as file:
            head = file.read(RUN_MARK_AT + len(RUN_MARK))
    except OSError:
        return False
    marked = head[RUN_MARK_AT:] == RUN_MARK
    return marked or (head.startswith(b"SQLite format 3") and log_of(place).exists())


def log_of(place: Path) -> Path:
    """Return the path of SQLite's write-ahead log."""
    return side_file(place, "-wal")


def lock_of(place: Path) -> Path:
    """Return the path of the writer's lock file; a writer that is killed leaves it behind."""
    return side_file(place, "-lock")


def side_file(place: str | Path, ending: str) -> Path:
    """Return the path of the file beside a run file that has this ending."""
    path = resolve_path(place)
    return path.with_name(path.name + ending)


def side_files(place: str | Path) -> list[Path]:
    """Return the paths of all files that writing a run file may create beside it."""
    return [side_file(place, ending) for ending in SIDES]


def address(place: Path, mode: str) -> str:
    """Return the URI by which SQLite opens the file.

    SQLite creates files beside the database even to read it. If this process may not write there
    and the log is empty, the file is opened as immutable, which needs no other files."""
    path = resolve_path(place)
    writable = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
    immutable = mode == "ro" and not writable and not _size(log_of(place))
    return f"file:{quote(str(path))}?mode={mode}{'&immutable=1' if immutable else ''}"


def check_file(place: Path) -> None:
    """Raise OutputError unless the path is free or a writable regular file without hard links."""
    if place.is_dir():
        raise OutputError(
            f"record={str(place)!r} is a folder; name a file in it: "
            f"record={str(place / 'run.glass')!r}"
        )
    try:
        found = os.stat(place)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise OutputError(f"{place} cannot be written: {error.strerror}; {ELSEWHERE}") from None
    if not stat.S_ISREG(found.st_mode):
        raise OutputError(f"{place} is a pipe or a device, not a file; {ELSEWHERE}")
    if found.st_nlink > 1:
        raise OutputError(
            f"{place} is a file with {found.st_nlink} names (hard links), and SQLite's log would "
            f"belong to one of them; write to a copy (cp {place.name} copy.glass), or {ELSEWHERE}"
        )
    if not os.access(place, os.W_OK):
        raise OutputError(f"{place} may not be written (see its permissions); {ELSEWHERE}")


def check_room(place: Path, size: int) -> None:
    """Raise OutputError if the disk, a quota or a file-size limit refuses `size` bytes.

    A temporary file of that size is allocated and removed again."""
    part = side_file(place, f".{secrets.token_hex(8)}.part")
    handle = None
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(handle, 0, size)
    except AttributeError:  # macOS, Windows
        if shutil.disk_usage(part.parent).free > size:
            return
        raise OutputError(NO_ROOM.format(place, "the disk is full", size)) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
            reason = error.strerror or "the disk is full"
            raise OutputError(NO_ROOM.format(place, reason, size)) from None
    finally:
        if handle is not None:
            os.close(handle)
            part.unlink(missing_ok=True)


def check_alone(place: Path) -> None:
    """Raise OutputError if a log or a journal exists without its run file.

    It may be all that is left of that run, and SQLite would remove it when it creates the file."""
    for ending in ("-wal", "-journal"):
        beside = side_file(place, ending)
        if not place.exists() and _size(beside):
            raise OutputError(
                f"{beside} is there without {place.name}, and may have a part of that: if it was "
                "renamed, give it its name back and read it once (`glassnet runs`); else remove "
                f"{beside.name}, or {ELSEWHERE}"
            )


def check_sides(place: Path) -> None:
    """Raise ModelFileError if a file that SQLite would use beside the run file is not SQLite's: a
    link, a pipe, a file of another user or of another kind."""
    path = resolve_path(place)
    try:
        main: os.stat_result | None = os.stat(path)
    except OSError:
        main = None
    for ending in SIDES[:3]:
        beside = path.with_name(path.name + ending)
        fault = _fault(beside, ending, main)
        if fault:
            raise ModelFileError(
                f"{place} cannot be opened, since {beside.name} beside it {fault}; move that away"
            )


def foreign_file_reason(found: os.stat_result, main: os.stat_result | None) -> str:
    """Return why a file beside a run file cannot be ours; "" if it may be ours."""
    if not stat.S_ISREG(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "a pipe, a folder or a device"
        return f"is {kind}, not a file"
    if found.st_nlink > 1:
        return "has another name as well (a hard link)"
    if not hasattr(os, "geteuid"):  # Windows
        return ""
    owners, shared = {0, os.geteuid()}, False
    if main is not None:
        owners.add(main.st_uid)
        shared = bool(main.st_mode & 0o022)
    if found.st_uid not in owners and not shared:
        return "belongs to another user"
    return ""


def _fault(beside: Path, ending: str, main: os.stat_result | None) -> str:
    try:
        found = os.lstat(beside)
    except OSError:
        return ""
    fault = foreign_file_reason(found, main)
    if fault or not found.st_size:
        return fault
    if ending == "-shm":
        whole = found.st_size % INDEX_PAGE == 0 and (main is not None and main.st_size > 0)
        whole = whole or found.st_size <= 3  # SQLite truncates it to this before it rebuilds it
        return "" if whole or _begins(beside, 4) in _VERSIONS else "is not an index of SQLite's"
    head = _begins(beside, 8)
    if ending == "-wal":
        known = any(log.startswith(head[:4]) for log in LOG) or not any(head[:4])
        return "" if known else "is not a log of SQLite's"
    if not (JOURNAL.startswith(head) or not any(head)):
        return "is not a journal of SQLite's"
    # SQLite removes the file that the end of such a journal names
    return "names another file, as a journal of several files does" if _has_our_end(beside) else ""


_VERSIONS = (bytes(4), (3007000).to_bytes(4, "little"), (3007000).to_bytes(4, "big"))


def _begins(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def _has_our_end(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(JOURNAL), os.SEEK_END)
            return path.stat().st_size > 8 and file.read() == JOURNAL
    except OSError:
        return False


def missing_error(place: Path) -> ModelFileError:
    """Return the error for a path without a file to read."""
    if place.is_dir():
        return ModelFileError(
            f"{place} is a folder; name a run file in it (`glassnet runs {place}` lists them)"
        )
    if place.exists():
        return ModelFileError(f"{place} is a pipe or a device; name a run file")
    return ModelFileError(f"{place} does not exist; record one with train(…, record=…)")


def unreadable_error(place: Path, error: sqlite3.Error) -> ModelFileError:
    """Return the error for a file that SQLite cannot open: not a run, damaged, locked, unread."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if name == "SQLITE_NOTADB":
        return ModelFileError(f"{place} is not a run file; name one that training has recorded")
    if name.startswith("SQLITE_CORRUPT") or name in ("SQLITE_TOOBIG", "SQLITE_ERROR"):
        return ModelFileError(f"{place} is damaged: {error}; {COPY}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ModelFileError(
            f"{place} is held by another program, as it is while a tool for databases writes it; "
            "close that, then try again"
        )
    if name == "SQLITE_CANTOPEN" and _size(log_of(place)):
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


class FileGoneError(OutputError):
    """The run file was moved or removed, and cannot be written elsewhere."""


def unwritable_reason(place: Path, error: BaseException) -> str:
    """Return why the disk refuses to write a run file.

    SQLite reports quotas, file-size limits and some full disks as I/O errors."""
    if isinstance(error, FileGoneError):
        return str(error)
    name, folder = _name(error), resolve_path(place).parent
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


def way_out(place: Path, error: BaseException) -> str:
    """Return what to do if a run file cannot be written, and what is still intact."""
    name = _name(error)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return ROOM
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "close the program that holds it, or record to another file"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return "record to a file and a folder that may be written; what the file held is whole"
    return f"move {place.name} away, or record to another file"


def recovery_text(error: BaseException) -> str:
    """Return the condition under which writing will work again."""
    name = _name(error)
    if isinstance(error, FileGoneError):
        return "that is so no more"
    disk_full = name.startswith(("SQLITE_FULL", "SQLITE_IOERR"))
    return "there is room" if disk_full else "it can be written again"


def _name(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
