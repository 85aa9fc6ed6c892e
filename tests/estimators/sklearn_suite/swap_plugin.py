"""A pytest plugin that puts our MLP estimators in the place of scikit-learn's before collection.

In: nothing. Out: `sklearn.neural_network` with other classes.
"""

from __future__ import annotations

import sklearn.neural_network

from glassnet.estimators.mlp import MLPClassifier, MLPRegressor

sklearn.neural_network.MLPClassifier = MLPClassifier
sklearn.neural_network.MLPRegressor = MLPRegressor
