"""Running programs: threads, compiled callables, the code cache, and the fallback by NumPy."""
