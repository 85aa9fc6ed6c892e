"""Recorded runs on a disk that fails: a program that is loaded together with faults.c.

In: the library, a folder, the kinds of fault, every how many calls there is one. Out: for each
fault a line of JSON: what happened, and what the run file gave afterwards. Each run is a fork of
this program, so that killing one costs little.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import glassnet as gn
from glassnet.errors import GlassnetError, ModelFileError
from glassnet.runs import recorder
from glassnet.runs.file import RunFile
from tests.record.common import HALF, data, network, sha

EPOCHS = 4
KINDS = {
    "kill": (1, 0),
    "tear": (2, 0),
    "once full": (3, errno.ENOSPC),
    "once broken": (3, errno.EIO),
    "full": (4, errno.ENOSPC),
    "broken": (4, errno.EIO),
}
TAKES_ROOM = ("new", "write", "truncate", "sync", "map")  # calls that a full disk refuses
MODEL = network()
FIRST = MODEL.W.copy()
OPTIMIZER = gn.optim.Adam(0.01)


class Pull(gn.callbacks.Callback):
    """Ends a run in the middle."""

    reason = "interrupted"

    def epoch_end(self, run: Any) -> bool:
        return run.epoch == EPOCHS // 2


def train(path: Path, *callbacks: Any) -> Any:
    MODEL.W[...] = FIRST
    x, y = data()
    return gn.train(
        MODEL, x, y, loss=HALF, optimizer=OPTIMIZER, epochs=EPOCHS, seed=5, record=path,
        callbacks=callbacks, threads=1,
    )  # fmt: skip


def go_on(path: Path) -> Any:
    return gn.resume(path, *data(), model=MODEL, loss=HALF, threads=1)[1]


def end(path: Path) -> Any:
    """What a user does afterwards: resume, or begin again where there is nothing to resume."""
    try:
        return go_on(path)
    except ModelFileError:
        return train(path)


def apart(work: Callable[[Path], Any], path: Path, arm: Callable[[], None]) -> dict[str, Any]:
    """What a fork of this program says of its work; {} where it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        arm()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = outcome(work, path)
        found |= {"warnings": [f"{w.category.__name__}: {w.message}" for w in caught]}
        found |= {"calls": [name(call) for call in range(1, LIBRARY.faults_calls() + 1)]}
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text or "{}")


def name(call: int) -> str:
    return LIBRARY.faults_name(call).decode()


def outcome(work: Callable[[Path], Any], path: Path) -> dict[str, Any]:
    try:
        history = work(path)
    except GlassnetError as error:
        return {"error": f"{type(error).__name__}: {error}", "sha": sha(MODEL)}
    except BaseException as error:
        return {"crash": repr(error)}
    return {"sha": sha(MODEL), "loss": history.loss}


def state(path: Path) -> dict[str, Any]:
    """Whether a copy of the file is whole, as SQLite sees it, and how far its checkpoints go."""
    if not path.exists():
        return {"whole": "absent", "epochs": []}
    copy = path.parent.with_name("seen")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path.parent, copy)
    try:
        with RunFile.read(copy / path.name) as file:
            whole = file.rows("PRAGMA integrity_check")[0][0]
            return {"whole": whole, "epochs": file.epochs()}
    except ModelFileError as error:
        return {"whole": "unread", "epochs": [], "error": str(error)}


def faults(calls: list[str], kinds: list[str]) -> Iterator[tuple[str, int]]:
    """Every kind of fault at every call, where the call can have it."""
    for kind in kinds:
        for at, call in enumerate(calls, 1):
            if KINDS[kind][1] != errno.ENOSPC or call in TAKES_ROOM:
                yield kind, at


def places(start: Path | None, folder: Path, kinds: list[str], each: int) -> Iterator[Any]:
    """Faults of a run from the start, or of one that goes on from a copy of a file."""
    work = train if start is None else go_on
    clean = attempt(work, start, folder, lambda: LIBRARY.faults_arm(0, 0, 0))
    yield {"clean": clean}
    for kind, at in list(faults(clean["first"]["calls"], kinds))[::each]:
        number, code = KINDS[kind]
        found = attempt(work, start, folder, lambda: LIBRARY.faults_arm(at, number, code))  # noqa: B023
        yield {"kind": kind, "at": at, "call": clean["first"]["calls"][at - 1]} | found


def attempt(
    work: Callable[[Path], Any], start: Path | None, folder: Path, arm: Callable[[], None]
) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "run.glass"
    if start is not None:
        shutil.copy(start, path)
    first = apart(work, path, arm)
    seen = state(path)
    last = apart(end, path, lambda: LIBRARY.faults_arm(0, 0, 0))
    return {"first": first, "state": seen, "last": last, "after": state(path)}


def main(library: str, folder: str, each: str, *kinds: str) -> None:
    global LIBRARY
    LIBRARY = ctypes.CDLL(library)
    LIBRARY.faults_name.restype = ctypes.c_char_p
    recorder.EVERY = recorder.SHARE = 0
    recorder.Fingerprint.ready = lambda self: bool(self.wait())  # the same calls every time
    home = Path(folder)
    train(home / "half.glass", Pull())
    for start in (None, home / "half.glass"):
        for found in places(start, home / "disk", list(kinds), int(each)):
            print(json.dumps({"resumed": start is not None} | found), flush=True)


LIBRARY: Any = None

if __name__ == "__main__":
    main(*sys.argv[1:])
