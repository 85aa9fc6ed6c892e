from collections.abc import Collection
from typing import Any

class Interval:
    def __init__(self, type: Any, left: Any, right: Any, *, closed: str) -> None: ...

class Options:
    def __init__(self, type: Any, options: Collection[Any]) -> None: ...

class StrOptions:
    def __init__(self, options: Collection[str]) -> None: ...
