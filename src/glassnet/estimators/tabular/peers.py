"""Models of other libraries ("peers") on the same rows: gradient boosting and random forests, with
default settings.

In: the name of a peer, cells of the columns that a model uses, and training rows. Out: its
predictions for other rows. Numbers are passed unchanged, missing ones as NaN; other columns as
codes of the values in the training rows, marked as categories if the peer supports that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.tables.table import Numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glassnet.tables.table_schema import Cells

_MOST_CATEGORIES = 255  # of a column, in scikit-learn's boosting


@dataclass(frozen=True)
class Features:
    """Columns as one array: category codes start at 0, and NaN is a missing cell or an unknown
    value."""

    x: NDArray[np.float64]
    categories: tuple[int, ...]  # the indices of columns that are categories
    sizes: tuple[int, ...]  # how many values each of these has


@dataclass(frozen=True)
class Peer:
    """A model of another library: its title, its package, its constructor, and how columns are
    passed to it."""

    title: str
    package: str
    make: Callable[[bool, Features, int, int | None], Any]  # classes?, columns, seed, threads
    prepared: Callable[[Features], Any] = lambda features: features.x
    # what `fit` takes besides rows and targets
    fit_arguments: Callable[[Features], dict[str, Any]] = lambda features: {}


def _sklearn(name: str, classes: bool) -> Any:
    return getattr(
        import_module("sklearn.ensemble"), name + ("Classifier" if classes else "Regressor")
    )


def _forest(classes: bool, features: Features, seed: int, threads: int | None) -> Any:
    return _sklearn("RandomForest", classes)(random_state=seed, n_jobs=threads)


def _boosting(classes: bool, features: Features, seed: int, threads: int | None) -> Any:
    sized = zip(features.categories, features.sizes, strict=True)
    few = [place for place, size in sized if size <= _MOST_CATEGORIES]
    made = _sklearn("HistGradientBoosting", classes)
    return made(random_state=seed, categorical_features=few or None)


def _lightgbm(classes: bool, features: Features, seed: int, threads: int | None) -> Any:
    package: Any = import_module("lightgbm")
    made = package.LGBMClassifier if classes else package.LGBMRegressor
    return made(random_state=seed, n_jobs=threads, verbosity=-1)


def _catboost(classes: bool, features: Features, seed: int, threads: int | None) -> Any:
    package: Any = import_module("catboost")
    made = package.CatBoostClassifier if classes else package.CatBoostRegressor
    return made(
        random_seed=seed, thread_count=threads or -1, verbose=False, allow_writing_files=False,
        cat_features=list[int](features.categories),
    )  # fmt: skip


def _with_texts(features: Features) -> NDArray[np.object_]:
    """Return the columns with category codes as texts, "" for NaN, as CatBoost takes them."""
    found = features.x.astype(object)
    for place in features.categories:
        codes = features.x[:, place]
        found[:, place] = ["" if code != code else str(int(code)) for code in codes]
    return found


PEERS = {
    "lightgbm": Peer(
        "LightGBM",
        "lightgbm",
        _lightgbm,
        fit_arguments=lambda features: {"categorical_feature": list[int](features.categories)},
    ),
    "catboost": Peer("CatBoost", "catboost", _catboost, _with_texts),
    "boosting": Peer("scikit-learn's boosting", "scikit-learn", _boosting),
    "forest": Peer("random forest", "scikit-learn", _forest),
}


def peer_of(name: str) -> Peer:
    """Return the peer of that name, in any case; GlassnetError if there is none, or its package
    cannot be imported."""
    peer = PEERS.get(name.strip().lower())
    if peer is None:
        raise GlassnetError(f"there is no peer {name!r}; choose {', '.join(PEERS)}")
    if peer.package != "scikit-learn":
        try:
            import_module(peer.package)
        except ImportError as error:
            raise GlassnetError(
                f"{peer.package} cannot be loaded ({error}); install it with "
                f"`pip install {peer.package}`, or choose forest or boosting, which are installed"
            ) from None
    return peer


def peer_answers(
    peer: Peer,
    learnt: tuple[Mapping[str, Cells], NDArray[np.int64], NDArray[Any]],
    asked: tuple[Mapping[str, Cells], NDArray[np.int64]],
    classes: Sequence[str],
    seed: int = 0,
    threads: int | None = None,
) -> NDArray[Any]:
    """Train a peer and return its predictions: numbers float64 [n], or probabilities float64 [n,
    classes], 0 for classes that it was not trained with. `learnt` has cells, training rows and
    their targets (codes for classes), `asked` cells and the rows to predict."""
    cells, rows, goals = learnt
    levels = _levels(cells, rows)
    training = _features(cells, rows, levels)
    model = peer.make(bool(classes), training, seed, threads)
    model.fit(peer.prepared(training), goals, **peer.fit_arguments(training))
    x = peer.prepared(_features(*asked, levels))
    if not classes:
        return np.asarray(model.predict(x), np.float64).reshape(-1)
    found = np.zeros((len(asked[1]), len(classes)))
    found[:, np.asarray(model.classes_, np.int64)] = model.predict_proba(x)
    return found


def _levels(
    cells: Mapping[str, Cells], rows: NDArray[np.int64]
) -> dict[str, dict[str, int] | None]:
    """Return the codes of the values in these rows of each column of texts, None for numbers."""
    found: dict[str, dict[str, int] | None] = {}
    for name, column in cells.items():
        if isinstance(column, Numbers):
            found[name] = None
        else:
            texts = sorted({str(text) for text in column[rows].tolist() if text is not None})
            found[name] = {text: code for code, text in enumerate(texts)}
    return found


def _features(
    cells: Mapping[str, Cells],
    rows: NDArray[np.int64],
    levels: Mapping[str, dict[str, int] | None],
) -> Features:
    columns: list[NDArray[np.float64]] = []
    categories: list[int] = []
    sizes: list[int] = []
    for place, (name, codes) in enumerate(levels.items()):
        column: Any = cells[name]
        if codes is None:
            values = np.where(column.missing, np.nan, column.values)[rows]
        else:
            texts: list[Any] = column[rows].tolist()
            known = [codes.get(str(text)) if text is not None else None for text in texts]
            values = np.array([np.nan if code is None else code for code in known], np.float64)
            categories.append(place)
            sizes.append(len(codes))
        columns.append(np.asarray(values, np.float64))
    return Features(np.column_stack(columns), tuple(categories), tuple(sizes))
