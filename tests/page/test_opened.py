"""Runs and models that the page opens: their steps again, bit by bit, and more of them."""

from __future__ import annotations

import base64
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet.errors import GlassnetError, ModelFileError, TableError
from glassnet.page import opened as page_opened
from glassnet.page import write_page as play
from glassnet.page.built_in import table as built_in
from glassnet.page.fragments import Built
from glassnet.page.opened import Opened, opened_model, opened_run
from glassnet.tables.read_table import read_table
from tests.cli.command import here
from tests.estimators import older
from tests.page.visit import Visit, needs_chromium, write

X = np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32)
CLASSES = (X[:, 0] > X[:, 1]).astype(np.int64) + (X[:, 2] > 1)


def model() -> gn.nn.Sequential:
    return gn.nn.Sequential(
        gn.nn.Linear(3, 20), gn.nn.PReLU(width=20), gn.nn.Linear(20, 4), gn.nn.Tanh(),
        gn.nn.Linear(4, 3), seed=5,
    )  # fmt: skip


def train(own: gn.nn.Module, path: Path | None, epochs: int, **changed: Any) -> gn.nn.Module:
    settings: dict[str, Any] = {
        "loss": gn.losses.CrossEntropy(), "optimizer": gn.optim.Adam(0.01), "batch_size": 8,
        "seed": 3, "validation": 0.2, "y": CLASSES,
    }  # fmt: skip
    settings |= changed
    gn.train(own, X, epochs=epochs, record=path, **settings)
    return own


@needs_chromium
def test_a_run_is_opened_and_goes_on(browser: Any, built: Built, tmp_path: Path) -> None:
    """At its last checkpoint it has the weights of the run; after more steps those of a longer
    training; any step of it again."""
    train(model(), tmp_path / "own.run", 6)
    opened = opened_run(tmp_path / "own.run")
    path = write(
        tmp_path, built, tables=[opened.table], start=opened.table.name, state=opened.state
    )
    visit = Visit(browser, path)
    steps = opened.state["step"]
    assert visit.step() == steps == 6 * 5
    assert visit.weights() == train(model(), None, 6).W.tobytes()
    assert "digest" not in visit.text("body")
    visit.js("glassnet.train(10)")
    assert visit.weights() == train(model(), None, 8).W.tobytes()
    visit.js("glassnet.seek(15)")
    assert visit.weights() == train(model(), None, 3).W.tobytes()
    program = visit.program()
    assert visit.weights() == program["model"].W.tobytes()
    visit.done()


@needs_chromium
def test_a_run_of_another_program_is_noticed(browser: Any, built: Built, tmp_path: Path) -> None:
    """The planted error: a digest that is not that of the weights."""
    train(model(), tmp_path / "own.run", 2)
    opened = opened_run(tmp_path / "own.run")
    state = {**opened.state, "digest": "00000000"}
    path = write(tmp_path, built, tables=[opened.table], start=opened.table.name, state=state)
    visit = Visit(browser, path)
    assert "another version" in visit.text("#message")
    visit.done()


