"""Run files and model files that the page writes and opens: glassnet and the page agree on them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.page.built_in import table
from glassnet.page.fragments import Built
from glassnet.page.opened import opened_run
from glassnet.page.replay_page import replay
from tests.page.visit import Visit, needs_chromium, saved, write

pytestmark = needs_chromium

LAYERS = [("PReLU", 5), ("Tanh", 3), ("PReLU", 2), ("Identity", 3)]
EACH = 14  # steps of an epoch: 140 rows of 200 are trained on, in batches of 10


@pytest.fixture
def trained(visit: Visit) -> Visit:
    """Three classes, learnt slopes, an optimiser with memory."""
    layers = [{"activation": name, "width": width} for name, width in LAYERS]
    visit.js("glassnet.ready.then(() => 0)")
    visit.tab.click("#tables >> text=gaussians")
    visit.wait("glassnet.state.table === 'gaussians'")
    visit.tab.evaluate(
        "layers => glassnet.open({layers, loss: 'CrossEntropy', optimizer: 'Adam', lr: 0.02})",
        layers,
    )
    return visit


def model() -> gn.nn.Sequential:
    return gn.nn.Sequential(
        gn.nn.Linear(2, 5), gn.nn.PReLU(width=5), gn.nn.Linear(5, 3), gn.nn.Tanh(),
        gn.nn.Linear(3, 2), gn.nn.PReLU(width=2), gn.nn.Linear(2, 3), seed=0,
    )  # fmt: skip


def python(epochs: int, path: Path, **changed: Any) -> gn.nn.Sequential:
    """The same training by `gn.train`, recorded."""
    own, rows = model(), table("gaussians")
    x, y = rows.x, rows.y.astype(np.int64)
    held = rows.held_out
    settings: dict[str, Any] = {"optimizer": gn.optim.Adam(0.02)} | changed
    gn.train(
        own, x[~held], y[~held], loss=gn.losses.CrossEntropy(), epochs=epochs, batch_size=10,
        validation=(x[held], y[held]), record=path, **settings,
    )  # fmt: skip
    return own


def rows_of(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return database.execute(query).fetchall()


def settings(path: Path) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in rows_of(path, "SELECT key, value FROM run")}


def test_a_run_file_of_the_page_is_that_of_python(trained: Visit, tmp_path: Path) -> None:
    """The same losses, states, fingerprints; resumed it ends with the bits of a longer training."""
    trained.js(f"glassnet.train({6 * EACH})")
    path = saved(trained, '"run file"', tmp_path)
    python(6, tmp_path / "python.run")
    for query in (
        "SELECT * FROM history",
        "SELECT epoch, sha256 FROM checkpoint WHERE epoch IN (0, 6)",
        "SELECT * FROM result",
        "SELECT name, json(arrays), content FROM data",
    ):
        assert rows_of(path, query) == rows_of(tmp_path / "python.run", query), query
    written, wanted = (settings(own) for own in (path, tmp_path / "python.run"))
    for given in (written, wanted):
        given["ended"].pop("seconds")
    assert written.pop("names") == ["x₁", "x₂"]
    assert written == wanted
    own, _ = gn.resume(path, epochs=9)
    assert own.W.tobytes() == python(9, tmp_path / "longer.run").W.tobytes()


def test_a_run_within_an_epoch_goes_on_in_python_and_on_the_page(
    browser: Any, built: Built, trained: Visit, tmp_path: Path
) -> None:
    """A change of the rate is a part of the schedule; the steps after the last whole epoch are done
    again."""
    trained.js("glassnet.train(20).then(() => glassnet.change({lr: 0.005}))")
    trained.js("glassnet.train(30)")
    path = saved(trained, '"run file"', tmp_path)
    assert "3 epochs; the 8 steps after them" in trained.text("#panel")
    rates = gn.optim.Switched(0.02, 20, 0.005)
    longer = python(4, tmp_path / "longer.run", optimizer=gn.optim.Adam(rates))
    opened = opened_run(path)
    page = Visit(browser, write(tmp_path, built, tables=[opened.table], start=opened.table.name,
                                state=opened.state))  # fmt: skip
    assert page.step() == 3 * EACH
    page.js(f"glassnet.train({EACH})")
    assert page.weights() == longer.W.tobytes()
    page.done()
    own, _ = gn.resume(path)
    assert own.W.tobytes() == longer.W.tobytes()


def test_a_run_is_dropped_trained_on_and_saved_back(visit: Visit, tmp_path: Path) -> None:
    python(4, tmp_path / "own.run")
    drop(visit, tmp_path / "own.run")
    visit.wait(f"glassnet.state.table === 'own' && glassnet.state.step === {4 * EACH}")
    visit.wait("document.querySelector('#message').hidden")
    visit.js(f"glassnet.train({2 * EACH})")
    path = saved(visit, '"run file"', tmp_path / "back")
    longer = python(6, tmp_path / "longer.run")
    for query in ("SELECT * FROM history", "SELECT epoch, sha256 FROM checkpoint WHERE epoch = 6"):
        assert rows_of(path, query) == rows_of(tmp_path / "longer.run", query)
    assert visit.weights() == longer.W.tobytes()


def test_held_out_rows_by_a_fraction(visit: Visit, tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(size=(61, 3)).astype(np.float32)
    own = gn.nn.Sequential(gn.nn.Linear(3, 4), gn.nn.GELU(), gn.nn.Linear(4, 1), seed=2)
    gn.train(
        own, x, x[:, :1] * x[:, 1:2], loss=gn.losses.MSE(), epochs=5, batch_size=7, seed=9,
        optimizer=gn.optim.SGD(0.05, momentum=0.9), validation=0.25, record=tmp_path / "part.run",
    )  # fmt: skip
    drop(visit, tmp_path / "part.run")
    visit.wait("glassnet.state.table === 'part' && glassnet.state.step > 0")
    assert visit.weights() == own.W.tobytes()
    assert "15 of them held out" in visit.js("document.querySelector('#points').ariaLabel")


def test_a_model_file_of_the_page(trained: Visit, tmp_path: Path) -> None:
    """`gn.load` opens it; dropped it is opened again; one changed byte is noticed."""
    trained.js("glassnet.train(33)")
    weights = trained.weights()
    path = saved(trained, '"model file"', tmp_path)
    own = gn.load(path)
    assert own.W.tobytes() == weights
    assert repr(own) == repr(model())
    trained.js("glassnet.train(10)")
    drop(trained, path)
    trained.wait("glassnet.state.step === 0")
    trained.wait_for_weights(weights)
    damaged = bytearray(path.read_bytes())
    damaged[-2] ^= 1
    (tmp_path / "damaged.safetensors").write_bytes(damaged)
    drop(trained, tmp_path / "damaged.safetensors")
    trained.wait("document.querySelector('#message').textContent.includes('damaged')")
    assert trained.weights() == weights


def test_what_a_run_file_cannot_say_is_said(trained: Visit) -> None:
    trained.js("glassnet.train(20).then(() => glassnet.change({optimizer: 'SGD'}))")
    trained.open_panel("take")
    trained.tab.click("#panel >> button:text-is('run file')")
    trained.wait(
        "document.querySelector('#message').textContent.includes('At step 20 the optimizer')"
    )


def test_files_that_cannot_be_opened_are_said(visit: Visit, tmp_path: Path) -> None:
    """Damaged files, other databases, other networks; the page stays as it is."""
    visit.js("glassnet.train(7)")
    before = visit.weights()
    weights = python(2, tmp_path / "own.run").W.tobytes()
    whole = (tmp_path / "own.run").read_bytes()
    sqlite3.connect(tmp_path / "other.run").execute("CREATE TABLE a(b)").connection.close()
    wide = gn.nn.Sequential(gn.nn.Linear(5, 1))
    gn.save(wide, tmp_path / "wide.safetensors")
    pack = gn.nn.Sequential(gn.nn.Repeat(2), gn.nn.MemberLinear(2, 1, 2), gn.nn.Average(2))
    gn.save(pack, tmp_path / "pack.safetensors")
    loops = bytearray(whole)
    for page in range(4096, len(loops), 4096):  # every page says that the one after it is itself
        loops[page] = 5
    for name, content, told in (
        ("cut.run", whole[: len(whole) // 2], "damaged"),
        ("loops.run", bytes(loops), "damaged"),
        ("sealed.run", whole.replace(weights, bytes([weights[0] ^ 1]) + weights[1:]), "SHA-256"),
        ("other.run", (tmp_path / "other.run").read_bytes(), "not a run file"),
        ("wide.safetensors", (tmp_path / "wide.safetensors").read_bytes(), "takes 5 inputs"),
        ("pack.safetensors", (tmp_path / "pack.safetensors").read_bytes(), "an ensemble"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        drop(visit, tmp_path / name)
        visit.wait(f"document.querySelector('#message').textContent.includes({told!r})")
        assert name in visit.text("#message")
        assert visit.weights() == before
        visit.js("glassnet.seek(7)")
    assert visit.weights() == before
    assert replay(dict(visit.js("glassnet.state")), 7).W.tobytes() == before


def drop(visit: Visit, path: Path) -> None:
    visit.tab.evaluate(
        """([bytes, name]) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], name));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }""",
        [list(path.read_bytes()), path.name],
    )
