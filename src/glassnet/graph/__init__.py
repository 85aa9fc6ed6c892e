"""The waist: types, values, the graph, its checker, printer, parser and NumPy interpreter."""
