"""Callbacks of a fit, by scikit-learn's protocol (version 1.9 and later).

In: an estimator whose `set_callbacks` was called. Out: calls of the callbacks' hooks around the fit
and each of its epochs, each with a context. For earlier versions, the contexts of this file call
the hooks, without the support of nested estimators.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

HOOKS = ("setup", "on_fit_task_begin", "on_fit_task_end", "teardown")


class CallbackContext:
    """A task of a fit: the fit itself, or an epoch, whose `parent` is the fit."""

    def __init__(
        self, callbacks: list[Any], name: str, task: str, number: int, most: int, parent: Any
    ) -> None:
        self._callbacks, self.estimator_name, self.task_name = callbacks, name, task
        self.task_id, self.max_subtasks, self.parent = number, most, parent
        self._children = 0

    def subcontext(self, task_name: str = "") -> CallbackContext:
        """Return the context of the next task inside of this one, such as an epoch."""
        self._children += 1
        name, number = self.estimator_name, self._children - 1
        return CallbackContext(self._callbacks, name, task_name, number, 0, self)

    def call_on_fit_task_begin(self, *, estimator: Any, **given: Any) -> None:
        self._call("on_fit_task_begin", estimator, given)

    def call_on_fit_task_end(self, *, estimator: Any, **given: Any) -> bool:
        return self._call("on_fit_task_end", estimator, given)

    def _call(self, hook: str, est: Any, given: dict[str, Any]) -> bool:
        """Call a hook of all callbacks with the arguments that its signature names; return whether
        any returned a true value."""
        known: dict[str, Callable[[], Any]] = {
            "fitted_estimator": lambda: _fitted_copy(est, given.get("reconstruction_attributes")),
            **{name: lambda name=name: given.get(name) for name in ("X", "y", "metadata")},
        }
        stops = False
        for callback in self._callbacks:
            method = getattr(callback, hook)
            asked = inspect.signature(method).parameters
            stops |= bool(method(est, self, **{n: f() for n, f in known.items() if n in asked}))
        return stops


def _fitted_copy(est: Any, attributes: Any) -> Any:
    if attributes is None:
        return None
    other = copy.copy(est)
    found: Any = attributes() if callable(attributes) else attributes
    for name, value in found.items():
        setattr(other, name, value)
    return other


class CallbackMixin:
    """A replacement of scikit-learn's mixin, for versions without one."""

    def set_callbacks(self, *callbacks: Any) -> Any:
        """Set callbacks, objects with the hooks `setup`, `on_fit_task_begin`, `on_fit_task_end`
        and `teardown`. They replace earlier ones; without arguments, there are none.

        Parameters
        ----------
        *callbacks : callback instances
            Objects called around the fit and around every epoch; TypeError if one lacks a hook.

        Returns
        -------
        self : estimator
            The estimator.
        """
        for callback in callbacks:
            if isinstance(callback, type) or not all(
                callable(getattr(callback, h, None)) for h in HOOKS
            ):
                raise TypeError("callbacks must be instances following the FitCallback protocol.")
        self.__dict__["_skl_callbacks"] = list(callbacks)
        return self

    def _init_callback_context(self, max_subtasks: int = 0) -> CallbackContext:
        callbacks: list[Any] = getattr(self, "_skl_callbacks", [])
        context = CallbackContext(callbacks, type(self).__name__, "fit", 0, max_subtasks, None)
        self._callback_fit_ctx: Any = context
        for callback in callbacks:
            callback.setup(self, context)
        return context

    def __sklearn_clone__(self) -> Any:
        """Return a clone that has the same callback objects."""
        other = importlib.import_module("sklearn.base")._clone_parametrized(self)
        if hasattr(self, "_skl_callbacks"):
            other._skl_callbacks = self.__dict__["_skl_callbacks"]
        return other


def with_teardown(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method: the callbacks' `teardown` is called however it ends."""

    @functools.wraps(method)
    def managed(est: Any, *given: Any, **named: Any) -> Any:
        try:
            return method(est, *given, **named)
        finally:
            context = est.__dict__.pop("_callback_fit_ctx", None)
            for callback in getattr(est, "_skl_callbacks", []) if context else []:
                callback.teardown(est, context)

    return managed


try:
    _sklearn: Any = importlib.import_module("sklearn.callback")
    CallbackSupport: Any = _sklearn.CallbackSupportMixin
    with_callbacks: Any = _sklearn.with_callbacks
except ImportError:
    CallbackSupport, with_callbacks = CallbackMixin, with_teardown


class FitCallbacks:
    """The callbacks of one fit; without any, or without an estimator, it does nothing."""

    def __init__(self, est: Any, X: Any, y: Any, weight: Any) -> None:
        self.est = est
        self.given = {"X": X, "y": y, "metadata": None}
        if weight is not None:
            self.given["metadata"] = {"sample_weight": weight}
        self.heard = bool(getattr(est, "_skl_callbacks", []))  # whether epochs are reported
        # a fit inside that of another estimator is one of the tasks of that fit
        self.active = self.heard or hasattr(est, "_parent_callback_ctx")
        self.context: Any = None
        self.epoch: Any = None

    def begin(self) -> None:
        """Call the hooks at the beginning of the fit."""
        if self.active:
            self.context = self.est._init_callback_context(max_subtasks=self.est.max_iter)
            self.context.call_on_fit_task_begin(estimator=self.est, **self.given)

    def epoch_begin(self) -> None:
        """Call the hooks at the beginning of an epoch."""
        if self.heard:
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(
                estimator=self.est, **self.given, reconstruction_attributes=self._state
            )

    def epoch_end(self) -> bool:
        """Call the hooks at the end of an epoch; return whether a callback stops the training."""
        if not self.heard:
            return False
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(
            estimator=self.est, **self.given, reconstruction_attributes=self._state
        )

    def end(self) -> None:
        """Call the hooks at the end of the fit."""
        if self.active:
            if self.epoch is not None:  # an epoch was begun, but not trained
                self.epoch.call_on_fit_task_end(estimator=self.est)
            self.context.call_on_fit_task_end(
                estimator=self.est, **self.given, reconstruction_attributes=self._state
            )

    def _state(self) -> dict[str, Any]:
        """Return copies of the weights and the curves, which later epochs would change."""
        est = self.est
        lists = ("loss_curve_", "validation_scores_", "validation_loss_curve_")
        parts = {n: [w.copy() for w in getattr(est, n)] for n in ("coefs_", "intercepts_")}
        curves = {n: list(c) for n in lists if (c := getattr(est, n, None)) is not None}
        return parts | curves
