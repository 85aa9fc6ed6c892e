"""Inspect a fitted MLP estimator: hidden activations, its network, its picture.

In: a fitted estimator. Out: activations, a `Sequential`, names of inputs and of neurons, HTML.
"""

from __future__ import annotations

import copy
import html
from numbers import Integral
from typing import Any, cast

import numpy as np
from sklearn.utils import estimator_html_repr
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import check_is_fitted

from glassnet import nn
from glassnet.estimators.mlp.attributes import Attributes, OptimizerState
from glassnet.estimators.mlp.mlp_network import flatten_weights, network_of
from glassnet.nn.picture import drawing, scrollable
from glassnet.rounding import computed_to_nearest
from glassnet.words import plural

TAKEN_OVER = (
    "classes_", "_label_binarizer", "n_features_in_", "feature_names_in_", "n_iter_", "t_",
    "n_layers_", "n_outputs_", "out_activation_", "loss_", "best_loss_", "loss_curve_",
    "validation_scores_", "best_validation_score_", "_no_improvement_count", "coefs_",
    "intercepts_",
)  # fmt: skip


class HiddenColumns:
    """Names the columns of one hidden layer, for scikit-learn."""

    def __init__(self, est: Any, layer: int) -> None:
        self.est, self.layer = est, layer
        self._sklearn_output_config = getattr(est, "_sklearn_output_config", {})
        self._sklearn_auto_wrap_output_keys = {"transform"}

    def get_feature_names_out(self) -> np.ndarray:
        return self.est.get_feature_names_out(layer=self.layer)


class FittedMLP(Attributes):
    """The methods of MLP estimators that show the fitted network."""

    @computed_to_nearest
    def transform(self, X: Any, layer: int = -1) -> Any:
        """Return the activations of a hidden layer, as features for other estimators.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        layer : int, default=-1
            Number of the hidden layer: 1 is the first, -1 the last; ValueError if there is none.

        Returns
        -------
        a : ndarray or data frame of shape (n_samples, n_neurons)
            Activations; a data frame after `set_output`.
        """
        found = self.hidden_activations(X, layer)
        return _wrap_data_with_container("transform", found, X, HiddenColumns(self, layer))

    def hidden_activations(self, X: Any, layer: int | None = None) -> np.ndarray:
        """Return the activations of a hidden layer, always as an array.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Rows.
        layer : int, default=None
            Number of the hidden layer: 1 is the first, -1 or None the last; ValueError if there is
            none.

        Returns
        -------
        a : ndarray of shape (n_samples, n_neurons)
            Activations.
        """
        check_is_fitted(self)
        return self._network_outputs(X, str(self._layer(layer)))

    def _layer(self, layer: int | None) -> int:
        """Return the number of a hidden layer, from 1; ValueError if there is no such layer."""
        last = len(self.coefs_) - 1
        whole = isinstance(layer, Integral)
        number = last if layer is None else int(layer) if whole else 0
        number += last + 1 if number < 0 else 0
        if not 1 <= number <= last:
            raise ValueError(
                f"layer={layer!r}; the network has hidden layers 1 to {last}, or from the end "
                f"-1 to -{last}"
            )
        return number

    def get_feature_names_out(self, input_features: Any = None, *, layer: int = -1) -> np.ndarray:
        """Return names of the neurons of a hidden layer: the class, in lower case, and an index.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Not used; scikit-learn passes it.
        layer : int, default=-1
            Number of the hidden layer, as in `transform`.

        Returns
        -------
        names : ndarray of str
            Names.
        """
        check_is_fitted(self)
        width = self.coefs_[self._layer(layer) - 1].shape[1]
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{i}" for i in range(width)], object)

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """Names of the network's inputs, the rows of `coefs_[0]`: column names, and names of the
        indicator and one-hot columns of `missing` and `categorical_features`."""
        check_is_fitted(self)
        encoder = getattr(self, "_encoder", None)
        if encoder is not None:
            return np.array(encoder.names, object)
        known: Any = getattr(self, "feature_names_in_", None)
        numbered = [f"x{i}" for i in range(len(self.coefs_[0]))]
        return np.array(numbered if known is None else known, object)

    def to_network(self) -> nn.Sequential:
        """Return the network as a `glassnet.nn.Sequential` with a copy of the weights: training it
        does not change the estimator, and vice versa.

        Returns
        -------
        model : Sequential
            Its output is that before the output activation, as `glassnet.losses` take it.
            Its inputs are `encoded_feature_names_`.
        """
        check_is_fitted(self)
        return network_of(self, self.coefs_[0].dtype)

    @classmethod
    def from_sklearn(cls, est: Any) -> Any:
        """Make an estimator from a fitted one of scikit-learn, with its weights.

        Parameters
        ----------
        est : MLPClassifier or MLPRegressor of scikit-learn
            It is not changed. TypeError if it is not of the class with the same name,
            NotFittedError if it is not fitted.

        Returns
        -------
        self : MLPClassifier or MLPRegressor
            Predicts as `est`; `warm_start` and `partial_fit` continue its training.
        """
        return from_fitted_sklearn(cls, est)

    def _repr_html_inner(self) -> str:
        """Return scikit-learn's HTML of the parameters, after `fit` with a picture of the
        network."""
        panel = estimator_html_repr(self)
        if not hasattr(self, "coefs_"):
            return panel
        model = self.to_network()
        inputs = self.coefs_[0].shape[0]
        picture = drawing(model.parts, model.parameters(), inputs)
        shape = " - ".join(map(str, [inputs, *(w.shape[1] for w in self.coefs_)]))
        count = sum(w.size for w in [*self.coefs_, *self.intercepts_])
        text = html.escape(f"{type(self).__name__}: {shape}, {plural(count, 'parameter')}")
        caption = f"<figcaption style='font:13px system-ui,sans-serif'>{text}</figcaption>"
        figure = f"<figure style='margin:1em 0'>{scrollable(picture)}{caption}</figure>"
        head, ends, tail = panel.rpartition("</body>")
        return f"{head}{figure}{ends}{tail}" if ends else panel + figure

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle: dict[str, str] = cast(Any, super())._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle


def from_fitted_sklearn(kind: type[Any], est: Any) -> Any:
    """Return an estimator of class `kind` with copies of the attributes of a fitted one of
    scikit-learn; TypeError if that is of another class."""
    if type(est).__name__ != kind.__name__:
        raise TypeError(
            f"{kind.__name__}.from_sklearn takes scikit-learn's {kind.__name__}; got "
            f"{type(est).__name__}"
        )
    check_is_fitted(est)
    ours = kind(**est.get_params(deep=False))
    for name in TAKEN_OVER:
        if hasattr(est, name):
            setattr(ours, name, copy.deepcopy(getattr(est, name)))
    scores = getattr(est, "validation_scores_", None)
    # scikit-learn does not compute these losses
    ours.validation_loss_curve_ = None if scores is None else [float("nan")] * len(scores)
    known = getattr(est, "_optimizer", None)
    if known is not None:
        memory = {"m": getattr(known, "ms", None) or getattr(known, "velocities", None)}
        if hasattr(known, "vs"):
            memory["v"] = known.vs
        count = len(est.coefs_)  # scikit-learn has all weights first, then all biases
        slots = {n: flatten_weights(a[:count], a[count:]) for n, a in memory.items() if a}
        # scikit-learn counts the steps of Adam only
        ours._optimizer = OptimizerState(float(known.learning_rate), getattr(known, "t", 0), slots)
    return ours
