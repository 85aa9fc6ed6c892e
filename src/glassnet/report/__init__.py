"""Write the report of a table's model as one self-contained HTML page."""
