"""Fuses operations into kernels (shared loop nests) and orders the kernels.

In: a simplified graph. Out: its kernels in order, and which inputs each may overwrite.
"""
