"""The parameters and fitted attributes of an MLP estimator.

In: nothing. Out: `Attributes`, the base class of the estimators, which types them for the other
files of this folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.nn.loss import Loss
from glassnet.nn.module import Module, split
from glassnet.nn.storage import layout_of


@dataclass
class OptimizerState:
    """The solver's state between calls of `partial_fit`: the learning rate, the number of steps,
    and the optimiser's state, flat vectors in the layout of the network's W."""

    learning_rate: float
    t: int
    slots: dict[str, np.ndarray]

    def arrays(self, model: Module) -> dict[str, np.ndarray]:
        """Return views of the state by the names of a step's inputs: slot, a dot, and the name of
        the parameter."""
        return {
            f"{slot}.{name}": view
            for slot, flat in self.slots.items()
            for name, view in split(flat, layout_of(model).parameters).items()
        }


class Attributes:
    """Parameters and fitted attributes; names that begin with _ are private to this folder."""

    hidden_layer_sizes: Any
    activation: Any
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    dropout: float
    scoring: Any
    time_limit: float | None
    threads: int | None
    n_jobs: int | None
    missing: str | None
    categorical_features: Any
    record: str | os.PathLike[str] | None

    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    loss_: float
    best_loss_: float | None
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    validation_loss_curve_: list[float] | None
    n_iter_: int
    t_: int
    n_layers_: int
    n_outputs_: int
    n_features_in_: int
    out_activation_: str
    get_params: Callable[..., dict[str, Any]]

    _optimizer: OptimizerState
    _online: Any  # the trainer of the last `partial_fit`, see `fit.OnlineTrainer`
    _undrawn: Any  # the seed of `_random_state` if nothing was drawn from it
    _random_state: np.random.RandomState
    _no_improvement_count: int
    _warm_fits: int = 0  # fits that began with the weights of the previous fit
    _metric: Any  # scores the held-out rows: (truth, found, sample_weight=)

    @property
    def _threads(self) -> int | None:
        """The number of threads; None for all that are available."""
        raise NotImplementedError

    def _loss(self) -> Loss | None:
        """Return the user's loss; None for the one that belongs to the output activation."""
        return None

    def _output_activation(self) -> str:
        """Return the activation of the output layer."""
        raise NotImplementedError

    def _checked(self, X: Any) -> Any:
        """Return rows to predict, checked and encoded."""
        raise NotImplementedError

    def _network_outputs(self, X: Any, what: str = "output", check: bool = True) -> np.ndarray:
        """Return the outputs of the network for rows (see `mlp_network.forward_program`)."""
        raise NotImplementedError

    def _answers(self, output: np.ndarray) -> np.ndarray:
        """Return predictions (classes or numbers) from outputs of the network."""
        raise NotImplementedError

    def _decode(self, y: Any) -> Any:
        """Return labels from targets of the network."""
        return y

    def _validation_target(self, y: Any) -> np.ndarray:
        """Return the loss's targets, [rows, outputs], of validation labels."""
        raise NotImplementedError
