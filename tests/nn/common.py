"""Networks whose parameters a test sets."""

from __future__ import annotations

from typing import Any

import glassnet as gn

HALF = gn.losses.HalfMSE()


def model(*layers: Any, **numbers: Any) -> gn.nn.Sequential:
    """A float64 network with some parameters set."""
    network = gn.nn.Sequential(*layers, dtype="float64")
    for name, value in numbers.items():
        network.parameters()[name.replace("__", ".")][...] = value
    return network
