"""Feed-forward neural networks, compiled to one function; every number in them can be inspected.

In: nothing. Out: the public names, each loaded from its module when it is first used, so that
`import glassnet` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from glassnet import rounding
from glassnet.foreign import missing_name_error
from glassnet.version import __version__, numerics_version

if TYPE_CHECKING:
    from glassnet import nn, ops, optim, plot
    from glassnet.estimators.mlp import MLPClassifier, MLPRegressor
    from glassnet.estimators.mlp.display import LossCurveDisplay
    from glassnet.estimators.tabular.estimator import TabularClassifier, TabularRegressor
    from glassnet.inspect.ledger import open_ledger
    from glassnet.inspect.open_step import open_step
    from glassnet.inspect.replay import replay
    from glassnet.inspect.rerun_from import rerun
    from glassnet.inspect.run_comparison import compare
    from glassnet.nn import losses
    from glassnet.nn.pytorch import from_torch, to_torch
    from glassnet.nn.saving import load, save
    from glassnet.page.write_page import play
    from glassnet.pipeline import compile, grad
    from glassnet.runs.resume_run import resume
    from glassnet.runs.train import train
    from glassnet.tables.stream import stream
    from glassnet.testing import check_grads
    from glassnet.tracing import trace
    from glassnet.training import callbacks, derivative, value_and_grad
    from glassnet.training.stepper import Step

__all__ = [
    "LossCurveDisplay",
    "MLPClassifier",
    "MLPRegressor",
    "Step",
    "TabularClassifier",
    "TabularRegressor",
    "__version__",
    "callbacks",
    "check_grads",
    "compare",
    "compile",
    "derivative",
    "from_torch",
    "grad",
    "load",
    "losses",
    "nn",
    "numerics_version",
    "open_ledger",
    "open_step",
    "ops",
    "optim",
    "play",
    "plot",
    "replay",
    "rerun",
    "resume",
    "save",
    "stream",
    "to_torch",
    "trace",
    "train",
    "value_and_grad",
]

# Public name -> where it lives: a module, or "module:attribute".
_LAZY = {
    "LossCurveDisplay": "glassnet.estimators.mlp.display:LossCurveDisplay",
    "MLPClassifier": "glassnet.estimators.mlp:MLPClassifier",
    "MLPRegressor": "glassnet.estimators.mlp:MLPRegressor",
    "Step": "glassnet.training.stepper:Step",
    "TabularClassifier": "glassnet.estimators.tabular.estimator:TabularClassifier",
    "TabularRegressor": "glassnet.estimators.tabular.estimator:TabularRegressor",
    "callbacks": "glassnet.training.callbacks",
    "check_grads": "glassnet.testing:check_grads",
    "compare": "glassnet.inspect.run_comparison:compare",
    "compile": "glassnet.pipeline:compile",
    "derivative": "glassnet.training:derivative",
    "from_torch": "glassnet.nn.pytorch:from_torch",
    "grad": "glassnet.pipeline:grad",
    "load": "glassnet.nn.saving:load",
    "losses": "glassnet.nn.losses",
    "nn": "glassnet.nn",
    "open_ledger": "glassnet.inspect.ledger:open_ledger",
    "open_step": "glassnet.inspect.open_step:open_step",
    "ops": "glassnet.ops",
    "optim": "glassnet.optim",
    "play": "glassnet.page.write_page:play",
    "plot": "glassnet.plot",
    "replay": "glassnet.inspect.replay:replay",
    "rerun": "glassnet.inspect.rerun_from:rerun",
    "resume": "glassnet.runs.resume_run:resume",
    "save": "glassnet.nn.saving:save",
    "stream": "glassnet.tables.stream:stream",
    "to_torch": "glassnet.nn.pytorch:to_torch",
    "trace": "glassnet.tracing:trace",
    "train": "glassnet.runs.train:train",
    "value_and_grad": "glassnet.training:value_and_grad",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise missing_name_error(__name__, name, __all__)
    module, _, attribute = _LAZY[name].partition(":")
    with rounding.rounding_to_nearest():
        found = import_module(module)
    if attribute:
        found = getattr(found, attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)


if not rounding.rounds_to_nearest():
    rounding.load_all(__name__, __path__)
