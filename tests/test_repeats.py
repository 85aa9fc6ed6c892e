"""Training again gives the same bits: a hundred times, with fresh and with kept code, in other
processes, in a forked child, and while another thread trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet.run import cache, compiled
from glassnet.training import programs
from tests.data import HANG, ROOT
from tests.engine.variants import thresholds

pytestmark = pytest.mark.cold

X = np.sin(np.arange(150 * 7) * 0.37).reshape(150, 7).astype("float32")
Y = (np.arange(150) % 3).astype("int32")


def fitted(
    seed: int = 5, threads: int = 1, epochs: int = 4, x: np.ndarray = X
) -> tuple[bytes, list[float]]:
    """The weights' bytes and the losses of a new network."""
    model = gn.nn.Sequential(
        gn.nn.Linear(7, 33), gn.nn.Tanh(), gn.nn.Dropout(0.2), gn.nn.Linear(33, 3), seed=seed
    )
    history = gn.train(
        model, x, Y, loss=gn.losses.CrossEntropy(), optimizer=gn.optim.Adam(lr=0.01),
        epochs=epochs, batch_size=32, seed=seed, threads=threads,
    )  # fmt: skip
    return model.W.tobytes(), history.loss


def moved(offset: int) -> np.ndarray:
    """The rows at an address that is `offset` bytes past a multiple of 64."""
    memory = np.empty(X.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    found = memory[start : start + X.nbytes].view(X.dtype).reshape(X.shape)
    found[...] = X
    return found


def test_a_hundred_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with new arrays elsewhere in memory, every tenth with code compiled anew."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    wanted = fitted()
    for repeat in range(100):
        if repeat % 10 == 0:
            monkeypatch.setenv(cache.VARIABLE, str(tmp_path / f"kept{repeat}"))
            compiled._builds.clear()  # pyright: ignore[reportPrivateUsage]
            programs.clear_shared()
        assert fitted(x=moved(4 * (repeat % 16))) == wanted, repeat
    assert fitted(seed=6) != wanted
    assert len(list(tmp_path.iterdir())) == 11


PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.test_repeats import fitted
w, losses = fitted()
print(w.hex(), losses)
"""


def test_other_processes_with_fresh_and_with_kept_code(tmp_path: Path) -> None:
    """Each process has another order of its sets; the second finds the code of the first."""
    kept: list[list[str]] = []
    found: list[str] = []
    for seed in ("1", "2", "3"):
        changes = {"PYTHONHASHSEED": seed, cache.VARIABLE: str(tmp_path / "kept")}
        command = [sys.executable, "-c", PROCESS, str(ROOT)]
        done = subprocess.run(
            command, env=os.environ | changes, capture_output=True, text=True, check=True
        )
        found.append(done.stdout)
        kept.append(sorted(path.name for path in (tmp_path / "kept").iterdir()))
    w, losses = fitted()
    assert found == [f"{w.hex()} {losses}\n"] * 3
    assert kept[0]
    assert kept[0] == kept[1] == kept[2]


@pytest.mark.parametrize("threads", [1, 2])
def test_two_python_threads_that_train_at_once(threads: int) -> None:
    """Threads of Python and threads of the engine at once; several rounds, all beginning at the
    same moment."""
    with thresholds(threads=0):
        wanted = [fitted(seed, threads) for seed in (1, 2)]
        found: dict[tuple[int, int], tuple[bytes, list[float]]] = {}
        gate = threading.Barrier(2)

        def work(seed: int) -> None:
            for turn in range(2):
                gate.wait()
                found[seed, turn] = fitted(seed, threads)

        workers = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(found) == 4
    for (seed, turn), result in found.items():
        assert result == wanted[seed - 1], (seed, turn)


def alone(connection: int, threads: int) -> None:
    """What a forked child does: train, and write its weights; and never without end."""
    signal.alarm(HANG)
    with os.fdopen(connection, "wb") as pipe:
        pipe.write(fitted(threads=threads)[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("threads", [1, 3])
def test_training_after_a_fork(threads: int) -> None:
    with thresholds(threads=0):
        wanted = fitted(threads=threads)[0]  # the parent has had its threads
        source, target = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            try:
                alone(target, threads)
            finally:
                os._exit(0)
        os.close(target)
        with os.fdopen(source, "rb") as pipe:
            found = pipe.read()
        os.waitpid(child, 0)
    assert found == wanted
