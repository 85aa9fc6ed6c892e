"""The code cache: machine code that is stored on disk between runs.

In: a key. Out: object code, if the user's cache directory has it. The key is a digest of everything
that determines the code. A file is used only if it is a regular file, it and its directory belong
to this user and are not accessible to others, and its own digest is right; otherwise the code is
compiled in memory, as without a cache.

The directory may contain other files. Only entries count towards the limit, and only entries are
replaced or removed: regular files of this user whose name is a digest and whose content begins with
`MAGIC`, and unfinished files of writers that were killed. Other files are at most opened to check
that.

The directory is $GLASSNET_CACHE_DIR ("off" for none), else glassnet in $XDG_CACHE_HOME or
~/.cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import sys
import time
from functools import cache
from pathlib import Path
from typing import IO

from glassnet.version import __version__, numerics_version

VARIABLE = "GLASSNET_CACHE_DIR"
DIGEST = hashlib.sha256().digest_size
DECIDES = ("graph", "ops", "simplify", "fuse", "lower", "llvm", "run")  # packages that make code
LIMIT = 256 << 20  # bytes in total; the least recently used entries are removed first
# An entry's name is a digest: one write in sixteen removes what is too much. Looking at thousands
# of files at every write took a tenth of the time of compiling.
LOOKS = "0"
MAGIC = b"glassnet code 1\n"
LEFT_OVER = 3600.0  # seconds after which an unfinished file is considered abandoned
ENTRY = re.compile(r"[0-9a-f]{64}")
UNFINISHED = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}")


def directory() -> Path | None:
    """Return the cache directory, or None if code is not cached."""
    asked = os.environ.get(VARIABLE)
    if asked is not None:
        return None if asked in ("", "off") else Path(asked)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "glassnet"
    except RuntimeError:  # no home directory
        return None


def key(*parts: str) -> str:
    """Return the key of an entry, its file name: the SHA-256 of the parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def source_key() -> str:
    """Return a text that changes with the compiler's source: sizes and times of its files."""
    package = Path(__file__).parent.parent
    seen: list[tuple[str, int, int]] = []
    for folder in (package, *(package / part for part in DECIDES)):
        with os.scandir(folder) as entries:  # twice as fast as glob
            files = [(e.path, e.stat()) for e in entries if e.name.endswith(".py")]
        seen += sorted((path, status.st_size, status.st_mtime_ns) for path, status in files)
    return f"{__version__} {numerics_version} {seen}"


def read(name: str) -> bytes | None:
    """Return the object code stored under a name, or None."""
    folder = directory()
    if folder is None or not _private(folder):
        return None
    try:
        with _open_private(folder / name) as file:
            data = file.read(min(os.fstat(file.fileno()).st_size, LIMIT + 1))
            if os.utime in os.supports_fd:
                os.utime(file.fileno())
    except OSError:
        return None
    start = len(MAGIC) + DIGEST
    digest, code = data[len(MAGIC) : start], data[start:]
    right = data.startswith(MAGIC) and code and _digest(name, code) == digest
    return code if right else None


def write(name: str, code: bytes) -> None:
    """Store object code under a name; do nothing where that is not possible."""
    folder = directory()
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = folder / name
        if not _private(folder) or (os.path.lexists(place) and not _begins(place, MAGIC)):
            return
        temporary = folder / f".{name}.{secrets.token_hex(8)}"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(MAGIC + _digest(name, code) + code)
            os.replace(temporary, place)
        finally:
            temporary.unlink(missing_ok=True)
        if name.startswith(LOOKS):
            _remove_oldest(folder)
    except OSError:
        return


def _digest(name: str, code: bytes) -> bytes:
    """Return the digest of an entry's name and code, so that a renamed entry is invalid, too."""
    return hashlib.sha256(name.encode() + b"\0" + code).digest()


def _open_private(path: Path) -> IO[bytes]:
    """Open a regular file that only this user can access; raise OSError for anything else, without
    blocking on pipes."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, os.O_RDONLY | flags), "rb")
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and _is_private(status):
        return file
    file.close()
    raise OSError(f"{path} is not a plain file of this user alone")


def _begins(path: Path, magic: bytes) -> bool:
    try:
        with _open_private(path) as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _private(folder: Path) -> bool:
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    if stat.S_ISDIR(status.st_mode) and _is_private(status):
        return True
    _notice(folder)
    return False


@cache
def _notice(folder: Path) -> None:
    print(
        f"glassnet: machine code is not cached in {str(folder)!r}, which must be a folder of yours "
        f"without access for others: chmod 700, or name another with {VARIABLE}",
        file=sys.stderr,
    )


def _is_private(status: os.stat_result) -> bool:
    """Whether a file is owned by this user and not accessible to others."""
    mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return mine and not status.st_mode & 0o077


def _remove_oldest(folder: Path) -> None:
    """Remove unfinished files of killed writers, and the oldest entries above the limit."""
    files: list[tuple[os.stat_result, Path]] = []
    with os.scandir(folder) as entries:
        items = list(entries)
    for item in items:
        path = Path(item.path)
        if ENTRY.fullmatch(item.name) and item.is_file(follow_symlinks=False):
            files.append((item.stat(follow_symlinks=False), path))
        elif UNFINISHED.fullmatch(item.name) and item.is_file(follow_symlinks=False):
            status = item.stat(follow_symlinks=False)
            short = min(status.st_size, len(MAGIC))
            if status.st_mtime < time.time() - LEFT_OVER and _begins(path, MAGIC[:short]):
                path.unlink(missing_ok=True)
    if sum(status.st_size for status, _ in files) <= LIMIT:
        return
    ours = [(status, path) for status, path in files if _begins(path, MAGIC)]
    total = sum(status.st_size for status, _ in ours)
    for status, path in sorted(ours, key=lambda item: item[0].st_mtime):
        if total <= LIMIT:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= status.st_size
