"""Read the settings of a run file, and check each against its type and range.

In: an open run file. Out: its settings; or a ModelFileError that names the file, the setting, the
value and what is allowed. Settings that this version does not know are not checked, since nothing
reads them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict, cast

from glassnet.errors import ModelFileError
from glassnet.runs.disk import COPY
from glassnet.runs.file import RunFile
from glassnet.serialize import AnyFloat, AnyInt, Count, Length, Total, Within, read_value

Version = Annotated[int, Within(1, 1 << 20)]
Rate = Annotated[float, Within(0.0)]


class EndSettings(TypedDict):
    """How the run ended."""

    stopped: str
    seconds: AnyFloat
    best_epoch: Total | None


class TwisterState(TypedDict):
    """The state of a Mersenne twister."""

    key: Annotated[list[Annotated[int, Within(0, (1 << 32) - 1)]], Length(624, 624)]
    pos: Annotated[int, Within(0, 624)]


class RandomState(TypedDict):
    """The state of a NumPy `RandomState`."""

    bit_generator: Literal["MT19937"]
    state: TwisterState
    has_gauss: Literal[0, 1]
    gauss: float


class StreamedFiles(TypedDict):
    """The files that rows were streamed from."""

    path: Annotated[list[str], Length(1)]
    target: str | list[str]
    features: list[str] | None
    weight: str | None
    scratch: str | None


class StreamSettings(TypedDict, total=False):
    training: StreamedFiles
    validation: StreamedFiles


class Parent(TypedDict):
    """The run that this one branched from at step `step` (from 1): its path, and the number of
    epochs that only that file has."""

    run: str
    step: Count
    before: Total


class CommonSettings(TypedDict, total=False):
    """Optional settings of any run."""

    parent: Parent | None
    source: dict[str, Any] | None
    ended: EndSettings | None
    sha256: dict[str, Annotated[str, Length(64, 64)]]


class EarlySettings(CommonSettings, total=False):
    """Optional settings of a run that ended before its first step."""

    epochs: Total
    glassnet: str
    numerics_version: Version


class BegunSettings(CommonSettings, total=True):
    """Required settings of a run that has reached its first step."""

    model: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    callbacks: list[dict[str, Any]]
    validation: Literal["given"] | Annotated[float, Within(0.0, 1.0)] | None
    weighted: bool
    rows: Count
    columns: Count
    epochs: Total
    batch_size: Count
    shuffle: bool
    seed: AnyInt
    glassnet: str
    numerics_version: Version


class EarlierCurves(TypedDict):
    """The curves of fits before this one, of an estimator with warm_start."""

    loss_curve_: list[AnyFloat]
    validation_scores_: list[AnyFloat]
    validation_loss_curve_: list[AnyFloat]


class FitSettings(BegunSettings):
    """Required settings of a run that an estimator recorded."""

    estimator: Literal["MLPClassifier", "MLPRegressor"]
    parameters: dict[str, Any]
    rows_given: Count
    classes: Any
    validated: str | None
    random_state: RandomState
    order_state: RandomState
    before: EarlierCurves


class EpochLists(TypedDict, total=False):
    """Optional lists with one value per epoch, and a few more settings."""

    scores: list[AnyFloat]
    rates: list[Rate]
    gathered: bool  # whether a step was given the rows of its batch instead of all rows
    names: list[str]  # of the columns of x
    warm_fits: Total  # fits with warm_start before this one
    metrics: dict[str, list[AnyFloat]]
    measured: dict[str, str | None]  # the definition of each metric; None if it is user code


def settings_of(file: RunFile) -> dict[str, Any]:
    """Return the settings of a run file; ModelFileError if one is not allowed."""
    found = file.values()
    kind = (
        FitSettings
        if "estimator" in found
        else BegunSettings
        if "model" in found
        else EarlySettings
    )
    try:
        found = cast(
            "dict[str, Any]", read_value(EpochLists, read_value(kind, found, "run"), "run")
        )
        source: dict[str, Any] = found.get("source") or {}
        if isinstance(source.get("streams"), dict):
            read_value(StreamSettings, source["streams"], "run.source.streams")
    except ValueError as error:
        raise ModelFileError(f"{file.path} is damaged: {error}; {COPY}") from None
    return found
