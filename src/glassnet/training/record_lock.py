"""One writer a file.

In: the path of a run file. Out: a lock that ends with the process, however it ends, held on a
small file beside it (a lock on the database itself would be lost when it is read and closed).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from glassnet.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class WriterLock:
    """Held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + "-lock")
        while True:
            self._file = self._opened(path)
            self._lock(path)
            # whoever had the lock before may have removed the file after we opened it
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._file), os.stat(self.path)):
                    return
            os.close(self._file)

    def _opened(self, path: Path) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {error.strerror}; record to another folder"
            ) from None

    def _lock(self, path: Path) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise OutputError(
                f"{path} is being written by another training run; wait until it ends, or record "
                "to another file"
            ) from None

    def release(self) -> None:
        with suppress(OSError):
            os.unlink(self.path)
        os.close(self._file)
