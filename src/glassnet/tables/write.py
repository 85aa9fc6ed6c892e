"""Writes files whole or not at all.

In: a path and bytes. Out: the file, or an `OutputError` and whatever was there before.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Generator
from pathlib import Path
from typing import IO

from glassnet.errors import OutputError


@contextlib.contextmanager
def replacing(path: str | Path) -> Generator[IO[bytes]]:
    """A stream to a temporary file in the same folder; it becomes `path` once all has been written.

    A device or a pipe is written to directly, since it cannot be replaced.
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
            f"{shown} cannot be written: {reason}; free some space or name another place with -o"
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
    """Make the new name last through a loss of power, where the system lets folders be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_writable(
    path: str | Path, *sources: str | Path, option: str = "-o", example: str = "model.safetensors"
) -> None:
    """Fail now rather than after an hour of training: the folder takes a new file.

    None of the sources, which are read, may be overwritten. `option` is what names another place,
    `example` a file name that fits there.
    """
    target = Path(os.path.realpath(path))
    if any(Path(os.path.realpath(source)) == target for source in sources):
        raise OutputError(f"{path} is read by this command; name another place with {option}")
    if target.is_dir():
        inside = os.path.join(path, example)
        raise OutputError(f"{path} is a folder; name a file inside it with {option}, like {inside}")
    if not target.parent.is_dir():
        raise OutputError(
            f"{path} cannot be written: {target.parent} is no folder; create it first"
        )
    if target.exists() and not target.is_file():
        return
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        part.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}; name another place with {option}"
        ) from None
