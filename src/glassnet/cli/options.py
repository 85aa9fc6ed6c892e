"""The options of the commands, and their parsing.

In: texts from the command line. Out: values, or an error that says what was expected.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, signature
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast, get_type_hints

import typer

if TYPE_CHECKING:
    from glassnet.estimators.tabular.answer_rules import Scoring
    from glassnet.tables.divide import SplitOptions
    from glassnet.tables.table import Table

T = TypeVar("T")

_TABLE = (
    "CSV of any delimiter (.gz, .zst, .bz2, .xz, .zip), Parquet, Arrow/Feather, JSON lines or a "
    "workbook (.xlsx, .ods; extra [excel]); - is standard input."
)
_MODEL = "A model file that `glassnet fit` has written."
_OUTPUT = "The model file; by default the table's name with .safetensors, here."
METRIC_HELP = (
    "The metric of the score: accuracy, balanced_accuracy, f1, auc, average_precision, log_loss, "
    "brier; of ordered classes also mae_classes, quadratic_kappa; for numbers rmse, mae, "
    "median_error, r2, rmsle, pinball, or pinball:0.9, which makes the model predict that "
    "quantile. It does not change the training."
)
_RECORD = "Record the training of the model in this run file, and its later phases beside it."
_KIND = (
    "Override the type of a column: number, category, boolean, date, text or drop; also "
    "date:%d.%m.%y (a format), number:, (decimal commas), category:exact (texts unchanged). "
    "Repeatable."
)
_MISSING = (
    "A text or number that means missing, such as NA or -999, in all columns or in one. Repeatable."
)

TablePath = Annotated[str, typer.Argument(metavar="TABLE", help=_TABLE, show_default=False)]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL, show_default=False)]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target", "-t", metavar="COLUMN", help="The column to predict. Repeatable, or A,B."
    ),
]
ModelTarget = Annotated[
    str | None,
    typer.Option(
        "--target", "-t", metavar="COLUMN", help="The target to use, if MODEL has several."
    ),
]
ModelOutput = Annotated[str | None, typer.Option("--output", "-o", metavar="MODEL", help=_OUTPUT)]
Record = Annotated[str | None, typer.Option(metavar="RUN", help=_RECORD)]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a run that the file of --record holds.")
]
CsvOutput = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="CSV", help="By default standard output."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Copy this column of TABLE to the output. Repeatable."),
]
CsvSafe = Annotated[
    bool,
    typer.Option(
        "--csv-safe",
        help="Write ' before texts that a spreadsheet would compute, such as =1+1 or @now.",
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Time limit: 60s, 5m, 8h. A fit uses all of it: in the remaining time it trains more "
        "networks and averages their predictions.",
    ),
]
Like = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Train the networks that this model file records, to the same bytes, however long "
        "it takes.",
    ),
]
MOST = 1 << 40  # epochs that a run file can hold: the highest `Count`
Epochs = Annotated[
    int | None, typer.Option(min=1, max=MOST, metavar="N", help="Maximum number of epochs.")
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Rows with the same value are all held out, or all trained on."
    ),
]
Order = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="A date or number: the last rows are held out for the score."
    ),
]
Test = Annotated[
    str | None,
    typer.Option(metavar="TABLE", help="Score on this table; hold out no rows of TABLE."),
]
Ordered = Annotated[
    str | None,
    typer.Option(
        metavar="A<B<C",
        help="The order of the classes of the target, from the lowest to the highest.",
    ),
]
TargetScale = Annotated[
    str | None,
    typer.Option(
        metavar="log|plain", help="Learn the logarithm of the target, or the target itself."
    ),
]
EqualRows = Annotated[
    str | None,
    typer.Option(
        metavar="together|apart",
        help="Keep equal rows on the same side of the split, or not; by default together, unless "
        "chance explains them.",
    ),
]
ClassWeight = Annotated[
    str | None,
    typer.Option(
        "--class-weight",
        metavar="balanced|A=2,B=1",
        help="Class weights in training: balanced, these weights, or a .json file of weights.",
    ),
]
RowWeight = Annotated[
    str | None,
    typer.Option(
        "--weight", metavar="COLUMN", help="The column of sample weights; it is not an input."
    ),
]
ScoreWeight = Annotated[
    str | None,
    typer.Option(
        "--weight", metavar="COLUMN", help="How much each row counts in the scores, else alike."
    ),
]
Metric = Annotated[str | None, typer.Option(metavar="NAME", help=METRIC_HELP)]
Report = Annotated[
    str | None,
    typer.Option(metavar="PAGE.html", help="Write a report with charts as an HTML page."),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="auto|P",
        help="Predict the second of two classes from this probability on; auto finds the best "
        "threshold, or for more classes the best factor of each probability.",
    ),
]
Interval = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Predict intervals that contain this share of the true values: 0.9."
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Random seed of the split and the network.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Threads; they never change the result.")
]
Kinds = Annotated[list[str] | None, typer.Option(metavar="COLUMN=KIND", help=_KIND)]
Missing = Annotated[
    list[str] | None,
    typer.Option(metavar="[COLUMN=]TEXT", help=_MISSING),
]
Sql = Annotated[
    str | None,
    typer.Option(metavar="QUERY", help="Use the result of this query; TABLE is called data in it."),
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="The delimiter of CSV columns, if not detected.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Let RUN read and write the files it names, in any folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]

Decimal = Annotated[
    str | None, typer.Option(metavar="CHAR", help="The decimal sign: a comma or a point.")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="The encoding of a CSV file, if not detected.")
]
Header = Annotated[
    str | None, typer.Option(metavar="first|none", help="Whether the first line has column names.")
]
Skip = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Number of lines to skip at the top.")
]
Sheet = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The sheet of a workbook; by default the first with rows."),
]
MaxColumns = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Maximum number of columns (20,000 by default)."),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Maximum size of a compressed table after decompression, such as 20GB (by default 100 "
        "times the file).",
    ),
]

_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Return the seconds of a duration such as 90, 90s, 1.5m, 2h."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|min|h|)\s*", text)
    if match is None or not 0 < float(match[1]) * _SECONDS[match[2]] < math.inf:
        raise typer.BadParameter(f"--time {text!r} is not a duration; write for example 60s or 5m")
    return float(match[1]) * _SECONDS[match[2]]


def _kind_of(text: str) -> tuple[str, str, str]:
    """Split COLUMN=KIND into COLUMN, =, KIND; a format in KIND may contain another =."""
    for place, sign in enumerate(text):
        if sign == "=" and re.match(r"(number|category|boolean|date|ordered):", text[place + 1 :]):
            return text[:place], "=", text[place + 1 :]
    return text.rpartition("=")


def column_kinds(texts: list[str]) -> dict[str, str]:
    """Return COLUMN=KIND texts as a dict."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, kind = _kind_of(text)
        if not equals or not name:
            raise typer.BadParameter(
                f"--kind {text!r} is not of the form COLUMN=KIND; write for example zip=category"
            )
        found[name] = kind
    return found


