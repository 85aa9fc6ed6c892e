"""One writer a file.

In: the path of a run file. Out: a lock that ends with the process, however it ends, held on a
small file beside it (a lock on the database itself would be lost when it is read and closed).
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from glassnet.errors import OutputError
from glassnet.training.record_disk import lock_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class WriterLock:
    """Held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = lock_of(path)
        while True:
            self._file = self._opened(path)
            self._lock(path)
            if self._same(path):
                return
            os.close(self._file)

    def _opened(self, path: Path) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _same(self, path: Path) -> bool:
        """Whether the file that we locked is the one that others find: whoever had the lock before
        may have removed it after we opened it."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False
        except OSError as error:
            self.release()
            raise _unwritable(path, error) from None

    def _lock(self, path: Path) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise _unwritable(path, error) from None
            raise OutputError(
                f"{path} is being written by another training run; wait until it ends, or record "
                "to another file"
            ) from None

    def release(self) -> None:
        with suppress(OSError):
            os.unlink(self.path)
        os.close(self._file)


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror}; record to another folder")
