"""Which operations share one loop, and in which order the loops run.

In: a simplified graph. Out: its kernels in order, and what each may overwrite.
"""
