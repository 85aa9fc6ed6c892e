"""A model is trained by one call at a time.

In: a model, or whatever else holds weights. Out: a context in which no other call trains them: not
another thread's, and not one that a callback of this call makes.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import ref

import numpy as np

from glassnet.errors import TrainingError


class InTraining:
    """`with InTraining(model):` around what changes its weights; TrainingError where that is being
    done already. Models whose weights share memory count as one."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.block: Any = getattr(owner, "W", None)  # an estimator makes its weights itself
        self.thread = threading.get_ident()

    def __enter__(self) -> InTraining:
        with _register.lock:
            for other in _register.alive():
                if self._meets(other):
                    raise TrainingError(_refusal(self, other))
            # The register does not keep it alive: a context that Ctrl-C ended before its first
            # line, or in a process that was forked meanwhile, ends with its frame.
            _register.held.append(ref(self))
        return self

    def __exit__(self, *_: object) -> None:
        with _register.lock:
            _register.held[:] = [own for own in _register.held if own() not in (None, self)]

    def _meets(self, other: InTraining) -> bool:
        if self.owner is other.owner:
            return True
        known = self.block is not None and other.block is not None
        return known and np.may_share_memory(self.block, other.block)


class _Register:
    """What is being trained in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: list[ref[InTraining]] = []

    def alive(self) -> list[InTraining]:
        return [own for own in (one() for one in self.held) if own is not None]

    def forked(self) -> None:
        """In a new process only the thread that made it goes on."""
        self.lock = threading.Lock()
        here = threading.get_ident()
        self.held = [ref(own) for own in self.alive() if own.thread == here]


_register = _Register()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_register.forked)


def _refusal(own: InTraining, other: InTraining) -> str:
    name = type(own.owner).__name__
    if own.thread == other.thread:
        return (
            f"this {name} is being trained by the call that this one comes from, perhaps out of a "
            "callback; train it after that call, or train a copy: copy.deepcopy(model)"
        )
    return (
        f"this {name} is being trained by another thread, and both would change the same weights; "
        "wait until that ends, or train a copy: copy.deepcopy(model)"
    )
