"""What the numbers of a row are called.

In: what a run file says of its run. Out: names of the inputs and outputs of the network: those of
the table's or data frame's columns where the run is of one, else x[0], x[1], and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glassnet.tables.table_schema import Schema


def input_names(values: Mapping[str, Any], width: int) -> tuple[str, ...]:
    """A name for every column of x: "age", "city=Rome"."""
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
    """A name for every number of ŷ: "species=Adelie", or the target column."""
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
    ):  # of every member of a pack
        names = tuple(f"{name} [{i}]" for i in range(width // len(names)) for name in names)
    return names if len(names) == width else tuple(f"ŷ[{i}]" for i in range(width))


def class_names(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes, where the run has a table or an estimator that knows them."""
    schema, known = _schema(values), values.get("classes")
    if schema is not None:
        return schema.target.classes
    return tuple(map(str, known)) if isinstance(known, list) else ()  # pyright: ignore


def _source(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values.get("source") or {}


def _schema(values: Mapping[str, Any]) -> Schema | None:
    """How the table was read; None where there is none, or where another version described it."""
    plain = _source(values).get("schema")
    try:
        return None if plain is None else Schema.from_plain(plain)
    except (ValueError, KeyError, TypeError):
        return None


def _stream(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Which columns of files were read, where rows were streamed from files."""
    streams: Mapping[str, Any] = _source(values).get("streams") or {}
    return streams.get("training")
