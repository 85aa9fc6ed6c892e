"""What does a prediction cost: of one row, asked for from Python, and of a million rows?

In: `--rows N`. Out: microseconds a call, of ours and of each peer, in one process, taking turns;
`build/benchmarks/predicting.json`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from . import ours
from .cases import Case, Data, data
from .machine import describe, pin
from .peak import peak
from .peers import jax_forward, sklearn_model, torch_network
from .report import Result, microseconds, pivot, table, versions
from .timing import alternate

CASE = Case("small", (10, 64, 64, 1), 32, 64)
CALLS = 200  # a turn
Predict = Callable[[np.ndarray], np.ndarray]


def torch_predict(rows: Data) -> Predict:
    import torch

    model = torch_network(CASE, rows).eval()

    def predict(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return predict


def jax_predict(rows: Data) -> Predict:
    import jax
    import jax.numpy as jnp

    layers = jax.tree.map(jnp.array, rows.layers)
    forward = jax.jit(jax_forward(CASE))
    return lambda x: np.asarray(forward(layers, x))


def sklearn_predict(rows: Data) -> Predict:
    model = sklearn_model(CASE, rows)
    return lambda x: model.predict(x)[:, None]


def numpy_predict(rows: Data) -> Predict:
    one = np.float32(1)

    def predict(x: np.ndarray) -> np.ndarray:
        for w, b in rows.layers[:-1]:
            x = one / (one + np.exp(-(x @ w + b)))
        w, b = rows.layers[-1]
        return x @ w + b

    return predict


PEERS: dict[str, tuple[str, Callable[[Data], Predict]]] = {
    "PyTorch": ("torch", torch_predict),
    "JAX jit": ("jax", jax_predict),
    "scikit-learn": ("sklearn", sklearn_predict),
    "NumPy": ("numpy", numpy_predict),
}


def measure(rows: int, turns: int, seconds: float) -> list[dict[str, Any]]:
    training = data(CASE)
    predict: dict[str, Predict] = {"glassnet": ours.network(CASE, training)}
    for name, (library, peer) in PEERS.items():
        if find_spec(library):
            predict[name] = peer(training)
    many = np.random.default_rng(1).standard_normal((rows, CASE.sizes[0]), dtype=np.float32)
    wanted = predict["glassnet"](many[:100])
    for name, f in predict.items():
        assert np.allclose(f(many[:100]), wanted, atol=1e-4), f"{name} predicts something else"
    found: list[dict[str, Any]] = []
    pairs = [a * b for a, b in zip(CASE.sizes, CASE.sizes[1:], strict=False)]
    for title, x, calls in (("1 row", many[:1], CALLS), (f"{rows:,} rows", many, 1)):
        work = {name: repeated(f, x, calls) for name, f in predict.items()}
        times = alternate(work, turns, seconds)
        best = peak(0.3)
        found += [
            {
                "rows": title,
                "contender": name,
                **time.per(calls),
                "share_of_peak": 2 * sum(pairs) * len(x) * calls / time.least / best,
            }
            for name, time in times.items()
        ]
    return found


def repeated(f: Predict, x: np.ndarray, calls: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(calls):
            f(x)

    return run


def page(result: Result) -> str:
    """Microseconds a call; in brackets the median."""
    names = list(dict.fromkeys(row["contender"] for row in result.rows))
    lines = pivot(
        result,
        "rows",
        names,
        lambda row: f"{microseconds(row['min_us'])} ({microseconds(row['median_us'])})",
    )
    for line in lines:
        own = {r["contender"]: r for r in result.rows if r["rows"] == line[0]}
        others = [r["min_us"] for n, r in own.items() if n != "glassnet"]
        line += [f"{min(others) / own['glassnet']['min_us']:.2f}"]
        line += [f"{own['glassnet']['share_of_peak']:.0%}"]
    return f"{table(['10-64-64-1', *names, 'speed-up', 'of peak'], lines)}\n\n{versions(result)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    pin(1)
    result = Result("predicting", describe(1))
    result.rows = measure(options.rows, options.turns, options.seconds)
    result.save()
    print(page(result))


if __name__ == "__main__":
    main()
