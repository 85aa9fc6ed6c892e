"""Results on paper: JSON for programs, Markdown for people.

In: the rows that a benchmark measured. Out: a file `build/benchmarks/<question>.json`, and a table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path("build") / "benchmarks"


def own_folder() -> Path:
    """Where results go: beside those of other instruction sets, where one was named."""
    return RESULTS / os.environ.get("GLASSNET_ISA", "")


@dataclass
class Result:
    """The answer to one question."""

    name: str
    machine: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notes: list[str] = field(default_factory=list[str])

    def save(self, folder: Path | None = None) -> Path:
        place = folder or own_folder()
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{self.name}.json"
        path.write_text(self.json(indent=1), encoding="utf-8")
        return path

    def json(self, indent: int | None = None) -> str:
        content = {"machine": self.machine, "rows": self.rows, "notes": self.notes}
        return json.dumps(content, indent=indent, ensure_ascii=False)


def load(name: str, folder: Path = RESULTS) -> list[Result]:
    """Results saved before: of the machine's own instruction set, and of others."""
    paths = [folder / f"{name}.json", *sorted(folder.glob(f"*/{name}.json"))]
    found = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    return [Result(name, **json.loads(text)) for text in found]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; every column but the first ones is set to the right."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * left + "---:|" * (len(head) - left)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def microseconds(value: float | None) -> str:
    """Three digits that mean something: 0.0512, 8.05, 159, 17 200."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}".replace(",", " ")
    return f"{value:#.3g}".rstrip(".")


def versions(result: Result) -> str:
    """The machine in one sentence."""
    m = result.machine
    libraries = ", ".join(f"{name} {v}" for name, v in m["versions"].items())
    return (
        f"{m['processor']} ({m['instructions']}), {m['system']}, {m['cores']} of "
        f"{m['cores of the machine']} cores, Python {m['python']}, {libraries}"
    )


def pivot(
    result: Result, key: str, names: Sequence[str], value: Callable[[dict[str, Any]], str]
) -> list[list[str]]:
    """One line for each value of `key`, with a cell for each contender."""
    lines: dict[str, dict[str, str]] = {}
    for row in result.rows:
        lines.setdefault(row[key], {})[row["contender"]] = value(row)
    return [[first, *(cells.get(name, "–") for name in names)] for first, cells in lines.items()]
