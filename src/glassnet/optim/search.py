"""Full-batch optimisers, which use all rows at once: L-BFGS and random search.

In: settings. Out: frozen records; the training loop implements them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from glassnet.arguments import ArgumentChecker
from glassnet.describe import Described
from glassnet.errors import GlassnetError
from glassnet.optim.optimizer import check_between


@dataclass(frozen=True)
class WholeData(Described, metaclass=ArgumentChecker, in_files=False):
    """Base class of full-batch optimisers: an epoch is a trial, or an iteration."""


@dataclass(frozen=True)
class RandomSearch(WholeData):
    """Random search: each epoch draws new weights, evaluates the loss on all rows, and keeps the
    weights if the loss is the lowest so far. The first trial is the model as it is.

    Weights are drawn from N(0, scale²); with `near` this is added to the best weights so far. An
    epoch is one evaluation of all rows, so that epochs compare with those of gradient descent.
    """

    scale: float = 1.0
    near: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.scale < math.inf:
            raise GlassnetError(f"RandomSearch(scale={self.scale}): use a number above 0")


@dataclass(frozen=True)
class LBFGS(WholeData):
    """SciPy's L-BFGS-B on the compiled loss and gradient, for small data, where it needs few
    epochs. An epoch is an iteration. Since its arithmetic is SciPy's, results have the same bits
    only on the same machine with the same version of SciPy.

    It stores the last `memory` steps. `weight_decay` adds ½·weight_decay·‖w‖² to the loss. It has
    converged when the largest absolute gradient is below `tolerance`.
    """

    memory: int = 10
    tolerance: float = 1e-5
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_between(self, 1, math.inf, memory=self.memory)
        check_between(self, 0.0, math.inf, tolerance=self.tolerance, weight_decay=self.weight_decay)

    def options(self, iterations: int) -> dict[str, float]:
        """Return the options by SciPy's names."""
        options = {"maxcor": self.memory, "gtol": self.tolerance, "ftol": 0.0}
        return {"maxiter": iterations, "maxfun": 100 * iterations, **options}
