"""Checks that this system allows executable memory.

In: nothing. Out: an error where it does not, as in services that forbid memory that is first
written and then executed. LLVM does not report this: calling such code would end the process.
"""

from __future__ import annotations

import ctypes
import mmap
from functools import cache

from glassnet.errors import CompileError


@cache
def check_executable() -> None:
    """Try to make one written page executable, as loading code does. Raises CompileError."""
    executable = getattr(mmap, "PROT_EXEC", None)
    if executable is None:  # a system without mprotect
        return
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        first_byte = ctypes.c_char.from_buffer(page)
        place, size = ctypes.c_void_p(ctypes.addressof(first_byte)), ctypes.c_size_t(mmap.PAGESIZE)
        refused = ctypes.CDLL(None).mprotect(place, size, mmap.PROT_READ | executable)
        del first_byte
    if refused:
        raise CompileError("this system allows no executable memory")
