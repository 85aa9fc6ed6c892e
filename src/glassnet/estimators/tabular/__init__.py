"""Models of tables: from a table to a scored model, and its file."""
