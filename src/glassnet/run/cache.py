"""Machine code kept on disk between runs.

In: the text of a module and an instruction set. Out: object code, from the user's cache directory
if it is there. The key is a digest of everything that decides the code. A file is used only if it
and its directory belong to this user and nobody else may read or write them, no symbolic link is
followed, and its own digest is right; anything odd means compiling in memory, as without a cache.

The directory is $GLASSNET_CACHE_DIR ("off" for none), else glassnet in $XDG_CACHE_HOME or
~/.cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from functools import cache
from pathlib import Path
from typing import IO

from glassnet.version import __version__, numerics_version

VARIABLE = "GLASSNET_CACHE_DIR"
DIGEST = hashlib.sha256().digest_size
DECIDES = ("graph", "ops", "simplify", "lower", "llvm", "run")  # folders that make code
LIMIT = 256 << 20  # bytes in all; the files used longest ago go first


def directory() -> Path | None:
    """Where code is kept, or None if it is not."""
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked in ("", "off") else Path(asked)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "glassnet"
    except RuntimeError:  # no home directory
        return None


def key(*parts: str) -> str:
    """The name of the file for what the parts say."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def source() -> str:
    """What changes with the source of the compiler: sizes and times of its files."""
    package = Path(__file__).parent.parent
    seen: list[tuple[str, int, int]] = []
    for folder in (package, *(package / part for part in DECIDES)):
        with os.scandir(folder) as entries:  # half the time of globs
            files = [(e.path, e.stat()) for e in entries if e.name.endswith(".py")]
        seen += sorted((path, status.st_size, status.st_mtime_ns) for path, status in files)
    return f"{__version__} {numerics_version} {seen}"


def read(name: str) -> bytes | None:
    """The object code kept under a name, or None."""
    folder = directory()
    if folder is None or not _private(folder):
        return None
    try:
        with _open(folder / name, os.O_RDONLY) as file:
            status = os.fstat(file.fileno())
            if not (stat.S_ISREG(status.st_mode) and _mine(status)):
                return None
            data = file.read()
        os.utime(folder / name, follow_symlinks=False)
    except OSError:
        return None
    digest, code = data[:DIGEST], data[DIGEST:]
    return code if code and _digest(name, code) == digest else None


def write(name: str, code: bytes) -> None:
    """Keep object code under a name; nothing happens where that is not possible."""
    folder = directory()
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(folder):
            return
        temporary = folder / f".{name}.{secrets.token_hex(8)}"
        try:
            with _open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                file.write(_digest(name, code) + code)
            os.replace(temporary, folder / name)
        finally:
            temporary.unlink(missing_ok=True)
        _shrink(folder)
    except OSError:
        return


def _digest(name: str, code: bytes) -> bytes:
    """Of the code and its name: what was meant for another program is as odd as what is damaged."""
    return hashlib.sha256(name.encode() + b"\0" + code).digest()


def _open(path: Path, flags: int) -> IO[bytes]:
    nofollow = getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags | nofollow, 0o600), "wb" if flags & os.O_WRONLY else "rb")


def _private(folder: Path) -> bool:
    try:
        status = os.lstat(folder)
        return stat.S_ISDIR(status.st_mode) and _mine(status)
    except OSError:
        return False


def _mine(status: os.stat_result) -> bool:
    """Owned by this user, and closed to all others."""
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return own and not status.st_mode & 0o077


def _shrink(folder: Path) -> None:
    files = [(entry.stat(), entry.path) for entry in os.scandir(folder) if entry.is_file()]
    total = sum(status.st_size for status, _ in files)
    for status, path in sorted(files, key=lambda item: item[0].st_mtime):
        if total <= LIMIT:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= status.st_size
