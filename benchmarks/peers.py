"""Other libraries as contenders, each written as its own documentation says is fastest.

In: a case and its data. Out: for each library that is installed a function that does one turn, and
one that gives the weights afterwards. Losses and rates are such that all take the same steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from . import nnengine_peer
from .cases import LR, Case, Data, Run

Weights = Callable[[], np.ndarray]
Peer = Callable[[Case, Data], tuple[Run, Weights]]


def available(wanted: str = "", task: str = "sgd") -> dict[str, Peer]:
    """Peers by name, those whose library is installed and can do a task, and, where given, of a
    list of names."""
    found = {name: peer for name, (library, peer) in PEERS.items() if find_spec(library)}
    if task not in nnengine_peer.TASKS:
        found.pop(ENGINE, None)
    return {n: p for n, p in found.items() if n in wanted.split(",")} if wanted else found


def missing() -> list[str]:
    """Names of peers whose library is not installed."""
    return [name for name, (library, _) in PEERS.items() if not find_spec(library)]


def unfit(task: str) -> list[str]:
    """What to say of peers that are installed and cannot do a task."""
    out = ENGINE not in missing() and task not in nnengine_peer.TASKS
    return [f"{ENGINE} has no sigmoid, so it is measured with ReLU and Adam only."] if out else []


def flat(layers: Any) -> np.ndarray:
    """Weights and biases in one vector, layer by layer."""
    return np.concatenate([np.asarray(part).ravel() for pair in layers for part in pair])


# -- PyTorch ---------------------------------------------------------------------------------------


def torch_network(case: Case, data: Data) -> Any:
    import torch

    layers: list[Any] = []
    for w, b in data.layers:
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.Sigmoid() if case.task == "sgd" else torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_optimizer(case: Case, parameters: Any) -> Any:
    import torch

    if case.task == "sgd":
        # mse_loss is the mean over outputs too, and has no factor of a half
        return torch.optim.SGD(parameters, lr=LR["sgd"] * case.sizes[-1] / 2, fused=True)
    return torch.optim.Adam(parameters, lr=LR["adam"], fused=True)


def torch_eager(
    case: Case, data: Data, compiled: bool = False, threads: int | None = None
) -> tuple[Run, Weights]:
    import torch

    model = torch_network(case, data)
    optimizer = torch_optimizer(case, model.parameters())
    functional = torch.nn.functional
    measure = functional.mse_loss if case.task == "sgd" else functional.cross_entropy

    def loss(x: Any, y: Any) -> Any:
        return measure(model(x), y)

    if compiled:
        torch.compiler.reset()
        loss = torch.compile(loss, dynamic=False)
    batches = list(
        zip(
            torch.from_numpy(data.x).split(case.batch),
            torch.from_numpy(data.y).split(case.batch),
            strict=True,
        )
    )

    def run() -> None:
        if threads is not None and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        for step in range(case.steps):
            x, y = batches[step % len(batches)]
            optimizer.zero_grad(set_to_none=True)
            loss(x, y).backward()
            optimizer.step()

    linear = [m for m in model if isinstance(m, torch.nn.Linear)]
    return run, lambda: flat((m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in linear)


def torch_compiled(case: Case, data: Data) -> tuple[Run, Weights]:
    return torch_eager(case, data, compiled=True)


# -- JAX -------------------------------------------------------------------------------------------


def jax_forward(case: Case) -> Any:
    import jax

    act = jax.nn.sigmoid if case.task == "sgd" else jax.nn.relu

    def forward(layers: Any, x: Any) -> Any:
        for w, b in layers[:-1]:
            x = act(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    return forward


def jax_step(case: Case) -> Any:
    """(state, x, y) -> state; the state is layers, and Adam's two memories and its step."""
    import jax
    import jax.numpy as jnp

    forward = jax_forward(case)

    def squared(layers: Any, x: Any, y: Any) -> Any:
        return 0.5 * jnp.sum((forward(layers, x) - y) ** 2) / x.shape[0]

    def entropy(layers: Any, x: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(forward(layers, x))
        return -jnp.mean(jnp.take_along_axis(scores, y[:, None], 1))

    def sgd(layers: Any, x: Any, y: Any) -> Any:
        g = jax.grad(squared)(layers, x, y)
        return jax.tree.map(lambda w, g: w - LR["sgd"] * g, layers, g)

    def adam(state: Any, x: Any, y: Any) -> Any:
        layers, m, v, t = state
        g = jax.grad(entropy)(layers, x, y)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        size = LR["adam"] / (1 - 0.9**t)
        spread = jnp.sqrt(1 - 0.999**t)
        layers = jax.tree.map(
            lambda w, m, v: w - size * (m / (jnp.sqrt(v) / spread + 1e-8)), layers, m, v
        )
        return layers, m, v, t

    return sgd if case.task == "sgd" else adam


def jax_start(case: Case, data: Data) -> Any:
    import jax
    import jax.numpy as jnp

    def fresh(scale: float) -> Any:
        return jax.tree.map(lambda w: jnp.array(w * np.float32(scale)), data.layers)

    return fresh(1) if case.task == "sgd" else (fresh(1), fresh(0), fresh(0), jnp.float32(0))


def jax_batches(case: Case, data: Data) -> Any:
    import jax.numpy as jnp

    y = data.y if case.task == "sgd" else data.y.astype(np.int32)
    shape = (case.batches, case.batch)
    return jnp.array(data.x.reshape(*shape, -1)), jnp.array(y.reshape(*shape, *y.shape[1:]))


def jax_jit(case: Case, data: Data) -> tuple[Run, Weights]:
    import jax

    step = jax.jit(jax_step(case), donate_argnums=0)
    xs, ys = jax_batches(case, data)
    batches = [(xs[i], ys[i]) for i in range(case.batches)]
    held = [jax_start(case, data)]

    def run() -> None:
        state = held[0]
        for number in range(case.steps):
            state = step(state, *batches[number % len(batches)])
        held[0] = jax.block_until_ready(state)

    return run, lambda: flat(held[0] if case.task == "sgd" else held[0][0])


def jax_scan(case: Case, data: Data) -> tuple[Run, Weights]:
    import jax
    import jax.numpy as jnp

    step = jax_step(case)

    def many(state: Any, xs: Any, ys: Any) -> Any:
        def body(state: Any, i: Any) -> Any:
            return step(state, xs[i % case.batches], ys[i % case.batches]), None

        return jax.lax.scan(body, state, jnp.arange(case.steps))[0]

    epoch = jax.jit(many, donate_argnums=0)
    xs, ys = jax_batches(case, data)
    held = [jax_start(case, data)]

    def run() -> None:
        held[0] = jax.block_until_ready(epoch(held[0], xs, ys))

    return run, lambda: flat(held[0] if case.task == "sgd" else held[0][0])


# -- scikit-learn and NumPy ------------------------------------------------------------------------


def sklearn_model(case: Case, data: Data) -> Any:
    """An estimator that has the given weights and has taken no step."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore")
    kind = MLPRegressor if case.task == "sgd" else MLPClassifier
    model = kind(
        hidden_layer_sizes=case.sizes[1:-1], batch_size=case.batch, alpha=0.0, shuffle=False,
        momentum=0.0, nesterovs_momentum=False, learning_rate_init=LR[case.task],
        activation="logistic" if case.task == "sgd" else "relu", solver=case.task,
    )  # fmt: skip
    extra = {} if case.task == "sgd" else {"classes": np.arange(case.sizes[-1])}
    model.partial_fit(data.x[: case.batch], sklearn_labels(data)[: case.batch], **extra)
    for place, (w, b) in enumerate(data.layers):
        model.coefs_[place][...] = w
        model.intercepts_[place][...] = b
    if case.task == "adam":
        model._optimizer.t = 0
        for memory in (*model._optimizer.ms, *model._optimizer.vs):
            memory[...] = 0
    return model


def sklearn_labels(data: Data) -> np.ndarray:
    return data.y[:, 0] if data.y.ndim == 2 and data.y.shape[1] == 1 else data.y


def sklearn_mlp(case: Case, data: Data) -> tuple[Run, Weights]:
    """`partial_fit`, which goes through the rows once and starts nothing anew."""
    model, y = sklearn_model(case, data), sklearn_labels(data)

    def run() -> None:
        for _ in range(case.steps // case.batches):
            model.partial_fit(data.x, y)

    return run, lambda: flat(zip(model.coefs_, model.intercepts_, strict=True))


def numpy_loop(case: Case, data: Data) -> tuple[Run, Weights]:
    """The formulas as one would write them down."""
    one = np.float32(1)
    layers = [(w.copy(), b.copy()) for w, b in data.layers]
    memory = [(np.zeros_like(p), np.zeros_like(p)) for pair in layers for p in pair]
    taken = [0]
    sigmoid = case.task == "sgd"

    def gradients(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        acts = [x]
        for w, b in layers:
            z = acts[-1] @ w + b
            last = len(acts) == len(layers)
            acts.append(z if last else one / (one + np.exp(-z)) if sigmoid else np.maximum(z, 0))
        if sigmoid:
            d = (acts[-1] - y) / np.float32(len(x))
        else:
            d = np.exp(acts[-1] - acts[-1].max(1, keepdims=True))
            d /= d.sum(1, keepdims=True)
            d[np.arange(len(x)), y] -= one
            d /= np.float32(len(x))
        found: list[np.ndarray] = []
        for k in range(len(layers) - 1, -1, -1):
            a = acts[k]
            found += [d.sum(0), a.T @ d]
            if k:
                d = (d @ layers[k][0].T) * (a * (one - a) if sigmoid else a > 0)
        return found[::-1]

    def update(g: list[np.ndarray]) -> None:
        taken[0] += 1
        t = taken[0]
        size = np.float32(LR["adam"] / (1 - 0.9**t))
        spread = np.float32(np.sqrt(1 - 0.999**t))
        for p, g_p, (m, v) in zip((p for pair in layers for p in pair), g, memory, strict=True):
            if sigmoid:
                p -= np.float32(LR["sgd"]) * g_p
                continue
            m *= np.float32(0.9)
            m += np.float32(0.1) * g_p
            v *= np.float32(0.999)
            v += np.float32(0.001) * g_p * g_p
            p -= size * (m / (np.sqrt(v) / spread + np.float32(1e-8)))

    def run() -> None:
        for step in range(case.steps):
            i = step % case.batches * case.batch
            update(gradients(data.x[i : i + case.batch], data.y[i : i + case.batch]))

    return run, lambda: flat(layers)


ENGINE = "nn-engine-core"
PEERS: dict[str, tuple[str, Peer]] = {
    "PyTorch": ("torch", torch_eager),
    "torch.compile": ("torch", torch_compiled),
    "JAX jit": ("jax", jax_jit),
    "JAX scan": ("jax", jax_scan),
    "scikit-learn": ("sklearn", sklearn_mlp),
    ENGINE: ("nnengine", nnengine_peer.compiled),
    "NumPy": ("numpy", numpy_loop),
}
