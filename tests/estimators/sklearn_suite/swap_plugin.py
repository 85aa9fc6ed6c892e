"""A pytest plugin that puts our MLP estimators in the place of scikit-learn's before collection.

In: two environment variables. MLP_SUITE_STREAM, a whole number k: every estimator draws from
another random stream, that of its seed plus k; at 0, the default, nothing changes.
MLP_SUITE_OF=sklearn: scikit-learn's own classes stay, to see how they fare with other streams.
Out: `sklearn.neural_network` with other classes.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import sklearn.neural_network
from sklearn.neural_network import _multilayer_perceptron as theirs
from sklearn.utils import check_random_state

from glassnet.estimators.mlp import MLPClassifier, MLPRegressor
from glassnet.estimators.mlp import base_mlp as ours

STREAM = int(os.environ.get("MLP_SUITE_STREAM", "0"))
UNSEEDED = itertools.count(500)


def moved(seed: Any) -> Any:
    """The generator for a seed in another stream; a generator that is given stays itself."""
    if seed is None:
        seed = next(UNSEEDED)
    return check_random_state(seed + STREAM if isinstance(seed, int) else seed)


if STREAM:
    ours.check_random_state = moved
    theirs.check_random_state = moved
if os.environ.get("MLP_SUITE_OF") != "sklearn":
    sklearn.neural_network.MLPClassifier = MLPClassifier
    sklearn.neural_network.MLPRegressor = MLPRegressor
