"""Another rounding mode, or denormal numbers taken for 0, in the calling thread change no bit."""

from __future__ import annotations

import ctypes
import hashlib
import platform
import subprocess
import sys
import timeit
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import glassnet as gn
from glassnet import rounding
from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.tables.read_table import read_table

INTEL = platform.machine() in ("x86_64", "AMD64")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not INTEL, reason="bits of this processor's control register"
)

# the control register of SSE: rounding down, up, to zero; denormal results and operands as 0
MODES = {"down": 0x2000, "up": 0x4000, "zero": 0x6000, "flush": 0x8000, "treat": 0x0040}
PLAIN = 0x1F80


@contextmanager
def mode(name: str) -> Iterator[None]:
    library = ctypes.PyDLL("libm.so.6")
    saved = ctypes.create_string_buffer(64)
    library.fegetenv(saved)
    other = ctypes.create_string_buffer(saved.raw, 64)
    other[28:32] = (PLAIN | MODES[name]).to_bytes(4, "little")  # glibc's fenv_t ends with it
    library.fesetenv(other)
    try:
        yield
        kept = ctypes.create_string_buffer(64)
        library.fegetenv(kept)
        wanted = (PLAIN | MODES[name]) & ~0x3F  # without the flags of what happened since
        assert int.from_bytes(kept[28:32], "little") & ~0x3F == wanted
    finally:
        library.fesetenv(saved)


def rows() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[:, 2] *= 1e-39  # denormal in float32
    return x, x[:, 0] + 1e38 * x[:, 2] > 0


X, Y = rows()


def trained() -> np.ndarray:
    model = gn.nn.Sequential(
        gn.nn.Linear(3, 4), gn.nn.Tanh(), gn.nn.Dropout(0.3), gn.nn.Linear(4, 2)
    )
    rate = gn.optim.Warmup(gn.optim.Cosine(0.1), steps=3)
    optimizer = gn.optim.Adam(lr=rate, weight_decay=1e-3, average=0.9)
    loss = gn.losses.CrossEntropy(label_smoothing=0.1)
    history = gn.train(
        model, X, Y.astype(int), loss=loss, optimizer=optimizer, epochs=2, batch_size=16,
        sample_weight=np.linspace(0.1, 1, 40), validation=0.25,
    )  # fmt: skip
    return np.concatenate([model.W, history.loss, history.validation_loss, model(X).ravel()])


def stepped() -> np.ndarray:
    model = gn.nn.Sequential(gn.nn.Linear(3, 1, initializer="orthogonal"), dtype="float64")
    rate = gn.optim.InverseScaling(0.1)
    step = gn.Step(model, loss=gn.losses.Huber(0.3), optimizer=gn.optim.Adam(lr=rate))
    return np.array([step(X, Y) for _ in range(3)] + model.W.tolist())


def estimated() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = gn.MLPClassifier(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, Y)
        other = gn.MLPRegressor(
            hidden_layer_sizes=(4,), max_iter=3, random_state=0, solver="sgd"
        ).fit(X, X[:, 0])
    parts = [*first.coefs_, *other.coefs_, first.predict_proba(X), other.predict(X)]
    return np.concatenate([np.ravel(part) for part in parts])


def searched() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est = gn.MLPRegressor(
            hidden_layer_sizes=(3,), max_iter=3, random_state=0, solver="lbfgs"
        ).fit(X, X[:, 0])
    return est.coefs_[0].ravel()


def differentiated() -> np.ndarray:
    model = gn.nn.Sequential(gn.nn.Linear(3, 2), gn.nn.PReLU(), dtype="float64")
    value, slope = gn.value_and_grad(gn.losses.HalfMSE())(model, X, np.column_stack([Y, Y]))
    own = gn.compile(lambda x: gn.ops.exp(x * (1.0 / 3.0)) - 0.1)(X)
    return np.concatenate([[value], slope, own.ravel()])


