"""A command that is killed by SIGKILL at a given moment, if it gets so far.

In: the moment, then the arguments of `glassnet`. Moments: `fold`, in the training for the score;
a number, when so many epochs of recorded training are done and the last is not yet written;
`save`, when the model file is about to be written; `never`. Recipes are short, and every epoch has
its checkpoint. After " older" the recipe is one of earlier versions: a network in three phases.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from glassnet.cli import main
from glassnet.estimators.tabular import fit_table as fit
from glassnet.estimators.tabular.recipe import Recipe
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.runs import recorder
from glassnet.runs.recorder import Recorder
from glassnet.tables import split

SHORT = Recipe((8,), (0.1, 0.02, 0.004), 32, 30, 2, 1)
PACK = Recipe((8,), (0.05,), 32, 30, 2, 1, members=2, folds=2, width=2, bins=4, average=0.9)


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_fold(work: Any, *rest: Any, plain: Any = fit._trained) -> Any:
    scored = len(work.prepared.split.held_out) and len(rest) < 3
    return die() if scored else plain(work, *rest)


def arm(moment: str) -> None:
    recorder.EVERY = recorder.SHARE = 0.0
    split.FOLDS = 2
    if "older" in moment:
        split.PACKED, fit.default_recipe = 0, lambda *_: SHORT
    else:
        fit.default_recipe = lambda *_: PACK
    moment = moment.removesuffix(" older")
    if moment == "save":
        TableModel.save = die  # pyright: ignore
    elif moment == "fold":
        fit._trained = dies_in_fold
    elif moment != "never":
        left, plain = [int(moment)], Recorder.epoch_end

        def epoch_end(self: Recorder, run: Any) -> None:
            left[0] -= 1
            if not left[0]:
                die()
            plain(self, run)

        Recorder.epoch_end = epoch_end


if __name__ == "__main__":
    arm(sys.argv[1])
    main(sys.argv[2:])
