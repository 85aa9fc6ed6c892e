"""Estimators: from a table to a trained model and back.

In: tables. Out: models, scores, predictions, model files.
"""