def table(folder: Path) -> np.ndarray:
    path = folder / "table.csv"
    if not path.exists():
        lines = [f"{a!r},{b:.17g},{c}" for a, b, c in zip(X[:, 0], X[:, 1], Y, strict=True)]
        path.write_text("a,b,c\n" + "\n".join(lines) + "\n")
    fitted = fit_table(read_table(path), "c", epochs=2, kinds={"c": "category"})
    found = fitted.model.predict(read_table(path)).probabilities
    assert found is not None
    return np.concatenate([fitted.model.network.W, found.ravel(), [fitted.score.value]])


@pytest.mark.parametrize("compute", [trained, stepped, estimated, searched, differentiated])
def test_no_bit_depends_on_the_mode(compute: Callable[[], np.ndarray]) -> None:
    wanted = compute()
    for name in MODES:
        with mode(name):
            found = compute()
        assert found.tobytes() == wanted.tobytes(), name


def test_no_bit_of_a_fit_of_a_table_does(tmp_path: Path) -> None:
    wanted = table(tmp_path)
    for name in ("up", "flush"):  # each takes seconds
        with mode(name):
            found = table(tmp_path)
        assert found.tobytes() == wanted.tobytes(), name


def test_without_the_guard_bits_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = gn.nn.Sequential(gn.nn.Linear(30, 30)).W
    with mode("up"):
        assert gn.nn.Sequential(gn.nn.Linear(30, 30)).W.tobytes() == wanted.tobytes()
        monkeypatch.setattr(rounding, "ABOVE", 1.0)
        monkeypatch.setattr(rounding, "BELOW", 0.0)
        found = gn.nn.Sequential(gn.nn.Linear(30, 30)).W
    assert found.tobytes() != wanted.tobytes()


@pytest.mark.parametrize("name", MODES)
def test_every_mode_is_noticed(name: str) -> None:
    assert rounding.rounds_to_nearest()
    with mode(name):
        assert not rounding.rounds_to_nearest()
        with rounding.rounding_to_nearest():
            assert rounding.rounds_to_nearest()
        assert not rounding.rounds_to_nearest()
    assert rounding.rounds_to_nearest()


def test_an_error_leaves_the_mode_as_it_was() -> None:
    with mode("zero"):
        with pytest.raises(gn.nn.module.ShapeError):  # type: ignore[attr-defined]
            gn.nn.Sequential(gn.nn.Linear(3, 1))(np.zeros((2, 5)))
        assert not rounding.rounds_to_nearest()


def test_asking_is_cheap() -> None:
    guarded = rounding.computed_to_nearest(lambda: None)
    took = min(timeit.repeat(guarded, number=10_000, repeat=5)) / 10_000
    assert took < 5e-6  # 0.2 µs on a machine that does nothing else


PROGRAM = """
import ctypes, hashlib, sys
if len(sys.argv) > 1:
    ctypes.PyDLL("libm.so.6").fesetround(int(sys.argv[1], 16))
import glassnet.ops
import glassnet as gn
model = gn.nn.Sequential(gn.nn.Linear(3, 8), gn.nn.GELU(), gn.nn.Linear(8, 1), dtype="float64")
x = [[i / 8, i % 3, i % 5 / 4] for i in range(20)]  # exact in every mode
gn.train(model, x, [i % 7 / 2 for i in range(20)], loss=gn.losses.HalfMSE(),
         optimizer=gn.optim.SGD(lr=gn.optim.Cosine(1 / 8), momentum=1 / 2), epochs=2)
print(hashlib.sha256(model.W.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("number", ["400", "800"])  # <fenv.h>: down, up
def test_the_mode_may_be_set_before_the_package_is_loaded(number: str) -> None:
    found = [
        subprocess.run(
            [sys.executable, "-B", "-c", PROGRAM, *given],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for given in ([], [number])
    ]
    assert len(found[0]) == hashlib.sha256().digest_size * 2 + 1
    assert found[0] == found[1]
