"""Runs: record a training in a file, resume it, and read it again.

In: a training by `glassnet.training`, or a run file. Out: a run file that a crash never leaves
half-written; the same training, from any of its steps.
"""
