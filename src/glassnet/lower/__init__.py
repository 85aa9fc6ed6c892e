"""Kernels to loop nests, one file per kind, written against the builder protocol."""
