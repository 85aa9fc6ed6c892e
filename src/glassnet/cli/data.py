"""`glassnet data`: write an example data set of scikit-learn as a table.

In: a name. Out: CSV; the last column is the target.
"""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.options import CsvOutput, CsvSafe

if TYPE_CHECKING:
    from collections.abc import Sequence

SETS = {
    "breast-cancer": "569 tumours, 30 numbers, 2 classes",
    "diabetes": "442 patients, 10 numbers, a number to predict",
    "digits": "1797 images of 8 x 8 pixels, 10 classes",
    "iris": "150 flowers, 4 numbers, 3 classes",
    "wine": "178 wines, 13 numbers, 3 classes",
}


def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help=", ".join(SETS), show_default=False)],
    output: CsvOutput = None,
    csv_safe: CsvSafe = False,
) -> None:
    """Write an example data set as CSV; the last column is the target."""
    if name not in SETS:
        raise typer.BadParameter(f"there is no data set {name!r}; choose {', '.join(SETS)}")
    from glassnet.outputs import check_writable, replacing

    if output is not None:
        check_writable(output, example="table.csv")
    content = table_csv(name, csv_safe).encode()
    if output is None:
        sys.stdout.buffer.write(content)
        return
    with replacing(output, "-o") as file:
        file.write(content)


def table_csv(name: str, csv_safe: bool = False) -> str:
    """Return the data set as CSV text, with class names."""
    from sklearn import datasets

    from glassnet.tables.csv_safe import escape_formula

    loader: Any = getattr(datasets, "load_" + name.replace("-", "_"))
    bunch = loader(scaled=False) if name == "diabetes" else loader()
    names = [str(column) for column in bunch.feature_names]
    columns: list[Sequence[Any]] = [_numbers(bunch.data[:, place]) for place in range(len(names))]
    if name == "diabetes":
        columns.append(_numbers(bunch.target))
    else:
        columns.append([str(bunch.target_names[code]) for code in bunch.target])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in ([*names, "target"], *zip(*columns, strict=True)):
        writer.writerow([escape_formula(cell) for cell in row] if csv_safe else row)
    return text.getvalue()


def _numbers(values: Any) -> list[Any]:
    """Return a column as ints if all values are integers, else as floats."""
    listed: list[float] = values.tolist()
    return (
        [int(value) for value in listed] if all(value == int(value) for value in listed) else listed
    )