def fitted(folder: Path) -> Path:
    """The files of a fit of one network by phases, as earlier versions made them."""
    rng = np.random.default_rng(0)
    rows = [f"{a:.4f},{b:.4f},{'u' if a > b else 'v'}" for a, b in rng.normal(size=(60, 2))]
    (folder / "table.csv").write_text("\n".join(["a,b,kind", *rows]))
    command = ["fit", "table.csv", "-t", "kind", "--epochs", "3", "-o", "own.safetensors"]
    done = here(*command, "--record", "fit.run", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "own.safetensors"


@needs_chromium
def test_a_model_and_the_run_of_a_fit(
    browser: Any, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wide layers, real names; the model's own weights; the run's, which it ends with."""
    older.use(monkeypatch)
    path = fitted(tmp_path)
    opened = opened_model(path, tmp_path / "table.csv")
    weights = gn.TabularClassifier.load(path).model_.network.W
    for own in (opened, opened_run(tmp_path / "fit.run")):
        page = write(tmp_path, built, tables=[own.table], start=own.table.name, state=own.state)
        visit = Visit(browser, page)
        assert own.table.columns == ("a", "b")
        assert own.table.classes == ("u", "v")
        assert visit.text("#message") == ""
        if own is opened:
            assert visit.weights() == weights.tobytes()
        visit.tab.click("[aria-label='Later neurons of layer 1']")
        assert "13–24 of 128" in visit.text("#network")
        visit.js("glassnet.train(5)")
        visit.open_panel("proof")
        visit.wait("document.querySelector('#panel').textContent.includes('evenly spaced')")
        visit.done()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a fit as it is by default, of two numbers and a category."""
    folder = tmp_path_factory.mktemp("pack")
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.4f},{b:.4f},{'rgb'[i % 3]},{'u' if a > b else 'v'}"
        for i, (a, b) in enumerate(rng.normal(size=(60, 2)))
    ]
    (folder / "table.csv").write_text("\n".join(["a,b,colour,kind", *rows]))
    command = ["fit", "table.csv", "-t", "kind", "--epochs", "2", "-o", "own.safetensors"]
    done = here(*command, "--record", "fit.run", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def plain(opened: Opened) -> gn.nn.Sequential:
    """The network that the page has at first."""
    widths = [len(opened.table.columns), *(own["width"] for own in opened.state["layers"])]
    kinds = [getattr(gn.nn, own["activation"])() for own in opened.state["layers"]]
    pairs = zip(itertools.pairwise(widths), kinds, strict=True)
    layers = [part for pair, kind in pairs for part in (gn.nn.Linear(*pair), kind)]
    network = gn.nn.Sequential(*layers)
    (entry,) = opened.state["entries"]
    network.W[...] = np.frombuffer(base64.b64decode(entry["weights"]), np.float32)
    return network


def test_a_pack_is_opened_member_by_member(packed: Path) -> None:
    """The members' mean is what the pack predicts; the run's weights are those of the model."""
    model = gn.TabularClassifier.load(packed / "own.safetensors").model_
    count, folds = model.architecture.together, model.architecture.folds
    x = model.schema.encode(model.schema.load(read_table(str(packed / "table.csv")))).x
    shares = []
    for member in range(1, count + 1):
        opened = opened_model(packed / "own.safetensors", packed / "table.csv", member)
        z = np.asarray(plain(opened)(opened.table.x), np.float64)
        shares.append(np.exp(z) / np.exp(z).sum(1, keepdims=True))
        if member in (1, count):
            run = opened_run(packed / "fit.run", member)
            assert run.state["entries"] == opened.state["entries"]
            assert len(run.table.held or ()) == 60 // folds
            np.testing.assert_array_equal(np.sort(run.table.x, 0), np.sort(opened.table.x, 0))
    whole = np.asarray(model.network(np.column_stack([x, np.full(60, -1, np.float32)])))
    np.testing.assert_allclose(np.mean(shares, 0), np.exp(whole), rtol=1e-4)
    assert opened.table.columns[:3] == ("a (1)", "a (2)", "a (3)")
    assert opened.table.columns[-3:] == tuple(model.schema.inputs[-3:])
    assert opened.notes[0] == opened.table.about
    assert f"an ensemble of {count} networks in {folds} folds" in opened.table.about
    assert f"this is network {count}, trained without the rows of fold {folds};" in opened.notes[0]


@needs_chromium
def test_a_member_on_the_page(browser: Any, built: Built, packed: Path) -> None:
    """Its weights, what it is said to be, and training; another table says nothing of a pack."""
    opened = opened_model(packed / "own.safetensors", packed / "table.csv")
    moons = built_in("moons")
    path = write(
        packed, built, tables=[opened.table, moons], start=opened.table.name, state=opened.state
    )
    visit = Visit(browser, path)
    assert visit.text("#about") == opened.table.about
    assert visit.text("#message") == ""
    assert visit.weights() == plain(opened).W.tobytes()
    axes = "[...document.querySelectorAll('[aria-label^=Input]')].map(own => own.value)"
    assert [opened.table.columns[int(own)][0] for own in visit.js(axes)] == ["a", "b"]
    visit.js("glassnet.train(5)")
    visit.js("glassnet.open({table: 'moons'})")
    assert visit.tab.is_hidden("#about")
    visit.done()


def test_a_member_that_is_not_there(packed: Path, tmp_path: Path) -> None:
    path, table, page = packed / "own.safetensors", packed / "table.csv", tmp_path / "page.html"
    with pytest.raises(
        GlassnetError, match=r"own\.safetensors is an ensemble of \d+ networks; member is"
    ):
        play.write_page(path, None, (), page, rows=table, member=0)
    train(model(), tmp_path / "own.run", 1)
    with pytest.raises(GlassnetError, match=r"own\.run is not an ensemble of networks; leave out"):
        opened_run(tmp_path / "own.run", 1)
    with pytest.raises(TableError, match="a member is one of an ensemble of networks"):
        play.write_page("moons", None, (), page, member=1)
    assert not page.exists()


def test_a_pack_that_is_saved_alone(tmp_path: Path) -> None:
    nn = gn.nn
    layers = nn.PiecewiseEmbedding(2, 3, 4), nn.Repeat(2), nn.MemberLinear(6, 1, 2), nn.Average(2)
    own = nn.Sequential(*layers, seed=1)
    gn.save(own, tmp_path / "own.safetensors")
    each = [opened_model(tmp_path / "own.safetensors", "moons", member) for member in (1, 2)]
    mean = np.mean([plain(opened)(opened.table.x) for opened in each], 0)
    np.testing.assert_allclose(mean, own(built_in("moons").x), rtol=1e-5, atol=1e-6)


def test_of_many_rows_some_are_shown(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_opened, "MOST_NUMBERS", 1000)
    opened = opened_run(packed / "fit.run")
    rows = 1000 // len(opened.table.columns)
    assert opened.table.x.shape[0] == len(opened.table.y) == rows < 60
    assert f"{rows} of 60 rows are shown, spread evenly" in opened.notes
    assert 0 < len(opened.table.held or ()) < rows


@needs_chromium
def test_a_network_alone_is_shown_with_rows_that_fit(
    browser: Any, built: Built, tmp_path: Path
) -> None:
    own = gn.nn.Sequential(gn.nn.Linear(4, 6), gn.nn.ELU(), gn.nn.Linear(6, 3), seed=8)
    gn.save(own, tmp_path / "own.safetensors")
    opened = opened_model(tmp_path / "own.safetensors", None)
    page = write(tmp_path, built, tables=[opened.table], start=opened.table.name,
                 state=opened.state)  # fmt: skip
    visit = Visit(browser, page)
    assert visit.js("glassnet.state.table") == "penguins"
    assert visit.weights() == own.W.tobytes()
    visit.done()


def test_a_network_that_no_table_fits(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    gn.save(gn.nn.Sequential(gn.nn.Linear(5, 1)), path)
    with pytest.raises(TableError, match=r"takes 5 inputs to 1 output, which no built-in table"):
        opened_model(path, None)
    gn.save(gn.nn.Sequential(gn.nn.Linear(2, 1)), path)
    assert opened_model(path, "moons").table.name == "moons"
    with pytest.raises(TableError, match=r"knows nothing of the columns of own\.csv"):
        opened_model(path, "own.csv")


def test_a_model_needs_rows(tmp_path: Path) -> None:
    path = fitted(tmp_path)
    with pytest.raises(TableError, match=r"--rows TABLE, such as table\.csv"):
        play.write_page(path, None, (), tmp_path / "page.html")
    with pytest.raises(TableError, match="name it alone"):
        play.write_page(path, None, ["a"], tmp_path / "page.html", rows=tmp_path / "table.csv")
    with pytest.raises(ModelFileError, match="not 'odd'; name one of these"):
        play.write_page(path, "odd", (), tmp_path / "page.html", rows=tmp_path / "table.csv")
    with pytest.raises(TableError, match="rows are shown with a model file"):
        play.write_page(None, None, (), tmp_path / "page.html", rows=tmp_path / "table.csv")
    assert not (tmp_path / "page.html").exists()


Y = X[:, :1] * X[:, 1:2]
NUMBERS: dict[str, Any] = {"loss": gn.losses.HalfMSE(), "y": Y}
DROPPED = gn.nn.Sequential(gn.nn.Linear(3, 4), gn.nn.Dropout(0.1), gn.nn.Linear(4, 3))
SLOPED = gn.nn.Sequential(gn.nn.Linear(3, 4), gn.nn.LeakyReLU(0.3), gn.nn.Linear(4, 3))
TWICE = gn.nn.Sequential(gn.nn.Linear(3, 3), gn.nn.Tanh(), gn.nn.Tanh())
BARE = gn.nn.Sequential(gn.nn.Linear(3, 3, bias=False))
WIDE = gn.nn.Sequential(gn.nn.Linear(3, 300), gn.nn.Linear(300, 3))


@pytest.mark.parametrize(
    ("own", "changed", "told"),
    [
        (DROPPED, {}, "Dropout"),
        (SLOPED, {}, "LeakyReLU"),
        (TWICE, {}, "two activations in a row"),
        (BARE, {}, "without a bias"),
        (WIDE, {}, "a layer of 300 neurons"),
        (None, {"optimizer": gn.optim.Adam(gn.optim.Cosine(0.01))}, "schedule"),
        (None, {"optimizer": gn.optim.SGD(0.1, weight_decay=0.1)}, "optimiser"),
        (None, {"loss": gn.losses.CrossEntropy(label_smoothing=0.1)}, "loss"),
        (None, {"shuffle": False}, "rows in one order"),
        (None, {"sample_weight": np.ones(50)}, "weights of rows"),
    ],
)
def test_what_the_page_has_not_is_said(
    tmp_path: Path, own: Any, changed: dict[str, Any], told: str
) -> None:
    path = tmp_path / "own.run"
    train(own or model(), path, 1, **changed)
    with pytest.raises(GlassnetError, match=rf"{told}.*, which the page cannot show"):
        opened_run(path)


def test_a_run_with_numbers_for_targets(tmp_path: Path) -> None:
    own = gn.nn.Sequential(gn.nn.Linear(3, 1), seed=1)
    train(own, tmp_path / "own.run", 2, **NUMBERS)
    opened = opened_run(tmp_path / "own.run")
    assert opened.table.classes == ()
    np.testing.assert_array_equal(np.sort(opened.table.y), np.sort(Y[:, 0]))
    assert opened.table.held == tuple(range(40, 50))
    assert replace(opened.table, held=()).columns == ("x1", "x2", "x3")


@needs_chromium
def test_a_page_within_a_notebook(browser: Any, file: Path, tmp_path: Path) -> None:
    """In a frame, with no address of its own, it trains; it raises no error."""
    from glassnet.page.notebook import PageFrame

    path = tmp_path / "notebook.html"
    path.write_text(PageFrame(file.read_text(encoding="utf-8"))._repr_html_(), encoding="utf-8")
    tab, problems = browser.new_page(), []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(path.as_uri())
    (frame,) = tab.frames[1:]
    assert frame.evaluate("glassnet.ready.then(() => glassnet.train(20))") == 20
    tab.wait_for_timeout(600)
    assert problems == []
    tab.close()


HOST = """<!doctype html><meta charset="utf-8"><div id="cell"></div><script type="module">
import widget from "./widget.mjs";
const heard = {}, own = new Map();
window.model = {
  own, get: (name) => own.get(name), set: (name, value) => own.set(name, value),
  save_changes() { window.saved = (window.saved ?? 0) + 1; },
  on: (event, act) => (heard[event] = act), off: (event) => delete heard[event],
  ask(asked) { own.set("asked", asked); heard["change:asked"](); },
};
window.leave = widget.render({ model: window.model, el: document.getElementById("cell") });
</script>"""


@needs_chromium
def test_a_widget_tells_of_its_run_and_is_asked_for_steps(
    browser: Any, file: Path, tmp_path: Path
) -> None:
    """The module of the widget, with what anywidget gives it."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    from glassnet.page.notebook import widget_module

    (tmp_path / "widget.mjs").write_text(
        widget_module(file.read_text(encoding="utf-8")), encoding="utf-8"
    )
    (tmp_path / "host.html").write_text(HOST, encoding="utf-8")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    tab = browser.new_page()
    tab.goto(f"http://127.0.0.1:{server.server_port}/host.html")
    step = "() => window.model?.own.get('step') === {}"
    tab.wait_for_function(step.format(0))
    tab.evaluate("model.ask({verb: 'train', value: 25, number: 0})")
    tab.wait_for_function(step.format(25))
    program: dict[str, Any] = {}
    exec(tab.evaluate("model.own.get('script')"), program)
    packed = tab.evaluate("model.own.get('packed')")
    assert base64.b64decode(packed) == program["model"].W.tobytes()
    tab.evaluate("model.ask({verb: 'anything', value: 1, number: 1})")
    tab.evaluate("leave()")
    tab.close()
    server.shutdown()
    server.server_close()


def test_without_anywidget_a_widget_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(GlassnetError, match=r"pip install 'glassnet\[notebook\]'"):
        play.play(widget=True, show=False)


def test_a_terminal_shows_no_page(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    import sys
    import types

    from glassnet.page.notebook import in_notebook

    shown: list[Any] = []
    shell = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    display = types.SimpleNamespace(display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert not in_notebook(file)
    shell.kernel = object()
    assert in_notebook(file)
    assert "srcdoc" in shown[0]._repr_html_()
