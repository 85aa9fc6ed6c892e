"""Estimators: train a model on a table, and predict with it.

In: tables. Out: models, scores, predictions, model files.
"""
