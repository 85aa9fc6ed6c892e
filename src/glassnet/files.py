"""Opens files that a user names, only if they are regular files.

In: a path. Out: the file, or an OSError that says what is there instead. Opening a pipe would wait
for a writer, and a device may have no end.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_plain(path: str | Path) -> IO[bytes]:
    """Open a regular file, or the target of a symbolic link to one, to read bytes.

    Raises OSError where the path is a folder, a pipe, a socket or a device."""
    _check_plain(os.stat(path))  # before opening, since opening a device may have side effects
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_plain(os.fstat(file.fileno()))  # it may have been replaced in between
    except OSError:
        file.close()
        raise
    return file


def _check_plain(status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kind = next((name for holds, name in KINDS if holds(status.st_mode)), "no file")
    raise OSError(errno.EINVAL, f"it is {kind}; name a plain file")
