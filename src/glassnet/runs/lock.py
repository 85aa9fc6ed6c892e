"""A lock that allows one writer per run file.

In: the paths of run files. Out: a lock on all of them or none, which ends with the process, however
that ends. It is taken on a small file beside each run file, which names the process. (A lock on the
database itself would be lost when the same process reads and closes it.)
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

from glassnet.errors import OutputError
from glassnet.runs.disk import foreign_file_reason, lock_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CONTENT = re.compile(rb"glassnet (\d{1,10})\n|")  # of a lock file; empty by older versions
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class WriterLock:
    """A lock on run files, from construction to `release`."""

    def __init__(self, *paths: str | Path) -> None:
        self._held: dict[Path, int] = {}
        try:
            for path in paths:
                self.take(path)
        except BaseException:
            self.release()
            raise

    def covers(self, path: str | Path) -> bool:
        """Return whether this lock includes that run file."""
        return lock_of(Path(path)) in self._held

    def take(self, path: str | Path) -> None:
        """Lock one more file; OutputError if another process or run writes it."""
        place = lock_of(Path(path))
        with suppress(OSError):
            for descriptor in self._held.values():
                if _is_same_file(descriptor, place):  # its folder was renamed
                    self._held[place] = os.dup(descriptor)
                    return
        if place in self._held:  # someone removed it
            os.close(self._held.pop(place))
        while True:
            handle = _open_lock(path, place)
            _lock(handle, path)
            try:
                if _is_same_file(handle, place):
                    break
            except OSError as error:
                os.close(handle)
                raise _unwritable(path, error) from None
            os.close(handle)  # whoever had the lock before removed it after we opened it
        self._held[place] = handle
        with suppress(OSError):  # on a full disk the lock file does not name the process
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"glassnet {os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        while self._held:
            place, handle = self._held.popitem()
            with suppress(OSError):
                if _is_same_file(handle, place):
                    os.unlink(place)
            os.close(handle)

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _open_lock(path: str | Path, place: Path) -> int:
    """Open or create a lock file; OutputError if something else is in its place."""
    try:
        found = os.lstat(place) if os.path.lexists(place) else None
        fault = "" if found is None else foreign_file_reason(found, _main(path))
        if not fault:
            handle = os.open(place, _FLAGS | os.O_CREAT, 0o644)
            fault = _fault(handle, path)
            if not fault:
                return handle
            os.close(handle)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise _unwritable(path, error) from None
        fault = "is a symbolic link, not a file"
    raise OutputError(
        f"{path} cannot be locked for writing, since {place.name} beside it {fault}; move that "
        "away, or record to another file"
    )


def _fault(handle: int, path: str | Path) -> str:
    found = os.fstat(handle)
    if not found.st_nlink:
        return ""  # removed just now by its holder; it is opened again
    known = CONTENT.fullmatch(os.pread(handle, 64, 0)) and found.st_size <= 64
    return foreign_file_reason(found, _main(path)) or ("" if known else "is not a lock of glassnet")


def _main(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _is_same_file(handle: int, place: Path) -> bool:
    """Return whether the open file is the one at the path."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(place))
    except FileNotFoundError:
        return False


def _lock(handle: int, path: str | Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _holder(handle)
        os.close(handle)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise _unwritable(path, error) from None
        raise OutputError(
            f"{path} is being written by another training run{holder}; wait until it ends, or "
            "record to another file"
        ) from None


def _holder(handle: int) -> str:
    found = CONTENT.fullmatch(os.pread(handle, 64, 0))
    if found is None or found[1] is None:
        return ""
    number = int(found[1])
    return " of this process" if number == os.getpid() else f" (process {number})"


def _unwritable(path: str | Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror}; record to another folder")
