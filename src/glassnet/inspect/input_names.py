"""Names of the inputs and outputs of a recorded network.

In: the settings of a run file. Out: the column names of the table or data frame that the run was
trained on, else x[0], x[1], and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glassnet.tables.table_schema import Schema


def input_names(values: Mapping[str, Any], width: int) -> tuple[str, ...]:
    """Return a name for each of the `width` columns of x: "age", "city=Rome"."""
    schema, stream = _schema(values), _stream(values)
    names: tuple[str, ...] = ()
    if schema is not None:
        names = tuple(schema.inputs)
        names += ("fold",) * (len(names) == width - 1)
    elif stream is not None:
        names = tuple(map(str, stream.get("features") or ()))
    if len(names) != width:
        names = tuple(map(str, values.get("names") or ()))
    return names if len(names) == width else tuple(f"x[{i}]" for i in range(width))


def output_names(values: Mapping[str, Any], width: int) -> tuple[str, ...]:
    """Return a name for each of the `width` columns of ŷ: "species=Adelie", or the target
    column."""
    schema, stream = _schema(values), _stream(values)
    names: tuple[str, ...] = ()
    if schema is not None:
        target = schema.target
        names = tuple(f"{target.name}={label}" for label in target.classes) or (target.name,)
    elif stream is not None:
        names = (str(stream.get("target")),)
    elif isinstance(values.get("classes"), list):
        names = tuple(map(str, values["classes"]))
    if (
        schema is not None and width > len(names) and width % len(names) == 0
    ):  # an ensemble: one set of names per member
        names = tuple(f"{name} [{i}]" for i in range(width // len(names)) for name in names)
    return names if len(names) == width else tuple(f"ŷ[{i}]" for i in range(width))


def class_names(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class names that the run file has; empty if it has none."""
    schema, known = _schema(values), values.get("classes")
    if schema is not None:
        return schema.target.classes
    return tuple(map(str, known)) if isinstance(known, list) else ()  # pyright: ignore


def _source(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values.get("source") or {}


def _schema(values: Mapping[str, Any]) -> Schema | None:
    """Return the table's schema; None if there is none, or this version cannot read it."""
    plain = _source(values).get("schema")
    try:
        return None if plain is None else Schema.from_plain(plain)
    except (ValueError, KeyError, TypeError):
        return None


def _stream(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the settings of the stream of training rows; None if rows were not streamed."""
    streams: Mapping[str, Any] = _source(values).get("streams") or {}
    return streams.get("training")
