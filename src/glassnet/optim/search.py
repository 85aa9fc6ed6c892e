"""Ways to good weights that look at all rows at once, rather than at a batch after the other.

In: settings. Out: frozen records; the training loop carries them out.
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
    """What `RandomSearch` and `LBFGS` have in common: an epoch is a trial, or an iteration."""


@dataclass(frozen=True)
class RandomSearch(WholeData):
    """The needle in the haystack: each epoch draws new weights, evaluates the loss on all rows,
    and keeps them if they are the best so far. The first trial is the model as it is.

    Weights are drawn from N(0, scale²), or with `near` from that around the best so far. An epoch
    is one evaluation, as is an epoch of gradient descent, so the two compare epoch by epoch.
    """

    scale: float = 1.0
    near: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.scale < math.inf:
            raise GlassnetError(f"RandomSearch(scale={self.scale}): use a number above 0")


@dataclass(frozen=True)
class LBFGS(WholeData):
    """SciPy's L-BFGS-B on our compiled loss and gradient: for small data, where it takes few
    epochs. An epoch is an iteration. Its own arithmetic is SciPy's, so that the same bits are
    promised on one machine with one version of SciPy only.

    It remembers `memory` steps; `weight_decay` adds ½·weight_decay·‖w‖² to the loss that it
    minimises; it has converged when the largest gradient is below `tolerance`.
    """

    memory: int = 10
    tolerance: float = 1e-5
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_between(self, 1, math.inf, memory=self.memory)
        check_between(self, 0.0, math.inf, tolerance=self.tolerance, weight_decay=self.weight_decay)

    def options(self, iterations: int) -> dict[str, float]:
        """By SciPy's names."""
        options = {"maxcor": self.memory, "gtol": self.tolerance, "ftol": 0.0}
        return {"maxiter": iterations, "maxfun": 100 * iterations, **options}
