"""What lies at the path of a run file and beside it, and what the disk says to it.

In: paths, and SQLite's errors. Out: whether there is a run file, whether what lies beside it is
SQLite's and ours, the address to open it by, a folder as it was before, and errors that say what to
do.
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
LEAST = 1 << 16  # bytes: with fewer left a disk is as good as full
SIDES = ("-wal", "-shm", "-journal", "-lock")  # what may lie beside a run file, by its ending
JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"  # begins a journal, and ends one of several files
LOG = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
INDEX_PAGE = 32768


def resolve_path(place: str | Path) -> Path:
    """The absolute path without symbolic links: beside it SQLite puts its files."""
    return Path(os.path.realpath(place))


def is_run(place: Path) -> bool:
    """Whether this begins as a run file does, damaged or of a later format as it may be. Of one
    that is being written, or was when its writer died, the mark may still be in the log.

    Not for a file that this process may be writing: to close it would drop SQLite's locks on it."""
    if not place.is_file():  # to open a pipe would wait for a writer
        return False
    try:
        with place.open("rb") as file:
            head = file.read(RUN_MARK_AT + len(RUN_MARK))
    except OSError:
        return False
    marked = head[RUN_MARK_AT:] == RUN_MARK
    return marked or (head.startswith(b"SQLite format 3") and log_of(place).exists())


def log_of(place: Path) -> Path:
    """SQLite's log of what is not in the file yet."""
    return side_file(place, "-wal")


def lock_of(place: Path) -> Path:
    """The lock of the one who writes the file; whoever is killed leaves it behind."""
    return side_file(place, "-lock")


def side_file(place: str | Path, ending: str) -> Path:
    """A file beside a run file."""
    path = resolve_path(place)
    return path.with_name(path.name + ending)


def side_files(place: str | Path) -> list[Path]:
    """All files that writing a run file may make beside it."""
    return [side_file(place, ending) for ending in SIDES]


def address(place: Path, mode: str) -> str:
    """For SQLite. To read, it makes files beside the file: where it may not, or could not remove
    them, and nothing is in the log, the file is all that there is."""
    path = resolve_path(place)
    may = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
    alone = mode == "ro" and not may and not _size(log_of(place))
    return f"file:{quote(str(path))}?mode={mode}{'&immutable=1' if alone else ''}"


def check_file(place: Path) -> None:
    """OutputError where something else than a file of one name is in the place of a run file."""
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
    """OutputError where the disk would not take so many bytes, or a quota or a limit on the size of
    files: they are asked for, and given back."""
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
    """OutputError where what is beside a file that there is not may be all that is left of it:
    SQLite removes it when the file is made."""
    for ending in ("-wal", "-journal"):
        beside = side_file(place, ending)
        if not place.exists() and _size(beside):
            raise OutputError(
                f"{beside} is there without {place.name}, and may have a part of that: if it was "
                "renamed, give it its name back and read it once (`glassnet runs`); else remove "
                f"{beside.name}, or {ELSEWHERE}"
            )


def check_sides(place: Path) -> None:
    """ModelFileError where SQLite would read, follow or remove what is not its own: a link, a pipe,
    a file of someone else, or of another kind."""
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
    """What a file beside a run file is that can be no file of ours; "" where it may be one."""
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
        whole = whole or found.st_size <= 3  # cut to this where it is made anew
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
    """There is no file to read."""
    if place.is_dir():
        return ModelFileError(
            f"{place} is a folder; name a run file in it (`glassnet runs {place}` lists them)"
        )
    if place.exists():
        return ModelFileError(f"{place} is a pipe or a device; name a run file")
    return ModelFileError(f"{place} does not exist; record one with train(…, record=…)")


def unreadable_error(place: Path, error: sqlite3.Error) -> ModelFileError:
    """What a file is that SQLite does not open: another one, or one that the disk does not give."""
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
    """The run file is not where it was, and cannot be written elsewhere."""


def unwritable_reason(place: Path, error: BaseException) -> str:
    """Why the disk does not take a run file. SQLite calls a full disk an I/O error where it is not
    a plain write that found no room, as a quota and a limit on the size of files always are."""
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
    """What to do where a run file cannot be written, and what there still is."""
    name = _name(error)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return ROOM
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "close the program that holds it, or record to another file"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return "record to a file and a folder that may be written; what the file held is whole"
    return f"move {place.name} away, or record to another file"


def recovery_text(error: BaseException) -> str:
    """When what was refused may be written after all."""
    name = _name(error)
    if isinstance(error, FileGoneError):
        return "that is so no more"
    full = name.startswith(("SQLITE_FULL", "SQLITE_IOERR"))
    return "there is room" if full else "it can be written again"


def _name(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
