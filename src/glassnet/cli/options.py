"""The options of the commands, and how their texts are read.

In: texts from the command line. Out: values, or an error that says what was expected.
"""

from __future__ import annotations

import functools
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
    "brier; for numbers rmse, mae, median_error, r2, rmsle, pinball, or pinball:0.9, by which that "
    "quantile is predicted. Training does not use it."
)
_RECORD = "Record the training of the model in this run file, and its later phases beside it."
_KIND = (
    "Override the type of a column: number, category, boolean, date or drop; also date:%d.%m.%y (a "
    "format), number:, (decimal commas), category:exact (texts unchanged). Repeatable."
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
        "--target", "-t", metavar="COLUMN", help="Which target, of a model that has several."
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
    typer.Option(
        metavar="COLUMN", help="Copy this column of TABLE before the answers. Repeatable."
    ),
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
        help="Time limit: 60s, 5m, 8h. A fit uses all of it: time that is left goes into more "
        "networks, whose predictions are averaged.",
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
Epochs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Maximum number of epochs.")]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Rows of one value stay together, on one side of the score."
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
    typer.Option(metavar="TABLE", help="Take the score from this table; hold out nothing."),
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
        help="Whether equal rows stay on one side of the score (else by how probable they are).",
    ),
]
ClassWeight = Annotated[
    str | None,
    typer.Option(
        "--class-weight",
        metavar="balanced|A=2,B=1",
        help="How much classes count in the training: all alike, or by these weights, also from a "
        ".json file.",
    ),
]
RowWeight = Annotated[
    str | None,
    typer.Option(
        "--weight", metavar="COLUMN", help="How much each row counts in the training; no input."
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
    typer.Option(metavar="PAGE.html", help="Write what was found as a page, with pictures."),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="auto|P",
        help="Answer the second of two classes from this probability on; auto finds the best one, "
        "or for more classes the best factor of each probability.",
    ),
]
Interval = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Predict intervals that hold this share of the true numbers: 0.9."
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
    typer.Option(metavar="QUERY", help="Use the result of this query; the table is called data."),
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="What separates CSV columns, if not obvious.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Let RUN read and write the files it names, wherever they lie."),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to standard output.")]

Decimal = Annotated[
    str | None, typer.Option(metavar="CHAR", help="The decimal sign: a comma or a point.")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a CSV file, such as cp1252, if not found.")
]
Header = Annotated[
    str | None, typer.Option(metavar="first|none", help="Whether the first line has the names.")
]
Skip = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Lines above the table to leave out.")
]
Sheet = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The sheet of a workbook, else the first that has rows."),
]
MaxColumns = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Maximum number of columns (20,000 by default)."),
]
MaxSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Accept a packed table of this size unpacked, such as 20GB (else 100 times its file).",
    ),
]

_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds from 90, 90s, 1.5m, 2h."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|min|h|)\s*", text)
    if match is None or float(match[1]) <= 0:
        raise typer.BadParameter(f"--time {text!r} is not a duration; write for example 60s or 5m")
    return float(match[1]) * _SECONDS[match[2]]


def _kind_of(text: str) -> tuple[str, str, str]:
    """COLUMN, =, KIND; a format after the kind may hold an equals sign itself."""
    for place, sign in enumerate(text):
        if sign == "=" and re.match(r"(number|category|boolean|date):", text[place + 1 :]):
            return text[:place], "=", text[place + 1 :]
    return text.rpartition("=")


def column_kinds(texts: list[str]) -> dict[str, str]:
    """COLUMN=KIND texts as a mapping."""
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
    """What a command was told about how to read its table."""

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
        """What a run file keeps of it."""
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
        """The table, read as asked."""
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
    """How a target is to be learnt, if that was said."""
    if scale not in (None, "log", "plain"):
        raise typer.BadParameter(f"--target-scale is log or plain, not {scale!r}")
    return scale


def with_scale(kinds: dict[str, str], target: str, scale: str | None) -> dict[str, str]:
    """The kinds, with how the target is learnt, if that was said."""
    if scale is None:
        return kinds
    kind = kinds.get(target, "number")
    if kind.partition(":")[0] != "number":
        raise typer.BadParameter(f"--target-scale is for a number, and --kind says {kind}")
    return {**kinds, target: f"{kind}:{scale}"}


def class_weights(text: str | None) -> dict[str, float] | Literal["balanced"] | None:
    """The weights of classes by their names."""
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
    """Which rows are trained on, and which are scored."""

    group: Group = None
    order: Order = None
    test: Test = None
    equal_rows: EqualRows = None
    class_weight: ClassWeight = None
    weight: RowWeight = None

    def asked(self) -> SplitOptions:
        """How rows are to be divided."""
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
    """What a model is to be scored by, and what it answers besides."""

    metric: Metric = None
    threshold: Threshold = None
    interval: Interval = None

    def asked(self) -> Scoring:
        """The same for a fit."""
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
    """How much a fit trains."""

    time: Time = None
    epochs: Epochs = None
    like: Like = None

    def deadline(self) -> float | None:
        """By the clock of `monotonic`, when all has to be over."""
        return None if self.time is None else monotonic() + duration(self.time)


AS_USUAL = ScoringOptions()
BY_DEFAULT = EffortOptions()
BY_CHANCE = DivisionOptions()
BUNDLES: dict[str, type] = {
    "reading": ReadingOptions, "division": DivisionOptions, "scoring": ScoringOptions,
    "effort": EffortOptions,
}  # fmt: skip


def reads_table(command: Callable[..., T]) -> Callable[..., T]:
    """A command whose parameters named as `BUNDLES` are become the options of these, one by one."""
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
