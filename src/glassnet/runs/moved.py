"""Where a file is that is being written and was renamed, or removed, meanwhile.

In: a path, when the file is opened. Out: later, whether it is still there, or where it is now. A
file is known by its device and inode, which nothing else gets as long as it is open.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glassnet.runs.disk import SIDES, resolve_path, side_file

try:
    import fcntl
except ImportError:  # Windows, where an open file keeps its name
    fcntl = None

GIVES_PATH: int | None = getattr(fcntl, "F_GETPATH", None)  # macOS


@dataclass(frozen=True)
class Spot:
    """A file as it was when it was opened, or last written."""

    path: Path  # absolute, without symbolic links
    found: os.stat_result
    beside: tuple[tuple[Path, os.stat_result], ...] = ()  # what SQLite keeps beside it

    @classmethod
    def of(cls, place: str | Path) -> Spot:
        path = resolve_path(place)
        beside: list[tuple[Path, os.stat_result]] = []
        for ending in SIDES[:2]:
            with suppress(OSError):
                beside.append((side_file(path, ending), os.stat(side_file(path, ending))))
        return cls(path, os.stat(path), tuple(beside))

    def is_there(self) -> bool:
        """Whether the path still leads to the file."""
        try:
            return os.path.samestat(os.stat(self.path), self.found)
        except OSError:
            return False

    def now(self) -> tuple[Path | None, os.stat_result | None]:
        """The path that the file has now, where the system knows one, and its state; by the file
        that this process has open."""
        for handle in _handles():
            with suppress(OSError):
                found = os.fstat(handle)
                if os.path.samestat(found, self.found):
                    return self._checked(_path_of(handle)), found
        return None, None

    def _checked(self, path: Path | None) -> Path | None:
        with suppress(OSError):
            if path is not None and os.path.samestat(os.stat(path), self.found):
                return path
        return None

    def is_untouched(self, place: Path | None, found: os.stat_result) -> bool:
        """Whether nobody has written to it since, nor to a log of the name that it has now."""
        known = self.found
        if (known.st_mtime_ns, known.st_size) != (found.st_mtime_ns, found.st_size):
            return False
        if place is None:
            return True
        try:
            log = os.lstat(side_file(place, "-wal"))
        except OSError:
            return True
        return not log.st_size or any(os.path.samestat(log, status) for _, status in self.beside)

    def clear(self) -> None:
        """Remove what was beside the file under the name that it no longer has."""
        for path, found in self.beside:
            with suppress(OSError):
                if os.path.samestat(os.lstat(path), found):
                    path.unlink()


def _handles() -> list[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return [int(name) for name in os.listdir(folder)]
    return []


def _path_of(handle: int) -> Path | None:
    if fcntl is not None and GIVES_PATH is not None:
        name = fcntl.fcntl(handle, GIVES_PATH, bytes(1024)).rstrip(b"\0")
        return Path(os.fsdecode(name))
    return Path(os.readlink(f"/proc/self/fd/{handle}"))


def free_name(place: Path) -> Path | None:
    """A name beside one that is taken, where it is free."""
    other = place.with_name(f"{place.stem}.saved{place.suffix}")
    return None if os.path.lexists(other) else other
