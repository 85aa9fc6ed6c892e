"""How a step and a ledger are shown: blocks of lines and tables, then text, HTML or JSON."""
