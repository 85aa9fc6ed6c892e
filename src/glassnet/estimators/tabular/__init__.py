"""Models of tables: train and score a model on a table, and write its file."""
