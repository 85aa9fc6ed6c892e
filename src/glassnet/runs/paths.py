"""Check the paths that a run file names: they come from its author, not from the user.

In: a run file and a path that it names. Out: whether the path leads to a file beside the run, and
whether a model may be written there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from glassnet.errors import ModelFileError, UntrustedError

MODEL = ".safetensors"
LARGEST = 1 << 30  # bytes: a larger file is not a model of a table


def as_path(run: str | Path, path: Any) -> str:
    """Return a path that a run file names; ModelFileError if it is not a path."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise ModelFileError(f"{run} cannot be used: it names {path!r} as a file; train again")
    return path


def is_beside(run: str | Path, path: str) -> bool:
    """Return whether a path, after all links, is in the run file's folder or below it."""
    return _folder(run) in Path(os.path.realpath(path)).parents


def check_beside(run: str | Path, paths: Iterable[str], advice: str) -> None:
    """Raise UntrustedError, which lists the other paths, unless every path is beside the run."""
    far = [path for path in paths if not is_beside(run, path)]
    if far:
        raise UntrustedError(
            f"{run} asks to read {', '.join(far)}, outside its folder; {advice}, or allow it with "
            "--trust"
        )


def takes_model(run: str | Path, path: str) -> bool:
    """Return whether a run file may name this path for its model.

    The path must be in the run's folder and end in .safetensors, so that a run file cannot make
    anyone overwrite a configuration file or a program."""
    place = Path(os.path.realpath(path))
    hidden = place.name.startswith(".")
    return place.parent == _folder(run) and place.suffix == MODEL and not hidden


def digest_of(path: str) -> str | None:
    """Return the SHA-256 of a file; None if it does not exist or is too large for a model."""
    if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _folder(run: str | Path) -> Path:
    return Path(os.path.realpath(run)).parent
