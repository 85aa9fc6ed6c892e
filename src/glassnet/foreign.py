"""Names from other libraries and their equivalents in glassnet.

In: a name from PyTorch, Keras, scikit-learn, JAX or Optax that glassnet does not have. Out: the
name to use instead, or the reason why none is needed. The tables serve all modules, constructors
and methods.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

# A name looked up in a module, in lower case without "_" -> what to write instead.
NAMES: dict[str, str] = {
    # layers
    "dense": "gn.nn.Linear(3, 4)",
    "lazylinear": "gn.nn.Linear(3, 4)",
    "fc": "gn.nn.Linear(3, 4)",
    "module": "gn.nn.Module",
    "model": "gn.nn.Sequential(…), or a subclass of gn.nn.Module",
    "functional": "gn.ops, functions such as ops.relu and ops.softmax",
    "modulelist": "a list as an attribute of a gn.nn.Module",
    "moduledict": "a dict as an attribute of a gn.nn.Module",
    "parameterlist": "parameter_specs(self), which returns gn.nn.Parameter by name",
    "logistic": "gn.nn.Sigmoid()",
    "logsoftmax": "gn.losses.CrossEntropy(), which takes raw scores; ops.log_softmax in functions",
    "swish": "gn.nn.SiLU()",
    "hardtanh": "a function: lambda x: ops.maximum(ops.minimum(x, 1.0), -1.0)",
    "relu6": "a function: lambda x: ops.minimum(ops.relu(x), 6.0)",
    "heaviside": "gn.nn.Heaviside()",
    "activation": "gn.nn.ReLU(), gn.nn.Tanh() and the like",
    "batchnorm1d": "gn.nn.BatchNorm(3)",
    "batchnormalization": "gn.nn.BatchNorm(3)",
    "layernormalization": "gn.nn.LayerNorm(3)",
    "groupnorm": "gn.nn.LayerNorm(3)",
    "dropout1d": "gn.nn.Dropout(0.5)",
    "alphadropout": "gn.nn.Dropout(0.5)",
    "gaussiannoise": "a function, with noise from ops.normal",
    "flatten": "rows are flat already, [rows, columns]: x.reshape(len(x), -1)",
    "concatenate": "gn.nn.Parallel(…), which concatenates the outputs of its branches",
    "add": "gn.nn.Residual(…), which adds x to the output of its layers",
    "lambda": "a plain function of graph values, in gn.nn.Sequential(…)",
    "init": 'a name: gn.nn.Linear(3, 4, initializer="he_normal")',
    "initializers": 'a name: gn.nn.Linear(3, 4, initializer="he_normal")',
    # losses
    "crossentropyloss": "gn.losses.CrossEntropy()",
    "categoricalcrossentropy": "gn.losses.CrossEntropy(), which takes raw scores",
    "sparsecategoricalcrossentropy": "gn.losses.CrossEntropy(), which takes raw scores",
    "softmaxcrossentropy": "gn.losses.CrossEntropy()",
    "nllloss": "gn.losses.CrossEntropy(), which takes raw scores",
    "logloss": "gn.losses.CrossEntropy()",
    "mseloss": "gn.losses.MSE()",
    "meansquarederror": "gn.losses.MSE()",
    "squarederror": "gn.losses.HalfMSE()",
    "l2loss": "gn.losses.MSE()",
    "rmse": "gn.losses.MSE(), which has the same minimum",
    "l1loss": "gn.losses.MAE()",
    "meanabsoluteerror": "gn.losses.MAE()",
    "absoluteerror": "gn.losses.MAE()",
    "smoothl1loss": "gn.losses.Huber()",
    "huberloss": "gn.losses.Huber()",
    "bceloss": "gn.losses.BCEWithLogits(), which takes raw scores",
    "bcewithlogitsloss": "gn.losses.BCEWithLogits()",
    "bce": "gn.losses.BCEWithLogits(), which takes raw scores",
    "binarycrossentropy": "gn.losses.BCEWithLogits(), which takes raw scores",
    "sigmoidbinarycrossentropy": "gn.losses.BCEWithLogits()",
    "poissonnllloss": "gn.losses.PoissonNLL()",
    "poisson": "gn.losses.PoissonNLL()",
    "gaussiannllloss": "gn.losses.GaussianNLL()",
    "multimarginloss": "gn.losses.Hinge()",
    "hingeloss": "gn.losses.Hinge()",
    "pinballloss": "gn.losses.Quantile(0.9)",
    "quantileloss": "gn.losses.Quantile(0.9)",
    # optimisers and schedules
    "optimizers": "gn.optim",
    "nadam": "gn.optim.Adam(lr=0.001)",
    "adamax": "gn.optim.Adam(lr=0.001)",
    "radam": "gn.optim.Adam(lr=0.001)",
    "momentum": "gn.optim.SGD(lr=0.1, momentum=0.9)",
    "lrscheduler": "gn.optim.Cosine(0.01) and the like, as the learning rate: lr=",
    "steplr": "gn.optim.StepDecay(0.01)",
    "multisteplr": "gn.optim.StepDecay(0.01)",
    "exponentiallr": "gn.optim.Exponential(0.01)",
    "exponentialdecay": "gn.optim.Exponential(0.01)",
    "cosineannealinglr": "gn.optim.Cosine(0.01)",
    "cosinedecay": "gn.optim.Cosine(0.01)",
    "cosinedecayschedule": "gn.optim.Cosine(0.01)",
    "onecyclelr": "gn.optim.OneCycle(0.01)",
    "reducelronplateau": "gn.optim.ReduceOnPlateau(0.01)",
    "linearlr": "gn.optim.Warmup(0.01, steps=100)",
    "constantlr": "gn.optim.Constant(0.01)",
    "clipgradnorm": "gn.optim.Adam(lr=0.001, clip_norm=1.0)",
    # training and data
    "fit": "gn.train(model, x, y, loss=…, optimizer=…, epochs=…)",
    "trainer": "gn.train(model, x, y, loss=…, optimizer=…, epochs=…)",
    "learner": "gn.train(model, x, y, loss=…, optimizer=…, epochs=…)",
    "history": "the result of gn.train",
    "evaluate": "loss(model(x), y)",
    "predict": "model(x)",
    "dataloader": "gn.stream(…) for files, gn.Step for custom mini-batches",
    "dataset": "arrays; gn.stream(…) for files larger than memory",
    "tensor": "numpy.array",
    "fromnumpy": "nothing: NumPy arrays are used directly",
    "nograd": "nothing: model(x) computes no gradient",
    "jit": "gn.compile(f)",
    "gradienttape": "gn.value_and_grad(f)",
    "autograd": "gn.grad(f)",
    "valueandgrad": "gn.value_and_grad(f)",
    "vmap": "a function of all rows, [rows, columns]",
    "manualseed": "seed=, of gn.nn.Sequential and of gn.train",
    "seed": "seed=, of gn.nn.Sequential and of gn.train",
    "modelcheckpoint": 'record="run.glass" in gn.train, and gn.resume',
    "earlystopping": "gn.callbacks.EarlyStopping()",
    "tensorboard": 'record="run.glass" in gn.train, and gn.open_step',
    "layers": "gn.nn",
    "device": "nothing: networks compute on the processor",
    "cuda": "nothing: networks compute on the processor",
    "kerasmodel": "gn.nn.Sequential(…)",
}

# A keyword argument of another library -> our arguments with that meaning.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "in_features": ("fan_in",), "inputs": ("fan_in", "features"), "input_dim": ("fan_in",),
    "in_dim": ("fan_in",), "n_in": ("fan_in",), "input_size": ("fan_in",),
    "out_features": ("fan_out",), "units": ("fan_out", "hidden_layer_sizes"),
    "outputs": ("fan_out",), "out_dim": ("fan_out",), "n_out": ("fan_out",),
    "output_dim": ("fan_out", "width"), "output_size": ("fan_out",),
    "num_embeddings": ("categories",), "embedding_dim": ("width",), "num_features": ("width",),
    "normalized_shape": ("width",), "features": ("fan_out", "width", "fan_in"),
    "num_parameters": ("width",), "negative_slope": ("slope",), "alpha": ("slope", "weight_decay"),
    "init": ("initializer", "slope"), "kernel_initializer": ("initializer",),
    "weight_init": ("initializer",), "use_bias": ("bias",), "with_bias": ("bias",),
    "rate": ("p", "lr"), "prob": ("p",), "drop": ("p",), "dropout_rate": ("p", "dropout"),
    "epsilon": ("eps",), "decay": ("weight_decay",), "l2": ("weight_decay", "alpha"),
    "learning_rate": ("lr", "learning_rate_init", "optimizer"),
    "lr": ("learning_rate_init", "optimizer"),
    "eta": ("lr", "learning_rate_init"), "alpha_lr": ("lr",), "step": ("steps",),
    "betas": ("beta1", "beta2"), "beta_1": ("beta1",), "beta_2": ("beta2",), "b1": ("beta1",),
    "b2": ("beta2",), "rho": ("alpha",), "initial_accumulator_value": ("initial",),
    "clipnorm": ("clip_norm",), "global_clipnorm": ("clip_norm",), "max_norm": ("clip_norm",),
    "max_grad_norm": ("clip_norm",), "use_nesterov": ("nesterov",), "nesterovs": ("nesterov",),
    "param_groups": ("groups",), "ema": ("average",), "ema_decay": ("average",),
    "history_size": ("memory",), "tolerance_grad": ("tolerance",), "tol": ("tolerance",),
    "step_size": ("every",), "decay_rate": ("gamma",), "factor": ("gamma",), "min_lr": ("least",),
    "eta_min": ("end",), "max_lr": ("lr",), "pct_start": ("up",), "div_factor": ("divide",),
    "warmup_steps": ("steps",), "init_value": ("lr",), "lr_init": ("lr",),
    "weight": ("class_weight", "sample_weight"), "weights": ("class_weight", "sample_weight"),
    "class_weights": ("class_weight",), "quantile": ("q",), "quantiles": ("q",), "tau": ("q",),
    "beta": ("delta",), "smoothing": ("label_smoothing",), "min_change": ("min_delta",),
    "wait": ("patience",), "limit": ("seconds",), "hours": ("seconds",),
    "n_epochs": ("epochs", "max_iter"), "num_epochs": ("epochs", "max_iter"),
    "nb_epoch": ("epochs", "max_iter"), "max_epochs": ("epochs", "max_iter"),
    "n_iter": ("epochs", "max_iter"), "max_iter": ("epochs", "max_epochs"),
    "iterations": ("epochs", "max_iter", "max_epochs"), "epochs": ("max_iter", "max_epochs"),
    "batchsize": ("batch_size",), "batch": ("batch_size",), "bs": ("batch_size",),
    "validation_data": ("validation",), "validation_split": ("validation", "validation_fraction"),
    "val_data": ("validation",), "eval_set": ("validation",), "sample_weights": ("sample_weight",),
    "random_state": ("seed",), "seed": ("random_state",), "rng": ("seed",), "key": ("seed",),
    "n_jobs": ("threads",), "num_threads": ("threads", "n_jobs"), "workers": ("threads",),
    "criterion": ("loss",), "loss_fn": ("loss",), "objective": ("loss",), "opt": ("optimizer",),
    "optim": ("optimizer",), "optimiser": ("optimizer",), "callback": ("callbacks",),
    "data": ("x",), "X": ("x",), "inputs_": ("x",), "targets": ("y",), "labels": ("y",),
    "hidden": ("hidden_layer_sizes",), "hidden_layers": ("hidden_layer_sizes",),
    "hidden_sizes": ("hidden_layer_sizes",), "layers": ("hidden_layer_sizes",),
    "n_hidden": ("hidden_layer_sizes",), "patience": ("n_iter_no_change",),
    "weight_decay": ("alpha",), "timeout": ("time_limit",), "max_time": ("time_limit",),
    "time": ("time_limit",), "na_values": ("missing_values",), "log": ("record",),
}  # fmt: skip

# A keyword argument of another library that has no equivalent -> why it can be left out.
NOTHING: dict[str, str] = {
    "inplace": "layers return new arrays and change none; leave it out",
    "dim": "a layer works on the last axis, the numbers of a row; leave it out",
    "axis": "a layer works on the last axis, the numbers of a row; leave it out",
    "approximate": "it is computed exactly; leave it out",
    "params": "gn.train has the model: gn.train(model, …, optimizer=gn.optim.Adam(lr=0.001))",
    "parameters": "gn.train has the model: gn.train(model, …, optimizer=gn.optim.Adam(lr=0.001))",
    "reduction": "every loss is the mean over rows of the sum over outputs; leave it out",
    "size_average": "every loss is the mean over rows of the sum over outputs; leave it out",
    "from_logits": "it takes raw scores, before softmax or sigmoid; leave it out",
    "logits": "it takes raw scores, before softmax or sigmoid; leave it out",
    "ignore_index": 'missing labels are NaN, of losses with missing="skip"',
    "num_classes": "it is the number of outputs of the network; leave it out",
    "device": "networks compute on the processor; leave it out",
    "monitor": "it watches the validation loss, or score=lambda model: …; leave it out",
    "mode": "lower is better; leave it out",
    "restore_best_weights": "the best weights are always restored; leave it out",
    "verbose": "it is silent; callbacks=[lambda run: print(run)] prints every epoch",
    "foreach": "every step is one compiled function; leave it out",
    "fused": "every step is one compiled function; leave it out",
    "capturable": "every step is one compiled function; leave it out",
    "T_max": "it follows from the length of the training; leave it out",
    "decay_steps": "it follows from the length of the training; leave it out",
    "total_steps": "it follows from the length of the training; leave it out",
    "metrics": "callbacks see run.model after every epoch",
    "loss_weights": "weight the columns in a custom loss: lambda p, y: ops.sum(…, 1)",
    "activation": "add it as the next layer: gn.nn.Linear(2, 3), gn.nn.ReLU()",
    "momentum": "SGD and RMSprop have it; Adam's is beta1",
    "track_running_stats": "running statistics are always computed; leave it out",
    "affine": "weight and bias are always learnt; leave it out",
    "elementwise_affine": "weight and bias are always learnt; leave it out",
    "name": "layers are named by class and number, linear1; leave it out",
}

# A method or attribute of other libraries' models -> what to write for `model`.
METHODS: dict[str, str] = {
    "fit": "gn.train(model, x, y, loss=gn.losses.MSE(), optimizer=gn.optim.Adam(), epochs=10)",
    "compile": "gn.train(model, x, y, loss=…, optimizer=…, epochs=…); everything is compiled",
    "predict": "model(x)",
    "predict_proba": "gn.MLPClassifier, or softmax of model(x)",
    "forward": "model(x); a class of layers has build(self, x, parameters)",
    "call": "model(x); a class of layers has build(self, x, parameters)",
    "apply": "model(x)",
    "evaluate": "loss(model(x), y)",
    "score": "loss(model(x), y)",
    "backward": "gn.value_and_grad(loss)(model, x, y)",
    "zero_grad": "nothing: every step computes a new gradient",
    "train": "gn.train(model, …); dropout is on in training, off in model(x)",
    "eval": "model(x), which computes as after training",
    "state_dict": "gn.to_torch(model) for PyTorch, model.parameters() for arrays by name",
    "load_state_dict": "gn.from_torch(state_dict, model)",
    "named_parameters": "model.parameters(), a dict of arrays by name",
    "trainable_variables": "model.parameters(), a dict of arrays by name",
    "get_weights": "model.W.copy()",
    "set_weights": "model.W = w",
    "weights": "model.W, all numbers; model.parameters(), by name",
    "weight": 'model.parameters()["weight"]',
    "bias": 'model.parameters()["bias"]',
    "save": "gn.save(model, path)",
    "load": "gn.load(path)",
    "save_weights": "gn.save(model, path)",
    "load_weights": "gn.load(path)",
    "add": "gn.nn.Sequential(*model, layer)",
    "append": "gn.nn.Sequential(*model, layer)",
    "add_module": "gn.nn.Sequential(*model, layer)",
    "layers": "list(model)",
    "modules": "list(model)",
    "to": 'model.astype("float64"); networks compute on the processor',
    "cpu": "nothing: networks compute on the processor",
    "cuda": "nothing: networks compute on the processor",
    "double": 'model.astype("float64")',
    "float": 'model.astype("float32")',
    "half": 'model.astype("float32"); 16-bit dtypes are not supported',
    "requires_grad_": 'optimizer=gn.optim.Adam(groups=[gn.optim.Group("linear1.*", lr=0)])',
    "trainable": 'optimizer=gn.optim.Adam(groups=[gn.optim.Group("linear1.*", lr=0)])',
    "freeze": 'optimizer=gn.optim.Adam(groups=[gn.optim.Group("linear1.*", lr=0)])',
    "clone": "copy.deepcopy(model)",
    "copy": "copy.deepcopy(model)",
    "count_params": "model.W.size",
    "grad": "gn.value_and_grad(loss)(model, x, y)",
    "register_buffer": "parameter_specs(self), with gn.nn.Parameter(shape, trained=False)",
    "register_forward_hook": "model.activations(x), the outputs of all layers",
}

# An attribute of the training history in other libraries -> what to write.
HISTORY: dict[str, str] = {
    "history": "history.loss, history.validation_loss and history.metrics, lists by epoch",
    "val_loss": "history.validation_loss",
    "losses": "history.loss",
    "train_loss": "history.loss",
    "loss_curve_": "history.loss",
    "accuracy": 'gn.train(…, metrics="accuracy"), then history.metrics["accuracy"]',
    "acc": 'gn.train(…, metrics="accuracy"), then history.metrics["accuracy"]',
    "epoch": "len(history.loss)",
    "epochs": "len(history.loss)",
    "n_iter_": "len(history.loss)",
    "model": "the model itself, which was trained in place",
    "predict": "model(x): the model was trained in place",
    "learning_rate": "history.lr",
}

# Strings that stand for an object in other libraries, such as loss="mse", in lower case.
LOSSES: dict[str, str] = {
    "mse": "MSE()", "mean_squared_error": "MSE()", "squared_error": "MSE()", "l2": "MSE()",
    "mae": "MAE()", "mean_absolute_error": "MAE()", "absolute_error": "MAE()", "l1": "MAE()",
    "huber": "Huber()", "quantile": "Quantile(0.5)", "pinball": "Quantile(0.5)",
    "categorical_crossentropy": "CrossEntropy()", "log_loss": "CrossEntropy()",
    "sparse_categorical_crossentropy": "CrossEntropy()", "cross_entropy": "CrossEntropy()",
    "crossentropy": "CrossEntropy()", "binary_crossentropy": "BCEWithLogits()",
    "bce": "BCEWithLogits()", "hinge": "Hinge()", "poisson": "PoissonNLL()",
    "gaussian_nll": "GaussianNLL()",
}  # fmt: skip
OPTIMIZERS: dict[str, str] = {
    "sgd": "SGD(lr=0.1)", "adam": "Adam(lr=1e-3)", "adamw": "AdamW(lr=0.001)",
    "rmsprop": "RMSprop(lr=0.01)", "adagrad": "Adagrad(lr=0.01)", "lbfgs": "LBFGS()",
    "momentum": "SGD(lr=0.1, momentum=0.9)", "nadam": "Adam(lr=1e-3)",
}  # fmt: skip


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`, ignoring case; None where none is similar."""
    lowered = {ours.lower(): ours for ours in known}
    if name.lower() in lowered:
        return lowered[name.lower()]
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.75)
    return lowered[close[0]] if close else None