@dataclass(frozen=True)
class ReadingOptions:
    """The options that say how to read the table."""

    sql: Sql = None
    missing: Missing = None
    delimiter: Delimiter = None
    decimal: Decimal = None
    encoding: Encoding = None
    header: Header = None
    skip: Skip = None
    sheet: Sheet = None
    max_columns: MaxColumns = None
    max_size: MaxSize = None

    def recorded(self) -> dict[str, Any]:
        """Return the options that a run file records."""
        found = {"sql": self.sql, "delimiter": self.delimiter, "missing": self.missing or []}
        others = {
            "decimal": self.decimal,
            "encoding": self.encoding,
            "header": self.header,
            "skip": self.skip,
            "sheet": self.sheet,
        }
        return {**found, **{name: value for name, value in others.items() if value is not None}}

    def open(self, table: str) -> Table:
        """Open the table with these options."""
        from glassnet.tables.limits import DEFAULT_LIMITS, parse_size
        from glassnet.tables.read_table import read_table

        try:
            size = DEFAULT_LIMITS.size if self.max_size is None else parse_size(self.max_size)
        except ValueError as error:
            raise typer.BadParameter(f"--max-size {error}") from None
        for option, value, allowed in (
            ("--decimal", self.decimal, (",", ".")),
            ("--header", self.header, ("first", "none")),
        ):
            if value is not None and value not in allowed:
                raise typer.BadParameter(f"{option} is {' or '.join(allowed)}, not {value!r}")
        columns = self.max_columns or DEFAULT_LIMITS.columns
        return read_table(
            table,
            sql=self.sql,
            missing=self.missing or (),
            delimiter=self.delimiter,
            decimal=self.decimal,
            encoding=self.encoding,
            header=self.header,
            skip=self.skip or 0,
            sheet=self.sheet,
            limits=replace(DEFAULT_LIMITS, columns=columns, size=size),
        )


AS_IT_IS = ReadingOptions()


def check_scale(scale: str | None) -> str | None:
    """Return the value of --target-scale if it is allowed, else raise an error."""
    if scale not in (None, "log", "plain"):
        raise typer.BadParameter(f"--target-scale is log or plain, not {scale!r}")
    return scale


