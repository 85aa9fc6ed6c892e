"""What constructors and functions say to arguments that cannot be used."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

import glassnet as gn
from glassnet import losses, nn, ops, optim
from glassnet.arguments import ArgumentChecker, matches, signature
from glassnet.errors import ArgumentError, GlassnetError
from glassnet.nn.module import Module

X = np.ones((6, 2), "float32")


def public() -> list[Any]:
    """Every public class with a checked constructor."""
    modules = (nn, losses, optim, gn.callbacks)
    names = [vars(own).get("__all__") or ["EarlyStopping", "TimeLimit"] for own in modules]
    found = [getattr(own, n) for own, them in zip(modules, names, strict=True) for n in them]
    return [own for own in found if isinstance(own, ArgumentChecker) and own not in (nn.Module,)]


RIGHT: dict[str, tuple[Any, ...]] = {
    "Linear": (3, 4), "BatchNorm": (3,), "LayerNorm": (3,), "RMSNorm": (3,), "Average": (3,),
    "BatchEnsemble": (3, 4, 2), "Embedding": (3, 2), "Function": (ops.tanh,), "Neuron": (3,),
    "Periodic": (3,), "PiecewiseLinear": ([[0.0, 1.0]],), "Repeat": (3,), "Columns": (0,),
    "FunctionLoss": (lambda p, y: p[:, 0],), "BatchLoss": (lambda p, y: ops.sum(p),),
    "Switched": (0.1, 10, 0.01), "Group": ("*.bias",), "TimeLimit": (3.0,),
    "Sequential": (nn.Linear(1, 1),),
    "Parallel": (nn.Linear(1, 1),), "Residual": (nn.Linear(1, 1),), "MemberLinear": (3, 4, 2),
    "PiecewiseEmbedding": (3, 2), "PeriodicEmbedding": (3, 2),
    "GroupInputs": (3, 1, 2), "InFolds": (nn.Linear(2, 1), 2, 2),
}  # fmt: skip
WRONG = {bool: "yes", int: "3", float: "0.5", str: 3}


@pytest.mark.parametrize("kind", public(), ids=lambda kind: kind.__name__)
def test_every_argument_of_every_constructor_is_checked(kind: Any) -> None:
    given = RIGHT.get(kind.__name__, ())
    assert kind(*given) is not None
    names = list(signature(kind))
    assert list(kind.__signature__.parameters) == names  # for help and editors
    for name, annotation in signature(kind).items():
        assert not isinstance(annotation, str), f"{kind.__name__}.{name} has no known type"
        parameter = kind.__signature__.parameters[name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL or annotation is Any:
            continue
        for wrong in ("no such thing", object(), {"a": 1}, 3.5, (object(),)):
            if matches(annotation, wrong):
                continue
            # a class may make something of more than it is annotated with: a dict of weights
            values = dict(zip(names, given, strict=False)) | {name: wrong}
            try:
                made = kind(**values)
            except GlassnetError as error:
                seen = str(error)
            else:
                seen = name if matches(annotation, getattr(made, name)) else "accepted"
            assert kind.__name__ in seen or name in seen, f"{kind.__name__}({name}={wrong!r})"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(3, 4, "he_normal"), r"bias is True or False\n.*initializer='he_normal'"),  # type: ignore[arg-type]
        (lambda: nn.Linear(True, 4), r"fan_in=True.* whole number"),
        (lambda: nn.Average(3, "yes"), r"probabilities='yes'.* True or False"),  # type: ignore[arg-type]
        (lambda: nn.Function(3), r"Function\(f=3\): f is a function"),  # type: ignore[arg-type]
        (lambda: nn.Sigmoid(3), r"too many positional arguments; it takes no arguments"),  # type: ignore[call-arg]
        (lambda: nn.Linear(3), r"missing .*'fan_out'; it takes fan_in, fan_out, bias=True"),  # type: ignore[call-arg]
        (lambda: nn.Parameter(3), r"wanted a shape"),  # type: ignore[arg-type]
        (lambda: nn.Parameter((2,), trained="no"), r"whether a gradient trains it"),  # type: ignore[arg-type]
        (lambda: optim.SGD(0.1, 0.9, "yes"), r"nesterov='yes'.* True or False"),  # type: ignore[arg-type]
        (lambda: optim.Adam(amsgrad="x"), r"amsgrad='x'"),  # type: ignore[arg-type]
        (lambda: optim.Cosine(0.1, end="a"), r"end='a'\): end is a number"),  # type: ignore[arg-type]
        (lambda: optim.StepDecay(0.1, every="a"), r"every='a'.* a whole number"),  # type: ignore[arg-type]
        (lambda: optim.RandomSearch(near="a"), r"near='a'"),  # type: ignore[arg-type]
        (lambda: optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1), r"gn.train has the model"),  # type: ignore[misc]
        (lambda: losses.FunctionLoss(3), r"f is a function"),  # type: ignore[arg-type]
        (lambda: gn.callbacks.EarlyStopping(2.5), r"patience is a whole number"),  # type: ignore[arg-type]
        (lambda: gn.callbacks.EarlyStopping(score=3), r"score is a function or None"),  # type: ignore[arg-type]
        (lambda: gn.callbacks.TimeLimit("a"), r"seconds is a number"),  # type: ignore[arg-type]
        (lambda: gn.Step("m", loss=losses.MSE(), optimizer=optim.SGD()), r"model is a Module"),  # type: ignore[arg-type]
    ],
)
def test_wrong_types_are_told(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"(?s){message}"):
        make()


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (lambda: nn.Linear(in_features=3, out_features=4), "Linear(…, fan_in=3, fan_out=4)"),
        (lambda: nn.Linear(3, 4, use_bias=False), "Linear(…, bias=False)"),
        (lambda: nn.Linear(3, 4, activation="relu"), "add it as the next layer"),
        (lambda: nn.LeakyReLU(negative_slope=0.1), "LeakyReLU(…, slope=0.1)"),
        (lambda: nn.ReLU(inplace=True), "leave it out"),
        (lambda: nn.Softmax(dim=1), "the last axis"),
        (lambda: nn.Dropout(rate=0.5), "Dropout(…, p=0.5)"),
        (lambda: nn.BatchNorm(num_features=3), "BatchNorm(…, width=3)"),
        (lambda: nn.Embedding(num_embeddings=7, embedding_dim=3), "categories=7, width=3"),
        (lambda: optim.Adam(betas=(0.9, 0.99)), "Adam(…, beta1=0.9, beta2=0.99)"),
        (lambda: optim.Adam(learning_rate=0.1, epsilon=1e-7), "Adam(…, lr=0.1, eps=1e-07)"),
        (lambda: optim.SGD(params=[1], lr=0.1), "gn.train has the model"),
        (lambda: optim.SGD(momentun=0.9), "SGD(…, momentum=0.9)"),
        (lambda: losses.MSE(reduction="mean"), "the mean over rows"),
        (lambda: losses.CrossEntropy(weight=(1.0, 2.0)), "class_weight=(1.0, 2.0)"),
        (lambda: gn.callbacks.EarlyStopping(monitor="val_loss"), "watches the validation loss"),
        (lambda: gn.MLPClassifier(hidden=3), "hidden_layer_sizes=3"),
        (lambda: gn.MLPClassifier(lr=0.1), "learning_rate_init=0.1"),
        (lambda: gn.MLPRegressor(seed=3, epochs=5), "random_state=3, max_iter=5"),
        (lambda: gn.TabularClassifier(epochs=3), "TabularClassifier(…, max_epochs=3)"),
        (lambda: gn.train(None, X, n_epochs=3), "train(…, epochs=3)"),
        (lambda: gn.train(None, X, epochs=3, lr=0.1), "optimizer=gn.optim.Adam(lr=0.1)"),
        (lambda: gn.Step(None, criterion=1), "loss=1"),
        (lambda: nn.Mish(nonsense=3), "it takes no arguments"),
    ],
)  # fmt: skip
def test_arguments_of_other_libraries_are_answered(make: Any, right: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert right in str(caught.value)
    assert isinstance(caught.value, TypeError)  # as Python's own


MODEL = nn.Sequential(nn.Linear(2, 1))


@pytest.mark.parametrize(
    ("ask", "right"),
    [
        (lambda: nn.Dense, "gn.nn.Linear(3, 4)"),
        (lambda: nn.CrossEntropyLoss, "gn.losses.CrossEntropy()"),
        (lambda: nn.MSELoss, "gn.losses.MSE()"),
        (lambda: losses.BCEWithLogitsLoss, "gn.losses.BCEWithLogits()"),
        (lambda: losses.mse, "gn.losses.MSE"),
        (lambda: losses.L1Loss, "gn.losses.MAE()"),
        (lambda: optim.lr_scheduler, "gn.optim.Cosine"),
        (lambda: optim.CosineAnnealingLR, "gn.optim.Cosine"),
        (lambda: optim.Lion, "it has LBFGS, SGD"),
        (lambda: gn.Adam, "gn.optim.Adam"),
        (lambda: gn.Linear, "gn.nn.Linear"),
        (lambda: gn.fit, "gn.train(model"),
        (lambda: gn.no_grad, "computes no gradient"),
        (lambda: gn.callbacks.ModelCheckpoint, 'record="run.glass"'),
        (lambda: ops.matmull, "gn.ops.matmul"),
        (lambda: ops.zzz, "it has abs, add, argmax"),  # functions only, not what a module imports
        (lambda: MODEL.fit, "gn.train(model, x, y"),
        (lambda: MODEL.compile, "everything is compiled"),
        (lambda: MODEL.predict, "model(x)"),
        (lambda: MODEL.forward, "build(self, x, parameters)"),
        (lambda: MODEL.train, "gn.train(model"),
        (lambda: MODEL.eval, "as after training"),
        (lambda: MODEL[0].weight, 'model.parameters()["weight"]'),
        (lambda: MODEL.nonsense, "Sequential has no attribute 'nonsense'"),
    ],
)  # fmt: skip
def test_names_of_other_libraries_are_answered(ask: Any, right: str) -> None:
    with pytest.raises(AttributeError) as caught:
        ask()
    assert right in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "right"),
    [
        ({"loss": "mse"}, "loss=gn.losses.MSE()"),
        ({"loss": "binary_crossentropy"}, "loss=gn.losses.BCEWithLogits()"),
        ({"loss": losses.Huber}, "loss=gn.losses.Huber()"),
        ({"loss": "nonsense"}, "loss=gn.losses.HalfMSE()"),
        ({"optimizer": "adam"}, "optimizer=gn.optim.Adam(lr=1e-3)"),
        ({"optimizer": "SGD"}, "optimizer=gn.optim.SGD(lr=0.1)"),
        ({"optimizer": optim.Adam}, "optimizer=gn.optim.SGD(lr=0.1)"),
        ({"shuffle": "no"}, "wanted True or False"),
        ({"epochs": True}, "whole number"),
        ({"threads": 2.5}, "use 1 or more"),
        ({"validation": 2}, "the fraction of rows"),
        ({"validation": "x"}, "the fraction of rows"),
        ({"model": nn.Linear}, "model = Linear(…), an object of it"),
        ({"model": "network"}, "gn.nn.Sequential("),
    ],
)
def test_what_training_cannot_use_is_told(settings: dict[str, Any], right: str) -> None:
    usual = {"model": MODEL, "loss": losses.MSE(), "optimizer": optim.SGD(0.1), "epochs": 1}
    given = {**usual, **settings}
    with pytest.raises(GlassnetError) as caught:
        gn.train(given.pop("model"), X, X[:, 0], **given)
    assert right in str(caught.value)


def test_numbers_of_numpy_become_numbers_of_python() -> None:
    layer = nn.Linear(np.int64(3), np.array(4), bias=np.bool_(False))  # type: ignore[arg-type]
    assert (type(layer.fan_in), type(layer.fan_out), type(layer.bias)) == (int, int, bool)
    assert repr(nn.Dropout(np.float64(0.25))) == "Dropout(p=0.25)"
    rule = optim.SGD(np.float32(0.5), momentum=np.float64(0.9))
    assert (rule.lr, rule.momentum) == (0.5, 0.9)
    assert {type(own) for own in (rule.lr, rule.momentum)} == {float}
    assert replace(rule, lr=np.array(0.25)).lr == 0.25
    assert optim.Adam(lr=1).lr == 1  # a whole number is a number, and stays as it was written
    assert nn.Parameter((np.int32(2), 3)).shape == (2, 3)
    model = nn.Sequential(nn.Linear(8, np.array([0, 2, 1]).max() + 1), dtype=np.float64)
    assert (model.output_width(8), model.dtype, model.W.dtype) == (3, "float64", np.float64)
    history = gn.train(
        MODEL, X, X[:, 0], loss=losses.MSE(), optimizer=optim.SGD(np.float32(0.01)),
        epochs=np.int64(2), batch_size=np.int32(3), seed=np.uint8(3), validation=np.float64(0.5),
    )  # fmt: skip
    assert len(history.loss) == 2


def test_copies_and_pickles_are_not_checked_again() -> None:
    for own in (nn.Linear(2, 3), optim.Adam(), losses.Huber(), optim.Cosine(0.1)):
        for other in (copy.copy(own), copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
            assert repr(other) == repr(own)


@dataclass(frozen=True)
class Mine(optim.Optimizer):
    """What a user's class takes is for the user to say."""

    texts: int = "any"  # type: ignore[assignment]

    def update(self, w: Any, g: Any, memory: Any, now: Any) -> Any:
        return w - now.lr * g, {}


