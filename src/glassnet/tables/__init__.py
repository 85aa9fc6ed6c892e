"""Tables: convert columns to arrays, and predictions back to values.

In: files. Out: tables, column types, encodings.
"""
