"""Generates machine code from loop nests; the only package that uses LLVM."""
