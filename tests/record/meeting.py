"""A program that writes a run file and waits in the midst of it until it is told to go on.

In: what it does (a key of `KINDS`), the path of the run file, the table for a fit; a line on
standard input. Out: "ready", then one JSON object about its end.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any
from unittest import mock

import pytest

import glassnet as gn
from glassnet.errors import GlassnetError
from glassnet.runs.recorder import Recorder
from tests.estimators import older
from tests.record.common import HALF, data, network, sha


class Wait(gn.callbacks.Callback):
    """Waits after the first epoch, once."""

    waited = False

    def epoch_end(self, run: Any) -> None:
        if not self.waited:
            self.waited = True
            print("ready", flush=True)
            sys.stdin.readline()


def fit(record: str, table: str) -> dict[str, Any]:
    from glassnet.estimators.tabular.examine import examine
    from glassnet.estimators.tabular.fit_table import choose_recipe
    from glassnet.estimators.tabular.fit_table import fit as fitted
    from glassnet.runs.recording import Recording
    from glassnet.tables.read_table import read_table

    examined = examine(read_table(table), "y")
    recipe = choose_recipe(examined, epochs=2)
    recording = Recording(record, {"table": table, "model": "m", "kinds": {}, "missing": []})
    found = fitted(examined, recipe, callbacks=[Wait()], record=recording, threads=1)
    return {"runs": found.course.runs, "sha256": sha(found.model.network)}


def older_fit(record: str, table: str) -> dict[str, Any]:
    """One by the recipe of earlier versions: a score in folds first, then up to three phases."""
    with pytest.MonkeyPatch.context() as patch:
        older.use(patch)
        return fit(record, table)


def train(record: str, *_: str) -> dict[str, Any]:
    model = network()
    gn.train(
        model, *data(), loss=HALF, optimizer=gn.optim.Adam(0.01), epochs=4, seed=5,
        record=record, callbacks=[Wait()],
    )  # fmt: skip
    return {"runs": [record], "sha256": sha(model)}


def estimator(record: str, *_: str) -> dict[str, Any]:
    x, y = data()
    model = gn.MLPRegressor(hidden_layer_sizes=(3,), max_iter=4, record=record, random_state=0)
    own, wait = Recorder.epoch_end, Wait()

    def waiting(self: Recorder, run: Any) -> None:
        own(self, run)
        wait.epoch_end(run)

    with mock.patch.object(Recorder, "epoch_end", waiting):
        model.fit(x, y[:, 0])
    return {"runs": [record], "epochs": model.n_iter_}


KINDS = {"fit": fit, "older fit": older_fit, "train": train, "estimator": estimator}


def main(what: str, record: str, *rest: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            told = KINDS[what](record, *rest)
        except GlassnetError as error:
            told = {"error": str(error)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
