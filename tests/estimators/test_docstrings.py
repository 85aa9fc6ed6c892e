"""What two classes of a pair both have is described in the same words, where it means the same."""

from __future__ import annotations

import inspect
import re

import pytest

from glassnet import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

OTHER = {"scoring", "metric", "y", "score_", "self"}  # these differ in meaning


def entries(text: str) -> dict[str, str]:
    """The entries of a numpydoc text by name, each with its type and its words."""
    found = re.findall(r"^(\w[\w, ]*) : (.+(?:\n    .+)*)", text, re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize(
    ("one", "two", "least"),
    [(MLPClassifier, MLPRegressor, 40), (TabularClassifier, TabularRegressor, 10)],
)
def test_a_pair_has_the_same_words(one: type, two: type, least: int) -> None:
    pairs = [(inspect.getdoc(one) or "", inspect.getdoc(two) or "")]
    for name in ("fit", "partial_fit", "predict"):
        methods = [getattr(kind, name, None) for kind in (one, two)]
        pairs += [tuple(inspect.getdoc(own) or "" for own in methods)] if all(methods) else []
    compared = 0
    for own, other in pairs:
        known, its = entries(own), entries(other)
        for name in (known.keys() & its.keys()) - OTHER:
            assert known[name] == its[name], name
            compared += 1
    assert compared >= least
    assert entries("Words.\n\nb : x\n    y.\nc, d : z\n") == {"b": "x\n    y.", "c, d": "z"}
