"""Models of several targets of one table, which live in one file.

In: a `TableModel` for each target. Out: one model file, and from it the models again. Each model is
fitted for its target alone, and the other targets are not its inputs. A row in which one target is
missing is still used in training for the other targets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from glassnet import model_file
from glassnet.errors import ModelFileError
from glassnet.estimators.tabular.table_format import (
    FORMAT,
    FORMAT_VERSIONS,
    TARGETS_VERSION,
    check_format,
)
from glassnet.estimators.tabular.table_model import TableModel
from glassnet.rounding import computed_to_nearest
from glassnet.serialize import Length, Name, parse, read_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
MOST_TARGETS = 100
Names = Annotated[tuple[Name, ...], Length(2, MOST_TARGETS)]


@dataclass(frozen=True)
class TargetModels:
    """One model or several, each with another target."""

    models: tuple[TableModel, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets, in the order of the models."""
        return tuple(model.schema.target.name for model in self.models)

    def of(self, target: str | None, label: str) -> TableModel:
        """Return the model of a target; None is the only target. ModelFileError if there is no such
        target, or None and several; `label` is the name of the file in its message."""
        known = ", ".join(self.targets)
        if target is None:
            if len(self.models) > 1:
                raise ModelFileError(
                    f"{label} has a model for each of the targets {known}; name one as the target"
                )
            return next(iter(self.models))
        if target not in self.targets:
            raise ModelFileError(f"{label} predicts {known}, not {target!r}; name one of these")
        return self.models[self.targets.index(target)]

    def only(self, target: str | None, label: str) -> TargetModels:
        """Return only the model of this target, or all if it is None; ModelFileError as in `of`."""
        return self if target is None else TargetModels((self.of(target, label),))

    @computed_to_nearest
    def save(self, path: str | Path, option: str = "") -> int:
        """Write the model file completely or not at all; return its size in bytes.

        A single model is written by `TableModel.save`. `option` is the option that names another
        path, for the message of an OutputError.
        """
        if len(self.models) == 1:
            return self.models[0].save(path, option)
        tensors: dict[str, NDArray[Any]] = {}
        texts = {
            "format": FORMAT,
            "format_version": TARGETS_VERSION,
            "targets": json.dumps(self.targets),
        }
        for place, model in enumerate(self.models):
            own, about = model.contents()
            tensors |= {_prefix(place) + name: tensor for name, tensor in own.items()}
            texts |= {_prefix(place) + name: text for name, text in about.items()}
        return model_file.save(path, tensors, texts, option)

    @staticmethod
    @computed_to_nearest
    def load(path: str | Path) -> TargetModels:
        """Read a model file with one model or several; ModelFileError if anything is wrong with
        it."""
        named, texts = model_file.load(path)
        if texts.get("format_version") != TARGETS_VERSION:
            known = (*FORMAT_VERSIONS, TARGETS_VERSION)
            check_format(texts, known, str(path))
            return TargetModels((TableModel.from_contents(named, texts, str(path)),))
        check_format(texts, (TARGETS_VERSION,), str(path))
        try:
            return TargetModels(_models(named, texts, str(path)))
        except ModelFileError:
            raise
        except ValueError as error:
            raise ModelFileError(f"{path} cannot be used: {error}; train the model again") from None


def load_model(path: str | Path, target: str | None = None) -> TableModel:
    """Load the model of a target; None is the only one.

    Parameters
    ----------
    path : str or path
        The model file.
    target : str or None, default=None
        The target of the model, for a file with models of several targets.

    Returns
    -------
    model : TableModel
        The model.

    Raises
    ------
    ModelFileError
        If the file cannot be used, has no such target, or has several and none is named.
    """
    return TargetModels.load(path).of(target, str(path))


def _models(
    named: Mapping[str, NDArray[Any]], texts: Mapping[str, str], label: str
) -> tuple[TableModel, ...]:
    """Return the models of a file with several; ValueError if the targets and tensors do not match,
    ModelFileError if one of the models is wrong."""
    names: Names = read_value(Names, parse(texts.get("targets", "")), "targets")
    tensors, about = _parts(named, len(names)), _parts(texts, len(names))
    if sum(map(len, tensors)) != len(named):
        raise ValueError("it has tensors that belong to no target")
    pairs = zip(tensors, about, strict=True)
    models = tuple(TableModel.from_contents(*pair, label) for pair in pairs)
    if TargetModels(models).targets != names or len(set(names)) < len(names):
        raise ValueError("its models are not of the targets that it names")
    return models


def _parts(named: Mapping[str, T], count: int) -> list[dict[str, T]]:
    """Return the tensors or texts of each target, under the names of a single model."""
    prefixes = [_prefix(place) for place in range(count)]
    return [
        {name.removeprefix(prefix): one for name, one in named.items() if name.startswith(prefix)}
        for prefix in prefixes
    ]


def _prefix(place: int) -> str:
    return f"target{place + 1}."