def with_target_kind(
    kinds: dict[str, str], target: str, scale: str | None, order: str | None
) -> dict[str, str]:
    """Return the column types with the scale of the target, or the order of its classes, added."""
    if order is not None:
        if scale is not None or kinds.get(target, "category") != "category":
            option = f"--kind {kinds[target]}" if target in kinds else "--target-scale"
            raise typer.BadParameter(f"--ordered is for classes, and {option} says otherwise")
        return {**kinds, target: f"ordered:{order}"}
    if scale is None:
        return kinds
    kind = kinds.get(target, "number")
    if kind.partition(":")[0] != "number":
        raise typer.BadParameter(f"--target-scale is for a number, and --kind says {kind}")
    return {**kinds, target: f"{kind}:{scale}"}


def class_weights(text: str | None) -> dict[str, float] | Literal["balanced"] | None:
    """Parse --class-weight: "balanced", None, or weights by class name."""
    from pathlib import Path

    from glassnet.serialize import parse, read_value

    if text is None or text == "balanced":
        return text  # pyright: ignore[reportReturnType]
    try:
        if text.endswith(".json"):
            return read_value(dict[str, float], parse(Path(text).read_text(encoding="utf-8")), text)
        pairs = [part.rpartition("=") for part in text.split(",")]
        return {name.strip(): float(weight) for name, _, weight in pairs}
    except (ValueError, OSError) as error:
        raise typer.BadParameter(
            f"--class-weight {text!r} cannot be read ({error}); write balanced, or weights such as "
            "yes=5,no=1, or name a .json file of these"
        ) from None


@dataclass(frozen=True)
class DivisionOptions:
    """The options that split and weight the rows."""

    group: Group = None
    order: Order = None
    test: Test = None
    equal_rows: EqualRows = None
    class_weight: ClassWeight = None
    weight: RowWeight = None

    def asked(self) -> SplitOptions:
        """Return the options for the split."""
        from glassnet.tables.divide import SplitOptions
        from glassnet.tables.weights import WeightOptions

        equal_rows = self.equal_rows
        if equal_rows not in (None, "together", "apart"):
            raise typer.BadParameter(f"--equal-rows is together or apart, not {equal_rows!r}")
        together = None if equal_rows is None else equal_rows == "together"
        weights = WeightOptions(self.weight, class_weights(self.class_weight))
        return SplitOptions(self.group, self.order, together, weights=weights)


@dataclass(frozen=True)
class ScoringOptions:
    """The options for the score, the decision threshold and prediction intervals."""

    metric: Metric = None
    threshold: Threshold = None
    interval: Interval = None

    def asked(self) -> Scoring:
        """Return the options for a fit."""
        from glassnet.estimators.tabular.answer_rules import Scoring

        metric, threshold = self.metric, self.threshold
        if threshold not in (None, "auto"):
            try:
                threshold = float(threshold)
            except ValueError:
                raise typer.BadParameter(
                    f"--threshold is auto or a number between 0 and 1, not {threshold!r}"
                ) from None
        return Scoring(cast("Any", metric), cast("Any", threshold), self.interval)


@dataclass(frozen=True)
class EffortOptions:
    """The options that limit the training."""

    time: Time = None
    epochs: Epochs = None
    like: Like = None

    def deadline(self) -> float | None:
        """Return the time of `time.monotonic` at which everything must be done; None: no limit."""
        return None if self.time is None else monotonic() + duration(self.time)


AS_USUAL = ScoringOptions()
BY_DEFAULT = EffortOptions()
BY_CHANCE = DivisionOptions()
BUNDLES: dict[str, type] = {
    "reading": ReadingOptions, "division": DivisionOptions, "scoring": ScoringOptions,
    "effort": EffortOptions,
}  # fmt: skip


def reads_table(command: Callable[..., T]) -> Callable[..., T]:
    """Decorate a command: a parameter named in `BUNDLES` becomes the options of its class."""
    hints = get_type_hints(command, include_extras=True)
    own_parameters = signature(command).parameters
    bundles = {
        name: get_type_hints(kind, include_extras=True)
        for name, kind in BUNDLES.items()
        if name in own_parameters
    }
    parameters: list[Parameter] = []
    for name, parameter in own_parameters.items():
        if name in bundles:
            for option, hint in bundles[name].items():
                parameters.append(Parameter(option, parameter.kind, default=None, annotation=hint))
        else:
            parameters.append(parameter.replace(annotation=hints[name]))

    @functools.wraps(command)
    def run(**given: Any) -> T:
        made = {
            name: BUNDLES[name](**{option: given.pop(option, None) for option in options})
            for name, options in bundles.items()
        }
        return command(**given, **made)

    run.__signature__ = Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
