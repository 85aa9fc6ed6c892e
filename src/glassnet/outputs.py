"""Writes files atomically, and never over a file that is still needed.

In: a path and bytes. Out: the complete file; or an `OutputError`, and the previous file unchanged.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import unicodedata
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from glassnet.errors import OutputError
from glassnet.version import RUN_MARK, RUN_MARK_AT

_OF_A_DATABASE = ("-wal", "-shm", "-journal", "-lock")  # endings of the files beside a database


@contextlib.contextmanager
def replacing(path: str | Path, option: str = "") -> Generator[IO[bytes]]:
    """Open a temporary file in the same folder; it replaces `path` when the block ends normally.

    A device or a pipe is written to directly, since it cannot be replaced. `option` is the option
    that the error names for choosing another place. Raises OutputError.
    """
    shown, path = path, Path(os.path.realpath(path))
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            with path.open("wb") as file:
                yield file
            return
        with _temporary(path) as file:
            yield file
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        reason = error.strerror or str(error)
        raise OutputError(
            f"{shown} cannot be written: {reason}; free some space or name another place"
            f"{option and f' with {option}'}"
        ) from None


@contextlib.contextmanager
def _temporary(path: Path) -> Generator[IO[bytes]]:
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a loss of power, where the system supports syncing folders."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class FileUse:
    """A file that a command reads or writes, and its role in words, such as "the model"."""

    path: str | Path
    what: str

    def names(self) -> set[object]:
        """Return the identities of the file: its resolved path, and its device and inode where it
        exists. Two paths to one file (symbolic or hard links, other case) share an identity."""
        target = Path(os.path.realpath(self.path))
        identities: set[object] = {_spelt(target)}
        with contextlib.suppress(OSError):
            found = os.stat(target)
            if stat.S_ISREG(found.st_mode) and found.st_ino:
                identities.add((found.st_dev, found.st_ino))
        return identities


class Expected:
    """The state of a file when a command begins that will replace it at its end."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._before = self._now()

    def note(self) -> str | None:
        """Return a warning if another program has written to the file since then, else None."""
        if self._now() == self._before:
            return None
        return (
            f"{self.path} was written by another program while this command ran; it now has what "
            "this command made"
        )

    def _now(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def check_apart(writes: Sequence[FileUse], reads: Iterable[FileUse], option: str) -> None:
    """Raise OutputError where two files that a command may write are the same file, or a file to
    be written is also read."""
    known: dict[object, tuple[FileUse, bool]] = {}
    for used, written in (*((use, False) for use in reads), *((use, True) for use in writes)):
        for name in used.names():
            other, both = known.setdefault(name, (used, written))
            if other is used or not written:
                continue
            if both:
                raise OutputError(
                    f"{used.path} would be {other.what} and {used.what}; name another place with "
                    f"{option}"
                )
            raise OutputError(
                f"{used.path} is read by this command ({other.what}), and would be {used.what}; "
                f"name another place with {option}"
            )


def _spelt(target: Path) -> str:
    """Return a path as text, with letter case and Unicode form normalised where its folder ignores
    case."""
    text = str(target)
    if not _ignores_case(target.parent):
        return text
    return unicodedata.normalize("NFC", text).casefold()


def _ignores_case(folder: Path) -> bool:
    """Whether file names in a folder ignore case, as on most disks of Windows and macOS."""
    for parent in (folder, *folder.parents):
        other = parent.with_name(parent.name.swapcase()) if parent.name else parent
        if other != parent:
            try:
                return os.path.samefile(parent, other)
            except OSError:
                return False
    return os.name == "nt"


def check_writable(
    path: str | Path, *sources: str | Path, option: str = "-o", example: str = "model.safetensors"
) -> None:
    """Raise OutputError now, rather than after an hour of training, if `path` cannot be written.

    It must not be one of the `sources`, which are read, nor a run file, nor a file that belongs to
    a database. The error names `option` for choosing another place, with `example` as file name.
    """
    target = Path(os.path.realpath(path))
    names = FileUse(path, "").names()
    if any(names & FileUse(source, "").names() for source in sources):
        raise OutputError(f"{path} is read by this command; name another place with {option}")
    if target.is_dir():
        inside = os.path.join(path, example)
        raise OutputError(f"{path} is a folder; name a file inside it with {option}, like {inside}")
    if not target.parent.is_dir():
        raise OutputError(
            f"{path} cannot be written: {target.parent} is not a folder; create it first"
        )
    if target.exists() and not target.is_file():
        return
    check_no_part(path, f" with {option}")
    if option != "--record":
        _check_no_run(path, target, option)
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        part.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}; name another place with {option}"
        ) from None


def _check_no_run(path: str | Path, target: Path, option: str) -> None:
    """Raise OutputError where the file is a recorded run."""
    if _head(target)[RUN_MARK_AT:] == RUN_MARK:
        raise OutputError(
            f"{path} is a run file, which has a recorded training; name another place with "
            f"{option}, or delete it first"
        )


def check_no_part(path: str | Path, way: str = "") -> None:
    """Raise OutputError where the name is that of a file beside a recorded run or a database, such
    as "run.glass-wal". `way` ends the error's advice to name another place."""
    target = Path(os.path.realpath(path))
    for ending in _OF_A_DATABASE:
        base = target.name.removesuffix(ending)
        if base in ("", target.name):
            continue
        if _head(target.with_name(base)).startswith(b"SQLite format 3"):
            raise OutputError(
                f"{path} would be taken for a part of {base}, which is a database; name another "
                f"place{way}"
            )


def _head(target: Path) -> bytes:
    try:
        if not target.is_file():
            return b""
        with target.open("rb") as file:
            return file.read(RUN_MARK_AT + len(RUN_MARK))
    except OSError:
        return b""
