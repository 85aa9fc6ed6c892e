"""What a classifier answers besides classes.

In: outputs of the network. Out: probabilities, their logarithms, raw scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.rounding import to_nearest


class Probabilities:
    """The part of `MLPClassifier` that gives probabilities and scores."""

    n_outputs_: int
    _forward: Any

    @property
    def _binary(self) -> bool:
        return self.n_outputs_ == 1

    @to_nearest
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        found = self._forward(X)
        return np.concatenate([1 - found, found], 1) if self._binary else found

    @to_nearest
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of `predict_proba`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities.
        """
        found = self.predict_proba(X)
        return np.log(found, out=found)

    def decision_function(self, X: Any) -> np.ndarray:
        """Raw scores: what the network gives before the softmax or the sigmoid.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Scores; for two classes, above 0 for the second.
        """
        found = self._forward(X, "raw")
        return found.ravel() if self._binary else found
