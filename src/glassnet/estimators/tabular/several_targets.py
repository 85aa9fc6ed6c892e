"""The options of a fit of several targets, and their use for each target.

In: a table, the names of its targets, and options as for one. Out: an `ExaminedTable` and a
`Scoring` for each. An option applies to the targets that can have it: a scale to numbers, class
weights to classes; TableError if an option applies to none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from glassnet.errors import TableError
from glassnet.estimators.tabular.answer_rules import Scoring, check_scoring
from glassnet.estimators.tabular.examine import ExaminedTable, examine
from glassnet.estimators.tabular.table_metrics import metric_of
from glassnet.estimators.tabular.target_models import MOST_TARGETS
from glassnet.rounding import computed_to_nearest
from glassnet.tables.decide import ORDERED, order_of
from glassnet.tables.divide import SplitOptions
from glassnet.tables.kinds import Column
from glassnet.tables.target_column import class_key
from glassnet.words import plural

if TYPE_CHECKING:
    from glassnet.tables.table import Table
    from glassnet.tables.target_column import TargetSchema

BY_CHANCE = SplitOptions()


@dataclass(frozen=True)
class TargetOptions:
    """The options of a fit that may apply to some targets only."""

    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    scale: str | None = None  # of numbers: log or plain
    options: SplitOptions = BY_CHANCE
    scoring: Scoring = field(default_factory=Scoring)
    order: str | None = None  # of classes, from the lowest to the highest: low<medium<high

    def concerns(self, target: TargetSchema) -> bool:
        """Return whether this target has at least one of the classes in `order`."""
        given = order_of(None if self.order is None else f"{ORDERED}:{self.order}")
        keys = {class_key(own, target.numeric) for own in target.classes}
        return given is not None and any(class_key(own, target.numeric) in keys for own in given)


def target_names(given: Sequence[str], table: Table) -> tuple[str, ...]:
    """Return the target columns that the user names, each once. `a,b` means two unless a column has
    that name. TableError if the table lacks one, or there are more than MOST_TARGETS."""
    found: list[str] = []
    for text in given:
        parts = [part.strip() for part in text.split(",")]
        split = text not in table.columns and any(part in table.columns for part in parts)
        found += parts if split else [text]
    names = tuple(dict.fromkeys(found))
    for name in names:
        table.require(name)
    if len(names) > MOST_TARGETS:
        raise TableError(
            f"{plural(len(names), 'target')} are more than the {MOST_TARGETS} that a model file "
            "holds; fit some of them at a time"
        )
    return names


@computed_to_nearest
def examine_targets(
    table: Table,
    targets: Sequence[str],
    asked: TargetOptions,
    *,
    seed: int = 0,
    test: Table | None = None,
    packed: Sequence[bool | None] | None = None,
) -> list[ExaminedTable]:
    """Return the table examined for each target (see `examine`); the other targets
    are not inputs. TableError if an option applies to no target."""
    plain = replace(asked.options, weights=replace(asked.options.weights, classes=None))

    def examined(place: int, kinds: Mapping[str, str], options: SplitOptions) -> ExaminedTable:
        fold = None if packed is None else packed[place]
        found = examine(
            table, targets[place], kinds=kinds, seed=seed, options=options, test=test, packed=fold
        )
        columns = [_shown(column, targets) for column in found.columns]
        return replace(found, columns=columns)

    found: list[ExaminedTable] = []
    scaled = weighted = ordered = False
    for place, target in enumerate(targets):
        kinds = _kinds_for(target, targets, asked.kinds)
        one = examined(place, kinds, plain)
        scale = None if one.target.classes else asked.scale
        weights = asked.options.weights.concern(one.target.classes)
        order = asked.concerns(one.target)
        if scale is not None or weights or order:
            if scale is not None:
                kinds = {**kinds, target: f"{kinds.get(target, 'number')}:{scale}"}
            if order:
                kinds = {**kinds, target: f"{ORDERED}:{asked.order}"}
            one = examined(place, kinds, asked.options if weights else plain)
        scaled, weighted = scaled or scale is not None, weighted or weights
        ordered = ordered or order
        found.append(one)
    _check_taken(asked, (scaled, weighted, ordered), [one.target for one in found])
    return found


def _shown(column: Column, targets: Sequence[str]) -> Column:
    """Return the column; one of the targets becomes a column of type "target", not an input."""
    if column.name not in targets:
        return column
    return Column(column.name, "target", column.missing, "predicted as well", None)


def _kinds_for(target: str, targets: Sequence[str], kinds: Mapping[str, str]) -> dict[str, str]:
    """Return the column types of the user, with "drop" for the other targets."""
    others = dict.fromkeys((name for name in targets if name != target), "drop")
    return {**kinds, **others}


def _check_taken(
    asked: TargetOptions, taken: tuple[bool, bool, bool], targets: Sequence[TargetSchema]
) -> None:
    scaled, weighted, ordered = taken
    names = ", ".join(repr(target.name) for target in targets)
    if asked.scale is not None and not scaled:
        raise TableError(
            f"a scale is for numbers, and the targets {names} are classes; leave the target scale "
            "out"
        )
    if asked.options.weights.classes is not None and not weighted:
        classes = ", ".join(name for target in targets for name in target.classes[:12])
        have = f"have the classes {classes}" if classes else "are numbers"
        raise TableError(
            f"weights of classes are for a target with these classes, and the targets {names} "
            f"{have}; leave the weights out, or correct their names"
        )

    if asked.order is not None and not ordered:
        raise TableError(
            f"an order is of classes, and none of the targets {names} has classes of "
            f"{asked.order!r}; leave the order out, or correct their names"
        )


def check_scorings(asked: Scoring, examined: Sequence[ExaminedTable]) -> list[Scoring]:
    """Return the scoring options of each target; TableError if an option applies to none of them,
    or has a wrong value."""
    suited = [_suited(asked, one.target) for one in examined]
    for name in ("metric", "threshold", "interval"):
        wanted = getattr(asked, name)
        if wanted is not None and all(getattr(one, name) is None for one in suited):
            suited[0] = replace(suited[0], **{name: wanted})  # check_scoring raises an error
    return [
        check_scoring(scoring, one.target, one.truth[one.rows])
        for scoring, one in zip(suited, examined, strict=True)
    ]


def _suited(asked: Scoring, target: TargetSchema) -> Scoring:
    """Return the options that apply to such a target."""
    classes = target.classes
    return Scoring(
        asked.metric if asked.metric is not None and _is_of(asked.metric, target) else None,
        asked.threshold if len(classes) == 2 or (classes and asked.tuned) else None,
        None if classes else asked.interval,
    )


def _is_of(metric: str, target: TargetSchema) -> bool:
    try:
        metric_of(metric, bool(target.classes), target.ordered)
    except TableError:
        return False
    return True