def missing_name_error(module: str, name: str, known: Sequence[str]) -> AttributeError:
    """Return the AttributeError for a name that a module does not have."""
    plain = name.lower().replace("_", "")
    close = closest_name(name, known)
    answer = NAMES.get(plain)
    if answer is None and close is None and not name.startswith("__"):
        answer = _in_another_module(plain)
    if answer is None and close is not None:
        answer = f"{module.replace('glassnet', 'gn', 1)}.{close}"
    hint = f"\n  right: {answer}" if answer else f"; it has {', '.join(known)}"
    return AttributeError(f"{module} has no name {name!r}{hint}", name=name)


def _in_another_module(plain: str) -> str | None:
    """Return the full name of an object that was looked up in the wrong module."""
    for place, names in _PLACES.items():
        for ours in names.split():
            if ours.lower() == plain:
                return f"{place}.{ours}"
    return None


_PLACES = {
    "gn.nn": "Linear Neuron Sequential Parallel Residual Embedding Dropout BatchNorm LayerNorm "
    "RMSNorm ReLU LeakyReLU PReLU ELU SELU GELU SiLU Mish Sigmoid Tanh Softmax Softplus Identity "
    "Module Parameter",
    "gn.losses": "MSE HalfMSE MAE Huber Quantile CrossEntropy BCEWithLogits Hinge PoissonNLL "
    "GaussianNLL Loss",
    "gn.optim": "SGD Adam AdamW RMSprop Adagrad LBFGS RandomSearch Cosine OneCycle StepDecay "
    "Exponential Warmup ReduceOnPlateau Group Optimizer Schedule",
    "gn.callbacks": "EarlyStopping TimeLimit Callback",
    "gn.ops": "exp log tanh sigmoid softmax where sqrt square matmul",
    "gn": "train Step grad value_and_grad check_grads trace stream resume open_step open_ledger "
    "play MLPClassifier MLPRegressor TabularClassifier TabularRegressor",
}


def missing_method_error(
    owner: object, name: str, names: Mapping[str, str] = METHODS
) -> AttributeError:
    """Return the AttributeError for an attribute that a model does not have; Python itself adds a
    similar name."""
    answer = names.get(name)
    hint = f"\n  right: {answer}" if answer else ""
    text = f"{type(owner).__name__} has no attribute {name!r}{hint}"
    return AttributeError(text, name=name, obj=owner)
