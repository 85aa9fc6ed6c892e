from typing import Any

def _wrap_data_with_container(
    method: str, data_to_wrap: Any, original_input: Any, estimator: Any
) -> Any: ...
