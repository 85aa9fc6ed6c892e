"""The name of the format of a table's model file, and its versions.

In: the metadata of a model file. Out: a `ModelFileError` if its format or version is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glassnet.errors import ModelFileError

FORMAT = "glassnet table model"
FIRST_VERSION = "1"  # without packs
PACK_VERSION = "2"  # without rules
RULES_VERSION = "3"  # without further networks
BLEND_VERSION = "4"  # without quantiles and factors, and networks of SiLU
QUANTILE_VERSION = "5"  # without ordered classes
TARGETS_VERSION = "6"  # of a file that holds models of several targets
ORDERED_VERSION = "7"  # without text
FORMAT_VERSION = "8"
FORMAT_VERSIONS = (
    FIRST_VERSION, PACK_VERSION, RULES_VERSION, BLEND_VERSION, QUANTILE_VERSION, ORDERED_VERSION,
    FORMAT_VERSION,
)  # fmt: skip


def check_format(texts: Mapping[str, str], versions: Sequence[str], label: str) -> None:
    """Raise ModelFileError unless the metadata are of a table's model file of one of these
    versions; `label` is the name of the file in its message."""
    if texts.get("format") != FORMAT:
        raise ModelFileError(
            f"{label} is not a table model; name a file that `glassnet fit` has written"
        )
    if texts.get("format_version") not in versions:
        raise ModelFileError(
            f"{label} has format {texts.get('format_version')}, this program reads "
            f"{' and '.join(versions)}; update glassnet or train again"
        )
