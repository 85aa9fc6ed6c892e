"""Runs: training that is recorded in a file, gone on with, and read again.

In: a training by `glassnet.training`, or a run file. Out: a run file, whole whatever happens; the
same training, from any of its steps.
"""
