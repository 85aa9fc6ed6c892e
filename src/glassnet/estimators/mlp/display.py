"""Plot the loss curve of a training run, like scikit-learn's displays.

In: a fitted MLP estimator, a history of `train`, or plain lists. Out: a `LossCurveDisplay`, which
draws with matplotlib (imported only when it draws).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from sklearn.utils.validation import check_is_fitted


class LossCurveDisplay:
    """Loss, validation loss and validation score over the epochs.

    Use `from_estimator` or `from_history` to make one.

    Parameters
    ----------
    loss : sequence of float
        Loss of each epoch.
    validation_loss : sequence of float, default=()
        Loss of the validation rows after each epoch.
    validation_scores : sequence of float, default=()
        Score of the validation rows, drawn with its own axis on the right.
    best_epoch : int or None, default=None
        The epoch, from 1, whose weights the model has; None draws no line.
    name : str or None, default=None
        Prefix of the labels.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        Axes of the losses.
    score_ax_ : matplotlib Axes or None
        Axes of the scores, if there are any.
    lines_ : list of matplotlib Line2D
        The drawn lines.
    """

    figure_: Any
    ax_: Any
    score_ax_: Any
    lines_: list[Any]

    def __init__(
        self,
        loss: Sequence[float],
        *,
        validation_loss: Sequence[float] = (),
        validation_scores: Sequence[float] = (),
        best_epoch: int | None = None,
        name: str | None = None,
    ) -> None:
        self.loss, self.validation_loss = list(loss), list(validation_loss)
        self.validation_scores, self.best_epoch = list(validation_scores), best_epoch
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, name: str | None = None, **line_kw: Any
    ) -> LossCurveDisplay:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            A fitted one, also of scikit-learn, or a pipeline that ends with one; else ValueError.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        name : str, default=None
            Prefix of the labels.
        **line_kw : dict
            Passed to `ax.plot`.

        Returns
        -------
        display : LossCurveDisplay
            The display.
        """
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        check_is_fitted(last)
        curve = getattr(last, "loss_curve_", None)
        if not curve:
            raise ValueError(
                f"{type(last).__name__} has no loss curve; fit it with glassnet's estimators, or "
                "with solver='adam' or 'sgd'"
            )
        scores: list[float] = getattr(last, "validation_scores_", None) or []
        early = getattr(last, "early_stopping", False) and last.solver != "lbfgs"
        best = 1 + max(range(len(scores)), key=scores.__getitem__) if early and scores else None
        display = cls(
            curve,
            validation_loss=getattr(last, "validation_loss_curve_", None) or (),
            validation_scores=scores,
            best_epoch=best,
            name=name,
        )
        return display.plot(ax=ax, **line_kw)

    @classmethod
    def from_history(
        cls, history: Any, *, ax: Any = None, name: str | None = None, **line_kw: Any
    ) -> LossCurveDisplay:
        """Draw the curves of a history of `glassnet.train`.

        Parameters
        ----------
        history : History
            The result of `train` or `resume`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        name : str, default=None
            Prefix of the labels.
        **line_kw : dict
            Passed to `ax.plot`.

        Returns
        -------
        display : LossCurveDisplay
            The display.
        """
        display = cls(
            history.loss,
            validation_loss=history.validation_loss,
            best_epoch=history.best_epoch,
            name=name,
        )
        return display.plot(ax=ax, **line_kw)

    def plot(self, ax: Any = None, **line_kw: Any) -> LossCurveDisplay:
        """Draw the curves; ImportError without `ax` if matplotlib is not installed.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **line_kw : dict
            Passed to `ax.plot`.

        Returns
        -------
        display : LossCurveDisplay
            Itself.
        """
        self.ax_ = _pyplot().subplots()[1] if ax is None else ax
        self.figure_, self.score_ax_, self.lines_ = self.ax_.figure, None, []
        prefix = f"{self.name}: " if self.name else ""
        curves = [("training loss", self.loss), ("validation loss", self.validation_loss)]
        for label, values in curves:
            if values:
                epochs = range(1, len(values) + 1)
                self.lines_ += self.ax_.plot(epochs, values, label=prefix + label, **line_kw)
        self.ax_.set(xlabel="epoch", ylabel="loss")
        if self.validation_scores:
            self._plot_scores(prefix + "validation score", line_kw)
        if self.best_epoch is not None:
            self.lines_.append(
                self.ax_.axvline(self.best_epoch, color="0.6", linestyle=":", label="best epoch")
            )
        self.ax_.legend(handles=self.lines_, loc="center right")
        return self

    def _plot_scores(self, label: str, line_kw: dict[str, Any]) -> None:
        self.score_ax_ = self.ax_.twinx()
        self.score_ax_.set_ylabel("score")
        epochs = range(1, len(self.validation_scores) + 1)
        style = {"color": "C2", "linestyle": "--"} | line_kw
        self.lines_ += self.score_ax_.plot(epochs, self.validation_scores, label=label, **style)


def _pyplot() -> Any:
    try:
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise ImportError(
            "a plot needs matplotlib, which is not installed: pip install matplotlib"
        ) from None
