"""Lowers kernels to loop nests, one file per kind of kernel, written with the builder protocol."""
