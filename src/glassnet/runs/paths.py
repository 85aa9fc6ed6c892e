"""Where a run file may send whoever opens it: paths in it are its author's, not the user's.

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
    """A path out of a run file; ModelFileError where it is none."""
    if not isinstance(path, str) or not path or "\0" in path:
        raise ModelFileError(f"{run} cannot be used: it names {path!r} as a file; train again")
    return path


def is_beside(run: str | Path, path: str) -> bool:
    """Whether a path leads into the folder of the run file or below it, past all links."""
    return _folder(run) in Path(os.path.realpath(path)).parents


def check_beside(run: str | Path, paths: Iterable[str], advice: str) -> None:
    """UntrustedError, with all that is wanted, unless every path leads beside the run."""
    far = [path for path in paths if not is_beside(run, path)]
    if far:
        raise UntrustedError(
            f"{run} asks to read {', '.join(far)}, outside its folder; {advice}, or allow it with "
            "--trust"
        )


def takes_model(run: str | Path, path: str) -> bool:
    """Whether a path is one that a run file may name for its model: in its own folder, with the
    name of a model, so that it is never taken for a file that some program obeys."""
    place = Path(os.path.realpath(path))
    hidden = place.name.startswith(".")
    return place.parent == _folder(run) and place.suffix == MODEL and not hidden


def digest_of(path: str) -> str | None:
    """SHA-256 of a file; None where there is none, or none that could be a model."""
    if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _folder(run: str | Path) -> Path:
    return Path(os.path.realpath(run)).parent
