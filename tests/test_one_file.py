"""What CONTRIBUTING says: a new layer, activation, loss or optimiser is one file.

A copy of the package gets one file for each, and is asked for all that ours can do: training, a
recorded run, an opened step with its formula, the ledger, resuming, saving, summaries, estimators.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.data import HANG, ROOT

FILES = {
    "nn/softsign.py": '''
from dataclasses import dataclass
from typing import ClassVar

from glassnet import ops
from glassnet.nn.module import Module


@dataclass(eq=False)
class Softsign(Module):
    """a = z/(1 + |z|)."""

    pointwise: ClassVar[bool] = True
    short_names: ClassVar[tuple[str, ...]] = ("softsign",)

    def build(self, x, parameters):
        return x / (ops.abs(x) + 1.0)
''',
    "nn/scale.py": '''
from dataclasses import dataclass

from glassnet.nn.module import Module, Parameter


@dataclass(eq=False)
class Scale(Module):
    """a = scale · z, one factor for every neuron."""

    width: int

    def parameter_specs(self):
        return {"scale": Parameter((self.width,), "ones")}

    def build(self, x, parameters):
        return x * parameters["scale"]
''',
    "nn/quartic.py": '''
from dataclasses import dataclass

from glassnet import ops
from glassnet.nn.loss import Loss


@dataclass(frozen=True)
class Quartic(Loss):
    """Σ weight·(ŷ − y)⁴."""

    weight: float = 1.0

    def rows(self, prediction, y):
        return ops.sum(self.weight * ops.square(ops.square(prediction - y)), 1)
''',
    "optim/signed.py": '''
from dataclasses import dataclass

from glassnet import ops
from glassnet.optim.optimizer import Optimizer


@dataclass(frozen=True)
class SignDescent(Optimizer):
    """w ← w − η·sign(m), m ← β·m + (1 − β)·g."""

    beta: float = 0.5

    def slots(self):
        return {"m": 0.0}

    def update(self, w, g, memory, now):
        m = self.beta * memory["m"] + (1.0 - self.beta) * g
        return w - now.lr * ops.sign(m), {"m": m}

    def formulas(self, t):
        return [f"m ← {self.beta}·m + (1 − {self.beta})·g", "w ← w − η·sign(m)"]
''',
}

ASKED = """
import json, warnings
import numpy as np
import glassnet as gn
from glassnet.nn.quartic import Quartic
from glassnet.nn.scale import Scale
from glassnet.nn.softsign import Softsign
from glassnet.optim.signed import SignDescent
from glassnet.inspect.render import text

assert gn.__file__.startswith(FOLDER), gn.__file__
rng = np.random.default_rng(0)
x = rng.normal(size=(12, 2)).astype("float32")
y = x[:, :1] - x[:, 1:]
network = lambda: gn.nn.Sequential(gn.nn.Linear(2, 3), Softsign(), Scale(3), gn.nn.Linear(3, 1))
settings = {"loss": Quartic(2.0), "optimizer": SignDescent(0.01), "batch_size": 4, "seed": 1}
whole, model = network(), network()
told = {"summary": model.summary()}
gn.train(whole, x, y, epochs=4, **settings)
gn.train(model, x, y, epochs=2, record="run.glass", **settings)
resumed, _ = gn.resume("run.glass", epochs=4)  # nothing is passed: the file says all of it
told["resumed"] = bool((resumed.W == whole.W).all())
step = gn.open_step("run.glass", epoch=2, batch=1)
told["weight"] = text.weight(step, "scale1.scale[1]")
told["neuron"] = text.neuron(step, "softsign1[1]", 0)
told["ledger"] = str(gn.open_ledger("run.glass", "scale1.scale[1]"))
gn.save(whole, "network.safetensors")
loaded = gn.load("network.safetensors")
told["loaded"] = bool((loaded(x) == whole(x)).all()) and repr(loaded) == repr(whole)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    asked = {"hidden_layer_sizes": (3,), "activation": "softsign", "max_iter": 2}
    told["estimator"] = repr(gn.MLPRegressor(**asked).fit(x, y[:, 0]).to_network())
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the copy says."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "glassnet"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "glassnet", package, ignore=ignored)
    for name, text in FILES.items():
        (package / name).write_text(text.lstrip())
    around = {**os.environ, "PYTHONPATH": str(folder)}
    script = f"FOLDER = {str(folder)!r}\n{ASKED}"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=around,
        capture_output=True, text=True, timeout=HANG,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_runs_resume_and_networks_load_without_being_told_anything(told: dict[str, object]) -> None:
    assert told["resumed"] is True
    assert told["loaded"] is True


def test_summaries_name_it(told: dict[str, object]) -> None:
    assert "Sequential(Linear(2, 3), Softsign(), Scale(width=3), Linear(3, 1))" in str(
        told["summary"]
    )
    assert "scale1.scale" in str(told["summary"])


def test_an_opened_step_has_formulas_with_numbers(told: dict[str, object]) -> None:
    weight, neuron = str(told["weight"]), str(told["neuron"])
    assert "m ← 0.5·m + (1 − 0.5)·∂L/∂w" in weight
    assert "w ← w − η·sign(m)" in weight
    assert "where a = z/(1 + |z|)" in neuron
    assert "∂a/∂z = " in neuron
    assert "scale1.scale[1]" in str(told["ledger"])


def test_an_estimator_takes_its_short_name(told: dict[str, object]) -> None:
    assert "Softsign()" in str(told["estimator"])
