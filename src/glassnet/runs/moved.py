"""Find a file that was renamed or removed while it is being written.

In: a path, when the file is opened. Out: later, whether it is still there, or where it is now. The
file is identified by device and inode, which stay its own as long as it is open.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glassnet.runs.disk import SIDES, resolve_path, side_file

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be renamed
    fcntl = None

GIVES_PATH: int | None = getattr(fcntl, "F_GETPATH", None)  # macOS


@dataclass(frozen=True)
class Spot:
    """The identity of a file when it was opened or last written."""

    path: Path  # absolute, without symbolic links
    found: os.stat_result
    beside: tuple[tuple[Path, os.stat_result], ...] = ()  # SQLite's files beside it

    @classmethod
    def of(cls, place: str | Path) -> Spot:
        path = resolve_path(place)
        beside: list[tuple[Path, os.stat_result]] = []
        for ending in SIDES[:2]:
            with suppress(OSError):
                beside.append((side_file(path, ending), os.stat(side_file(path, ending))))
        return cls(path, os.stat(path), tuple(beside))

    def is_there(self) -> bool:
        """Return whether the path still leads to the file."""
        try:
            return os.path.samestat(os.stat(self.path), self.found)
        except OSError:
            return False

    def now(self) -> tuple[Path | None, os.stat_result | None]:
        """Return the file's present path (None if the system cannot tell) and its state, found
        through the handle that this process has open."""
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
        """Return whether no other program has written to the file or to a log at its new path."""
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
        """Remove SQLite's files beside the old path of the file."""
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
    """Return an alternative path in the same folder; None if that exists too."""
    other = place.with_name(f"{place.stem}.saved{place.suffix}")
    return None if os.path.lexists(other) else other
