"""The report of a model of a table."""
