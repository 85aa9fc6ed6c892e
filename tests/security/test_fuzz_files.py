"""Model and run files with a value that does not belong there: an error of ours, or answers.

GLASSNET_FUZZ_FILES says how many of each kind are tried (`make nightly`: many thousands).
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.cli.runs import _summary
from glassnet.errors import GlassnetError, ModelFileError
from glassnet.estimators.tabular.fit_resume import recorded_fit, resume_fit
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.estimators.tabular.target_models import TargetModels
from glassnet.inspect.show_stages import show_run
from glassnet.tables.read_table import read_table
from glassnet.version import numerics_version
from tests.data import ROOT
from tests.security.mutations import mutated, mutated_model, sealed, written

OLD = ROOT / "tests" / "files" / "old"
COUNT = int(os.environ.get("GLASSNET_FUZZ_FILES", "0"))
SECONDS = 2.0  # of processor time
MEMORY = 500_000_000


class Tally:
    """How the attempts ended."""

    def __init__(self) -> None:
        self.refused = self.opened = 0
        self.slowest = 0.0

    def attempt(self, what: str, run: Callable[[], Any]) -> None:
        before, started = peak(), time.process_time()
        try:
            run()
            self.opened += 1
        except GlassnetError as error:
            self.refused += 1
            text = str(error)
            assert len(text) < 5000, f"{what}: {text[:300]}"
            assert all(sign.isprintable() or sign == "\n" for sign in text), f"{what}: {text!r}"
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
        took = time.process_time() - started
        self.slowest = max(self.slowest, took)
        assert took < SECONDS, f"{what}: {took:.1f} s"
        assert peak() - before < MEMORY, f"{what}: {(peak() - before) / 1e6:.0f} MB"

    def told(self) -> str:
        return f"{self.refused} refused, {self.opened} opened, slowest {self.slowest:.2f} s"


def peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# -- model files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_mutated_model_files(name: str, tmp_path: Path) -> None:
    content = (OLD / f"{name}.safetensors").read_bytes()
    table = read_table(OLD / "table.csv")
    path, tally = tmp_path / "m.safetensors", Tally()

    def use() -> None:
        model = TableModel.load(path)
        first = model.predict(table)
        check(first)
        model.recorded_score()
        model.save(tmp_path / "again.safetensors")
        again = TableModel.load(tmp_path / "again.safetensors").predict(table)
        assert [str(v) for v in again.values] == [str(v) for v in first.values]

    for seed in range(max(100, COUNT)):
        path.write_bytes(mutated_model(content, random.Random(seed)))
        tally.attempt(f"seed {seed} of {name}", use)
    assert tally.refused > tally.opened, tally.told()  # most mutations are noticed
    print(tally.told())


def test_mutated_files_of_several_targets(tmp_path: Path) -> None:
    path, tally = tmp_path / "m.safetensors", Tally()
    table = read_table(OLD / "table.csv")
    models = [TableModel.load(OLD / f"{name}.safetensors") for name in ("classes", "numbers")]
    TargetModels(tuple(models)).save(path)
    content = path.read_bytes()

    def use() -> None:
        for model in TargetModels.load(path).models:
            check(model.predict(table))

    for seed in range(max(100, COUNT)):
        path.write_bytes(mutated_model(content, random.Random(seed)))
        tally.attempt(f"seed {seed}", use)
    assert tally.refused > tally.opened, tally.told()


def check(found: Any) -> None:
    """Answers are answers."""
    if found.probabilities is None:
        assert found.values.dtype == np.float64
        return
    assert set(found.values) <= set(found.classes)
    assert np.isfinite(found.probabilities).all()


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_a_model_file_that_is_sealed_anew_is_whole(name: str) -> None:
    content = (OLD / f"{name}.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert sealed(content[8 : 8 + length].decode(), content[8 + length :]) == content


def altered(name: str, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A model file, sealed, with a change to one of its texts, or to the header (name "")."""
    content = (OLD / "classes.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    texts = header["__metadata__"]
    own = json.loads(texts[name]) if name else header
    change(own)
    if name:
        texts[name] = written(own)
    return sealed(written(header), content[8 + length :])


def setting(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(own: Any) -> None:
        for key in path[:-1]:
            own = own[key]
        own[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("schema", setting("target", "common", to=99), "common is 99"),
        ("schema", setting("target", "classes", to=["a", "a"]), "two or more that differ"),
        ("schema", setting("target", "scale", to=0.0), "target.scale is 0.0"),
        ("schema", setting("columns", 0, "centre", to=10**400), "column 1.centre is a number of"),
        ("schema", setting("columns", 0, "scale", to=-1), "column 1.scale is -1"),
        ("schema", setting("columns", 0, "flag", to=1), "column 1.flag is 1; allowed is true or"),
        ("schema", setting("columns", 0, "kind", to="code"), "column 1.kind is 'code'"),
        ("schema", setting("columns", 1, "levels", to=["blue", "blue", "red"]), "level is there"),
        ("schema", setting("columns", 1, "average", to=[0.5]), "as many averages"),
        ("schema", setting("columns", 1, "name", to="size"), "names a column twice"),
        ("schema", setting("columns", 1, "more", to=1), "unknown name 'more'"),
        ("schema", setting("columns", 3, "months", 0, to=13), "months[0] is 13"),
        ("schema", setting("version", to=True), "version is True"),
        ("schema", setting("missing", to=[1]), "missing[0] is 1; allowed is a text"),
        ("network", setting("hidden", to=[-1]), "network.hidden[0] is -1"),
        ("network", setting("hidden", to=[2**30, 2**30]), "parameters; allowed are"),
        ("network", setting("dtype", to="object"), "network.dtype is 'object'"),
        ("network", setting("activation", to="Linear"), "network.activation is 'Linear'"),
        ("training", setting("rows", "train", to=-5), "training.rows.train is -5"),
        ("training", setting("score", "metric", to="x"), "training.score.metric is 'x'"),
        ("training", setting("recipe", "batch_size", to=0), "recipe.batch_size is 0"),
        ("training", setting("seed", to=1.5), "training.seed is 1.5"),
        ("training", setting("table", to="\udc80"), "training.table is"),
        ("", setting("linear1.weight", "shape", 0, to=True), "shape[0] is True"),
        ("", setting("linear1.weight", "data_offsets", to=[0, 4]), "does not fit"),
        ("", setting("linear1.weight", "dtype", to="O"), "dtype is 'O'"),
        ("", setting("__metadata__", "format_version", to=1), "format_version is 1"),
        ("", setting("__metadata__", "numerics_version", to="0"), "numerics_version is 0"),
    ],
)
def test_an_error_names_file_field_and_what_is_allowed(
    name: str, change: Any, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(altered(name, change))
    with pytest.raises(ModelFileError) as caught:
        TableModel.load(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(path))


# -- run files -----------------------------------------------------------------------------------

USES: dict[str, tuple[Callable[[Path], Any], ...]] = {
    "train.glass": (gn.resume, lambda p: gn.open_step(p, epoch=2), lambda p: _summary(str(p))),
    "estimator.glass": (
        lambda p: gn.open_step(p, epoch=2),
        lambda p: _summary(str(p)),
        lambda p: show_run(p, "graph"),
    ),
    "fit.glass": (lambda p: _go_on(p), lambda p: _summary(str(p))),
}


def _go_on(path: Path) -> None:
    recorded = recorded_fit(path)
    if recorded is not None:
        resume_fit(recorded)


def settings(path: Path) -> dict[str, Any]:
    with sqlite3.connect(path) as database:
        return {k: json.loads(v) for k, v in database.execute("SELECT key, value FROM run")}


def changed(path: Path, key: str, value: Any) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE run SET value = ? WHERE key = ?", (written(value), key))
    database.close()


def fresh(name: str, path: Path) -> None:
    """An old run file that says that it was recorded with the arithmetic of today."""
    shutil.copy(OLD / name, path)
    changed(path, "numerics_version", numerics_version)


# What is asked for more work is no damage: it is done, and may take its time.
WORK = ("epochs", "batch_size", "parameters")


@pytest.mark.parametrize("name", USES)
def test_mutated_run_files(name: str, tmp_path: Path) -> None:
    path, tally = tmp_path / name, Tally()
    known = settings(OLD / name)
    keys = [key for key in sorted(known) if key not in WORK]
    for use in USES[name]:  # the file as it is opens
        fresh(name, path)
        use(path)
    for seed in range(max(34, COUNT // 3)):
        draw = random.Random(seed)
        fresh(name, path)
        key = draw.choice(keys)
        try:
            changed(path, key, mutated(known[key], draw))
        except UnicodeEncodeError:
            continue  # SQLite keeps no such text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tally.attempt(
                f"seed {seed} of {name}: {key}", lambda d=draw: d.choice(USES[name])(path)
            )
    print(tally.told())


CELLS: tuple[Any, ...] = (
    None, 0, 1, -1, 3, 2**31, 2**62, -(2**63), 0.5, 1e308, float("inf"), float("nan"), "", "0", "x",
    "W", "[]", "{}", "null", "[[1]]", '{"W": ["object", [1]]}', "\x1b[2J", "é" * 5000, b"", b"\x00",
    b"x" * 7, b"\xff" * 4096,
)  # fmt: skip


def altered_cell(path: Path, draw: random.Random) -> str:
    """One cell of a run file gets another value, or its row goes, or stands again under another
    key; what was done."""
    with closing(sqlite3.connect(path)) as database, database:
        tables = ("run", "history", "checkpoint", "data", "result")
        full = [t for t in tables if database.execute(f"SELECT count(*) FROM {t}").fetchone()[0]]
        table = draw.choice(full)
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        key, column = columns[0], draw.choice(columns)
        keys = [row[0] for row in database.execute(f"SELECT {key} FROM {table}")]
        place, value, what = draw.choice(keys), draw.choice(CELLS), draw.random()
        if isinstance(value, float) and value != value:
            value = None  # SQLite keeps no NaN
        with suppress(sqlite3.IntegrityError, sqlite3.DataError):
            if what < 0.1:
                database.execute(f"DELETE FROM {table} WHERE {key} = ?", (place,))
            elif what < 0.2:
                rest = "".join(f", {name}" for name in columns[1:])
                row = f"SELECT ?{rest} FROM {table} WHERE {key} = ?"
                database.execute(f"INSERT INTO {table} {row}", (value, place))
            else:
                told = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
                database.execute(told, (value, place))
        return f"{table}.{column} of {place!r}: {value!r:.40} ({what:.2f})"


@pytest.mark.parametrize("name", USES)
def test_altered_cells_of_run_files(name: str, tmp_path: Path) -> None:
    """Every table of a run file, keys and arrays included."""
    path, tally = tmp_path / name, Tally()
    for seed in range(max(50, COUNT // 3)):
        draw = random.Random(seed)
        for rest in tmp_path.glob("*"):
            rest.unlink()
        fresh(name, path)
        what = altered_cell(path, draw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use = draw.choice(USES[name])
            tally.attempt(f"seed {seed} of {name}: {what}", lambda u=use: u(path))
    assert tally.refused, tally.told()
    print(tally.told())


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("batch_size", 0, "batch_size is 0"),
        ("epochs", True, "epochs is True"),
        ("seed", 1.5, "seed is 1.5"),
        ("model", {"class": "Adam"}, "a Adam where Module belongs"),
        ("model", {"class": "HalfMSE"}, "a HalfMSE where Module belongs"),
        ("optimizer", {"class": "Linear", "fan_in": 1, "fan_out": 1}, "a Linear where Optimizer"),
        ("optimizer", {"class": "Adam", "lr": {"class": "Linear"}}, "a Linear where Schedule"),
        ("loss", {"class": "Cosine"}, "a Cosine where Loss belongs"),
        ("model", {"class": "Sequential", "layers": [{"class": "Adam"}]}, "a Adam where Module"),
        ("model", {"class": "os.system"}, "names the class 'os.system'"),
        ("model", {"class": "Linear", "fan_in": True, "fan_out": 2}, "fan_in is True"),
        ("model", {"class": "Linear", "fan_in": 2**40, "fan_out": 2**40}, "is of another one"),
        ("loss", {"class": "CrossEntropy", "more": 1}, "CrossEntropy that cannot be made"),
        ("callbacks", [{"class": "Linear"}], "a Linear where EarlyStopping"),
        ("loss", {"class": "PenalisedLoss", "out": "x", "inner": 1, "alpha": 0.0}, "inner is 1"),
        ("sha256", {"training": "x"}, "sha256.training is 'x'"),
        ("ended", {"stopped": "epochs"}, "ended does not say"),
        ("validation", 7, "validation is 7"),
        ("weighted", 0, "weighted is 0"),
        ("source", 7, "source is 7"),
        ("source", {"streams": {"training": {"path": 5}}}, "streams.training does not say"),
    ],
)
def test_a_run_file_with_a_wrong_setting_is_refused(
    key: str, value: Any, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.glass"
    fresh("train.glass", path)
    changed(path, key, value)
    with pytest.raises(GlassnetError) as caught:
        gn.resume(path, epochs=7)
    assert told in str(caught.value)


@pytest.mark.parametrize("phase", ["x", 0, 1.5, [1]])
def test_a_phase_that_is_none_is_refused(phase: Any, tmp_path: Path) -> None:
    path = tmp_path / "fit.glass"
    shutil.copy(OLD / "fit.glass", path)
    changed(path, "source", {**settings(path)["source"], "phase": phase})
    with pytest.raises(ModelFileError, match=r"run\.source\.phase is"):
        recorded_fit(path)