def test_classes_of_users_take_what_they_like() -> None:
    assert Mine(texts="anything").texts == "anything"  # type: ignore[arg-type]

    class Layer(nn.Module):
        def __init__(self, width: int = "wide", **more: Any) -> None:  # type: ignore[assignment]
            self.width, self.more = width, more

    assert Layer("x", other=3).more == {"other": 3}  # type: ignore[arg-type]
    assert not is_dataclass(Layer)
    assert [f.name for f in fields(Mine)][-1] == "texts"


def test_attributes_that_would_change_nothing_cannot_be_set() -> None:
    history = gn.train(
        MODEL, X, X[:, 0], loss=losses.MSE(), optimizer=optim.SGD(0.01), epochs=1, seed=9
    )
    step = gn.Step(MODEL, loss=losses.MSE(), optimizer=optim.SGD(0.01))
    settings: list[tuple[Any, str]] = [
        (MODEL, "training"), (MODEL[0], "bias"), (MODEL, "dtype"), (optim.SGD(0.1), "lr"),
        (optim.SGD(0.1), "rate"), (losses.MSE(), "weight"), (optim.Cosine(0.1), "lr"),
        (optim.Group("*"), "lr"), (step, "loss"), (step, "rate"), (history, "rate"),
        (MODEL.parameters(), "weight"),
    ]  # fmt: skip
    for owner, name in settings:
        with pytest.raises((GlassnetError, AttributeError)):
            setattr(owner, name, 1)


def test_classes_in_the_manner_of_pytorch_get_a_hint() -> None:
    class Net(Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return ops.tanh(self.hidden(x))

    with pytest.raises((GlassnetError, NotImplementedError), match=r"build\(self, x, parameters\)"):
        Net()(X)

    class Torch:
        def forward(self, x: Any) -> Any:
            return x

    with pytest.raises(GlassnetError, match=r"class Net\(gn.nn.Module\)"):
        gn.train(Torch(), X, X, loss=losses.MSE(), optimizer=optim.SGD(), epochs=1)  # type: ignore[arg-type]
