"""Tables: a table becomes arrays, and predictions become values.

In: files. Out: tables, column kinds, encodings.
"""
