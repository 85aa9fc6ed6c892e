"""Can W be found without gradients? For XOR by hand, yes; by trying at random, hardly; by gradient
descent, with as many evaluations of the loss, yes."""

from __future__ import annotations

import numpy as np

import glassnet as gn

x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0.0, 1.0, 1.0, 0.0])
loss = gn.losses.HalfMSE()


def network() -> gn.nn.Sequential:
    return gn.nn.Sequential(gn.nn.Linear(2, 4), gn.nn.Tanh(), gn.nn.Linear(4, 1), seed=1)


by_hand = gn.nn.Sequential(gn.nn.Linear(2, 2), gn.nn.Heaviside(), gn.nn.Linear(2, 1))
by_hand.W = np.array([1, 1, 1, 1, -0.5, -1.5, 1, -1, 0])  # (x₁ or x₂) and not (x₁ and x₂)
answers = by_hand(x)

TRIES = 500
searched, descended = network(), network()
search = gn.optim.RandomSearch(scale=2.0)
descent = gn.optim.SGD(lr=0.5, momentum=0.9)
at_random = gn.train(searched, x, y, loss=loss, optimizer=search, epochs=TRIES)
downhill = gn.train(descended, x, y, loss=loss, optimizer=descent, epochs=TRIES, batch_size=4)
print(f"by hand:           {answers.ravel()}")
print(f"random search:     loss {at_random.loss[-1]:.2e} after {at_random.evaluations} evaluations")
print(f"gradient descent:  loss {downhill.loss[-1]:.2e} after {downhill.evaluations} evaluations")
