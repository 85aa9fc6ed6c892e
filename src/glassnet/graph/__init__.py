"""The intermediate representation: types, values, the graph, its checker, printer, parser and NumPy
interpreter."""
