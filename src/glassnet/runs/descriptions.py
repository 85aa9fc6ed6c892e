"""Build a network, a loss, an optimiser or callbacks from their description in a run file.

In: JSON values. Out: an object; TrainingError if it was the user's code, is not one of glassnet's
classes, or does not belong in that place of a run file.
"""

from __future__ import annotations

from typing import Any, cast

from glassnet import describe
from glassnet.describe import CodeError, DescriptionError, as_data, contains_part
from glassnet.errors import TrainingError
from glassnet.nn import losses, penalised
from glassnet.nn.loss import Loss
from glassnet.nn.module import Module
from glassnet.optim import scikit
from glassnet.optim.optimizer import Optimizer
from glassnet.optim.search import WholeData
from glassnet.training.callbacks import EarlyStopping

__all__ = ["as_data", "contains_part", "from_data"]

DEFINING = (losses, penalised, scikit)  # with `nn` and `optim`: where run files find classes
PLACES: dict[str, tuple[type, ...]] = {
    "model": (Module,),
    "loss": (Loss,),
    "optimizer": (Optimizer, WholeData),
    "callbacks": (EarlyStopping,),
}


def from_data(data: Any, what: str = "model", given: Any = None) -> Any:
    """Build the object that `data` describes; `given` replaces the part that describes it."""
    if isinstance(data, (list, tuple)):
        return tuple(from_data(part, what) for part in cast("list[Any]", data))
    try:
        return describe.from_data(data, PLACES[what], given)
    except CodeError as error:
        raise TrainingError(
            f"the {what} {error} and was not recorded; pass it again: {what}=…, in Python"
        ) from None
    except DescriptionError as error:
        raise TrainingError(f"the {what} that the run file describes {error}") from None
