"""Runs programs: threads, compiled callables, the code cache, and the NumPy fallback."""
