"""What a run file says of its run, checked by what each setting may be.

In: an open run file. Out: its settings; a ModelFileError that names the file, the setting, what was
seen and what is allowed. Settings that this version does not know are left as they are, since
nothing reads them.
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
    """The numbers of a Mersenne twister."""

    key: Annotated[list[Annotated[int, Within(0, (1 << 32) - 1)]], Length(624, 624)]
    pos: Annotated[int, Within(0, 624)]


class RandomState(TypedDict):
    """The state of a NumPy `RandomState`."""

    bit_generator: Literal["MT19937"]
    state: TwisterState
    has_gauss: Literal[0, 1]
    gauss: float


class StreamedFiles(TypedDict):
    """Files that rows were streamed from."""

    path: Annotated[list[str], Length(1)]
    target: str | list[str]
    features: list[str] | None
    weight: str | None
    scratch: str | None


class StreamSettings(TypedDict, total=False):
    training: StreamedFiles
    validation: StreamedFiles


class Parent(TypedDict):
    """The run that this one goes on from, up to step `step` (from 1): its path, and how many epochs
    are in that file alone."""

    run: str
    step: Count
    before: Total


class CommonSettings(TypedDict, total=False):
    """What may be there of any run."""

    parent: Parent | None
    source: dict[str, Any] | None
    ended: EndSettings | None
    sha256: dict[str, Annotated[str, Length(64, 64)]]


class EarlySettings(CommonSettings, total=False):
    """What may be there of a run that was ended before its first step."""

    epochs: Total
    glassnet: str
    numerics_version: Version


class BegunSettings(CommonSettings, total=True):
    """What is there of every run that has come to its first step."""

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
    """What is there besides where an estimator was fitted."""

    estimator: Literal["MLPClassifier", "MLPRegressor"]
    parameters: dict[str, Any]
    rows_given: Count
    classes: Any
    validated: str | None
    random_state: RandomState
    order_state: RandomState
    before: EarlierCurves


class EpochLists(TypedDict, total=False):
    """One figure an epoch; whether steps had the rows of their batch instead of all rows; what the
    columns of x were called; how many fits with warm_start came before; metrics, and what they
    are, None where that is code."""

    scores: list[AnyFloat]
    rates: list[Rate]
    gathered: bool
    names: list[str]
    warm_fits: Total
    metrics: dict[str, list[AnyFloat]]
    measured: dict[str, str | None]


def settings_of(file: RunFile) -> dict[str, Any]:
    """The settings of a run file."""
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
