"""Render a step or a ledger: build blocks of lines and tables, then text, HTML or JSON."""
