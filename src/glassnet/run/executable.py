"""Whether this system lets a process run code that it has just written.

In: nothing. Out: an error where it does not, as in services that deny memory both written and
executed. LLVM itself does not say so: calling such code ends the process.
"""

from __future__ import annotations

import ctypes
import mmap
from functools import cache

from glassnet.errors import CompileError


@cache
def check_executable() -> None:
    """Try with one page what loading code will do: write it, then make it executable."""
    executable = getattr(mmap, "PROT_EXEC", None)
    if executable is None:  # not a system of this kind
        return
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        first_byte = ctypes.c_char.from_buffer(page)
        place, size = ctypes.c_void_p(ctypes.addressof(first_byte)), ctypes.c_size_t(mmap.PAGESIZE)
        refused = ctypes.CDLL(None).mprotect(place, size, mmap.PROT_READ | executable)
        del first_byte
    if refused:
        raise CompileError("this system allows no executable memory")
