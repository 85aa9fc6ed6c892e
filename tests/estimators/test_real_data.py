"""What a fit with the defaults reaches on real tables; the bars are near published scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassnet.estimators.tabular.fit_table import fit_table
from glassnet.nn import Linear, ReLU, Sequential
from glassnet.nn.losses import CrossEntropy
from glassnet.optim import Adam
from glassnet.runs.train import train
from glassnet.tables.read_table import read_table
from tests.data import data_file, images


def test_adult() -> None:
    found = fit_table(read_table(data_file("adult_train.csv.gz")), "income")
    test = read_table(data_file("adult_test.csv.gz"))
    score, prediction = found.model.evaluate(test)
    assert score.rows == 16_281
    assert score.value >= 0.845
    # All answers of the common class are right for 12 435 of the 16 281 rows.
    assert score.constant == 12_435 / 16_281
    assert sum(prediction.missing.values()) == 2_203
    # The score of the held-out rows must foretell that of the test file.
    difference = abs(found.score.value - score.value)
    assert difference < 4 * (found.score.error**2 + score.error**2) ** 0.5


def test_california_housing() -> None:
    table = read_table(data_file("california_housing_raw.csv.gz"))
    found = fit_table(table, "median_house_value")
    assert found.score.rows == 20_640
    assert found.score.value <= 50_000
    assert found.score.constant > 110_000


def test_penguins() -> None:
    found = fit_table(read_table(data_file("penguins.csv.gz")), "species")
    assert found.score.rows == 344
    assert found.score.value >= 0.97


def test_mnist() -> None:
    x, y = images("mnist", "train")
    network = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
    settings: dict[str, Any] = {"loss": CrossEntropy(), "batch_size": 64}
    for seed, (lr, epochs) in enumerate(((1e-3, 12), (1e-4, 3))):
        train(network, x, y, optimizer=Adam(lr=lr), epochs=epochs, seed=seed, **settings)
    x_test, y_test = images("mnist", "t10k")
    assert np.mean(network(x_test).argmax(axis=1) == y_test) >= 0.975
