from typing import Any

def train_test_split(
    *arrays: Any,
    test_size: Any = None,
    random_state: Any = None,
    shuffle: bool = True,
    stratify: Any = None,
) -> list[Any]: ...
