"""The operations: one record per op, and functions composed of ops.

In: graph values, or arrays. Out: graph values, or arrays. The registry is `glassnet.graph.op.OPS`.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from glassnet import foreign
from glassnet.graph.op import Op
from glassnet.ops import numpy_names as numpy_names
from glassnet.ops.contraction import *
from glassnet.ops.elementwise import *
from glassnet.ops.functions import *
from glassnet.ops.index import *
from glassnet.ops.joining import *
from glassnet.ops.logic import *
from glassnet.ops.random import *
from glassnet.ops.reductions import *
from glassnet.ops.source_ops import *
from glassnet.ops.view import *

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        functions = [
            public
            for public, item in globals().items()
            if isinstance(item, Op | FunctionType) and public[0] != "_"
        ]
        raise foreign.missing_name_error(__name__, name, sorted(functions))
