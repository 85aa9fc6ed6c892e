"""The line of progress, and the learning rates of a history."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import nn
from glassnet.training import History, Progress

X = np.random.default_rng(7).normal(size=(20, 3)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5]).astype(np.float32)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def train(rate: Any = 0.05, model: Any = None, **settings: Any) -> Any:
    how: dict[str, Any] = {"epochs": 4, "batch_size": 5, **settings}
    network = model or nn.Sequential(nn.Linear(3, 1))
    return gn.train(network, X, Y, loss=gn.losses.MSE(), optimizer=gn.optim.SGD(rate), **how)


def test_a_number_is_the_rate_of_every_epoch() -> None:
    assert train().lr == [0.05] * 4


def test_a_schedule_is_followed_to_the_last_step_of_every_epoch() -> None:
    """0.2 · 0.5ᵉ in epoch e = 0, 1, …; and a rate that is switched after 6 steps, in epoch 2."""
    assert train(gn.optim.Exponential(0.2, 0.5)).lr == [0.2, 0.1, 0.05, 0.025]
    assert train(gn.optim.Switched(0.2, 6, 0.1)).lr == [0.2, 0.1, 0.1, 0.1]


def test_what_follows_the_losses_is_what_training_had(tmp_path: Any) -> None:
    rate = gn.optim.ReduceOnPlateau(0.9, patience=1)
    history = train(rate, record=tmp_path / "r", epochs=8)
    steps = list(gn.replay(tmp_path / "r"))
    assert history.lr == [own.lr for own in steps if own.batch == 4]


def test_a_training_that_goes_on_keeps_the_rates_of_before() -> None:
    model = nn.Sequential(nn.Linear(3, 1))
    first = train(0.05, model)
    both = train(0.01, model, after=first)
    assert both.lr == [0.05] * 4 + [0.01] * 4
    assert "learning rate: 0.05 … 0.01" in repr(both)
    assert pickle.loads(pickle.dumps(both)).lr == both.lr


def test_what_has_no_rate_has_none() -> None:
    model = nn.Sequential(nn.Linear(3, 1))
    history = gn.train(model, X, Y, loss=gn.losses.MSE(), optimizer=gn.optim.LBFGS(), epochs=3)
    assert history.lr == []


@pytest.mark.parametrize("columns", ["80", "30"])
def test_the_line_fits_and_says_how_it_ended(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    train(callbacks=[Progress(stream)], validation=0.25)
    lines = stream.getvalue().replace("\n", "\r").split("\r")
    assert max(map(len, lines)) < int(columns)
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count("\n") == 1
    if columns == "80":
        assert "epoch 4/4  loss " in lines[-2]
        assert "validation " in lines[-2]
        assert "lr 0.05" in lines[-2]


def test_in_a_file_there_are_whole_lines_without_escapes() -> None:
    stream = io.StringIO()
    train(callbacks=[Progress(stream)])
    assert stream.getvalue().count("\n") == 1
    assert "\r" not in stream.getvalue()
    assert stream.getvalue().startswith("epoch 4/4  loss ")


def test_verbose_is_on_standard_error_and_changes_no_bit(capsys: Any) -> None:
    models = [nn.Sequential(nn.Linear(3, 1)) for _ in range(2)]
    train(model=models[0])
    assert capsys.readouterr() == ("", "")
    train(model=models[1], verbose=True)
    out, err = capsys.readouterr()
    assert (out, "epoch 4/4" in err) == ("", True)
    assert models[0].W.tobytes() == models[1].W.tobytes()


def test_a_stream_that_is_closed_ends_no_training() -> None:
    stream = io.StringIO()
    stream.isatty()
    progress = Progress(stream)

    def close(run: Any) -> None:
        stream.close()

    assert len(train(callbacks=[progress, close]).loss) == 4


def test_the_picture_says_what_its_scale_is() -> None:
    """By powers of ten where numbers are above 0 and more than 20 times apart."""
    assert "epoch 1, log scale" in History([3.0, 1.0, 0.1])._repr_html_()
    assert "epoch 1<" in History([3.0, 1.0])._repr_html_()
