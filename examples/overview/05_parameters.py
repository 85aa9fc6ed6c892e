"""All parameters are one vector W; names are views into it."""

from __future__ import annotations

import glassnet as gn

network = gn.nn.Sequential(gn.nn.Linear(2, 3), gn.nn.Sigmoid(), gn.nn.Linear(3, 1))
count = network.W.size
network.W[0] = 7.0
seen = network.parameters()["linear1.weight"][0, 0]
print(network.summary())
print(f"2·3 + 3 + 3·1 + 1 = {count} parameters; W[0] is linear1.weight[0, 0]: {seen:g}")
