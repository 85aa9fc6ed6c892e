"""What a run file says of a network, a loss or an optimiser, and the object that it describes.

In: JSON values. Out: an object; TrainingError where it was code, is none of ours, or none that
belongs in that place of a run file.
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

DEFINING = (losses, penalised, scikit)  # with `nn` and `optim`, all that run files name
PLACES: dict[str, tuple[type, ...]] = {
    "model": (Module,),
    "loss": (Loss,),
    "optimizer": (Optimizer, WholeData),
    "callbacks": (EarlyStopping,),
}


def from_data(data: Any, what: str = "model", given: Any = None) -> Any:
    """The object, in which `given` stands where it is described."""
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
